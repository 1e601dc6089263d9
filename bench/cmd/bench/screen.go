package main

import (
	"fmt"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// screen prints lines, and on a terminal a status below them that changes in place.
type screen struct {
	out *os.File

	mu    sync.Mutex
	width int  // of the terminal, 0 if there is none
	shown bool // a status is on the screen
}

func newScreen(out *os.File) *screen {
	s := &screen{out: out}
	if ws, err := unix.IoctlGetWinsize(int(out.Fd()), unix.TIOCGWINSZ); err == nil && os.Getenv("TERM") != "dumb" {
		s.width = int(ws.Col)
	}
	return s
}

// Printf prints a line that stays.
func (s *screen) Printf(format string, args ...any) {
	fmt.Fprintf(s, format+"\n", args...)
}

// Write writes what stays.
func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	return s.out.Write(b)
}

// Status replaces the status. Without a terminal there is none: each run prints a line.
func (s *screen) Status(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.width == 0 {
		return
	}
	text := strings.TrimSpace(fmt.Sprintf(format, args...))
	if r := []rune(text); len(r) >= s.width { // a line that wraps cannot be overwritten
		text = string(r[:s.width-1])
	}
	s.clear()
	fmt.Fprint(s.out, text)
	s.shown = true
}

// Close takes the status away.
func (s *screen) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
}

func (s *screen) clear() {
	if s.shown {
		fmt.Fprint(s.out, "\r\x1b[K")
		s.shown = false
	}
}
