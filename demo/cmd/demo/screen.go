package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// quietInterval is how often a status is printed where it cannot be overwritten.
const quietInterval = 10 * time.Second

// screen prints lines, and below them one status that changes in place. Where the output
// is not a terminal, the status becomes a line now and then.
type screen struct {
	out      *os.File
	terminal bool

	mu      sync.Mutex
	shown   bool      // a status is on the screen
	printed time.Time // when a status was last printed as a line
}

func newScreen(out *os.File) *screen {
	s := &screen{out: out, printed: time.Now()}
	s.terminal = s.width() > 0 && os.Getenv("TERM") != "dumb"
	return s
}

// width is that of the terminal, 0 if there is none.
func (s *screen) width() int {
	ws, err := unix.IoctlGetWinsize(int(s.out.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return int(ws.Col)
}

// Printf prints a line that stays.
func (s *screen) Printf(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	fmt.Fprintln(s.out, strings.TrimRight(fmt.Sprintf(format, args...), "\n"))
}

// Status replaces the status.
func (s *screen) Status(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := fmt.Sprintf(format, args...)
	if !s.terminal {
		if now := time.Now(); now.Sub(s.printed) >= quietInterval {
			s.printed = now
			fmt.Fprintln(s.out, text)
		}
		return
	}
	if w := s.width(); w > 1 && len([]rune(text)) >= w { // a line that wraps cannot be overwritten
		text = string([]rune(text)[:w-1])
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
