// Package lru provides a bounded in-memory cache that forgets what was used least recently.
package lru

import (
	"container/list"
	"sync"
)

// Cache maps keys to values and holds at most a fixed number of them. It is safe for
// concurrent use; one mutex guards all of it.
type Cache[K comparable, V any] struct {
	capacity int

	mu      sync.Mutex
	entries map[K]*list.Element
	recent  *list.List // of *entry[K, V], most recently used first
}

type entry[K comparable, V any] struct {
	key   K
	value V
}

// New makes a cache for at most capacity values. A capacity below one is a bug of the caller.
func New[K comparable, V any](capacity int) *Cache[K, V] {
	if capacity < 1 {
		panic("BUG: lru cache without capacity")
	}
	return &Cache[K, V]{
		capacity: capacity,
		entries:  make(map[K]*list.Element, capacity),
		recent:   list.New(),
	}
}

// Get returns the value of key and marks it as used.
func (c *Cache[K, V]) Get(key K) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	el, ok := c.entries[key]
	if !ok {
		return value, false
	}
	c.recent.MoveToFront(el)
	return el.Value.(*entry[K, V]).value, true
}

// Put sets the value of key, and forgets the least recently used one if that makes one too
// many.
func (c *Cache[K, V]) Put(key K, value V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.put(key, value)
}

// Update replaces the value of key by what change makes of it, as one step: ok says whether
// there was an old value. If change returns an error nothing is stored. change runs under the
// lock of the cache and must not call the cache.
func (c *Cache[K, V]) Update(key K, change func(old V, ok bool) (V, error)) (V, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var old V
	el, ok := c.entries[key]
	if ok {
		old = el.Value.(*entry[K, V]).value
	}
	value, err := change(old, ok)
	if err != nil {
		return old, err
	}
	c.put(key, value)
	return value, nil
}

// Remove forgets key and returns what it held.
func (c *Cache[K, V]) Remove(key K) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	el, ok := c.entries[key]
	if !ok {
		return value, false
	}
	c.recent.Remove(el)
	delete(c.entries, key)
	return el.Value.(*entry[K, V]).value, true
}

// Len is the number of values held.
func (c *Cache[K, V]) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.entries)
}

func (c *Cache[K, V]) put(key K, value V) {
	if el, ok := c.entries[key]; ok {
		el.Value.(*entry[K, V]).value = value
		c.recent.MoveToFront(el)
		return
	}
	c.entries[key] = c.recent.PushFront(&entry[K, V]{key: key, value: value})
	if len(c.entries) > c.capacity {
		oldest := c.recent.Remove(c.recent.Back()).(*entry[K, V])
		delete(c.entries, oldest.key)
	}
}
