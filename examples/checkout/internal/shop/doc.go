// Package shop provides the checkout service: a catalogue, carts, orders and what a real shop
// has around them. Its latencies are drawn, its data is in memory; its cache, pool, queue,
// locks, metrics and profiles are real.
package shop
