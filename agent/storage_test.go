package agent

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOpenStorage(t *testing.T) {
	logger := slog.New(slog.DiscardHandler)

	t.Run("a new folder is made and locked", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "a", "b")
		s, err := openStorage(dir, "", logger)
		if err != nil {
			t.Fatal(err)
		}
		if want := filepath.Join(dir, "quarantine"); s.quarantine() != want {
			t.Errorf("quarantine is %q, want %q", s.quarantine(), want)
		}
		_, err = openStorage(dir, "", logger)
		want := fmt.Sprintf("storage path %s is in use by another outrider (pid %d): give each its own with --storage.path", dir, os.Getpid())
		if err == nil || err.Error() != want {
			t.Errorf("second owner got %v, want %s", err, want)
		}
		if err := s.close(); err != nil {
			t.Fatal(err)
		}
		again, err := openStorage(dir, "", logger)
		if err != nil {
			t.Fatalf("a folder given back cannot be opened: %v", err)
		}
		if err := again.close(); err != nil {
			t.Error(err)
		}
	})

	t.Run("a named folder must be usable", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(file, "below")
		_, err := openStorage(dir, "", logger)
		want := "storage path " + dir + ": not a directory: make it writable for this user, or name another with --storage.path"
		if err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	})
}

func TestFallbackStorageDegrades(t *testing.T) {
	dir := t.TempDir()
	held, err := lockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	var log bytes.Buffer
	s, err := openStorage("", dir, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if s.dir != "" || s.quarantine() != "" {
		t.Errorf("storage is on disk at %q although the folder is taken", s.dir)
	}
	if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), dir) {
		t.Errorf("nothing loud was said: %s", log.String())
	}
	if err := s.close(); err != nil {
		t.Error(err)
	}
}
