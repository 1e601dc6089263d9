//go:build unix

package discover

import (
	"path/filepath"
	"syscall"
	"testing"
)

// To open a named pipe would wait for a writer, and with it all discovery.
func TestReadFileDoesNotWaitForAPipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "p.yml")
	if err := syscall.Mkfifo(pipe, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, _, err := readFile(pipe); errString(err) != "read "+pipe+": not a regular file" {
		t.Errorf("error %v", err)
	}
}
