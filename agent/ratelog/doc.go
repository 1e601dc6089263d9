// Package ratelog provides a slog handler that says the same thing at most once in a while.
package ratelog
