package lru

import (
	"errors"
	"sync"
	"testing"
)

func TestForgetsTheLeastRecentlyUsed(t *testing.T) {
	c := New[string, int](2)
	c.Put("a", 1)
	c.Put("b", 2)
	c.Get("a") // now b is the older one
	c.Put("c", 3)

	for key, want := range map[string]int{"a": 1, "c": 3} {
		if got, ok := c.Get(key); !ok || got != want {
			t.Errorf("Get(%q) = %d, %v, want %d", key, got, ok, want)
		}
	}
	if _, ok := c.Get("b"); ok {
		t.Error("b is still there, though it was used least recently")
	}
	if c.Len() != 2 {
		t.Errorf("Len() = %d, want 2", c.Len())
	}
}

func TestPutReplaces(t *testing.T) {
	c := New[string, int](1)
	c.Put("a", 1)
	c.Put("a", 2)
	if got, _ := c.Get("a"); got != 2 || c.Len() != 1 {
		t.Errorf("Get(a) = %d with %d entries, want 2 with 1", got, c.Len())
	}
}

func TestRemove(t *testing.T) {
	c := New[string, int](2)
	c.Put("a", 1)
	if got, ok := c.Remove("a"); !ok || got != 1 {
		t.Errorf("Remove(a) = %d, %v, want 1, true", got, ok)
	}
	if _, ok := c.Remove("a"); ok {
		t.Error("a could be removed twice")
	}
	if c.Len() != 0 {
		t.Errorf("Len() = %d, want 0", c.Len())
	}
}

func TestUpdate(t *testing.T) {
	c := New[string, int](2)
	refuse := errors.New("refused")
	if _, err := c.Update("a", func(int, bool) (int, error) { return 1, refuse }); !errors.Is(err, refuse) {
		t.Errorf("Update returned %v, want the error of the change", err)
	}
	if c.Len() != 0 {
		t.Error("a refused change was stored")
	}

	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if _, err := c.Update("a", func(old int, _ bool) (int, error) { return old + 1, nil }); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got, _ := c.Get("a"); got != 100 {
		t.Errorf("after 100 concurrent increments: %d", got)
	}
}

func TestNewWithoutCapacity(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("New(0) did not panic")
		}
	}()
	New[int, int](0)
}
