package main

import (
	"context"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	done, cancel := context.WithCancel(t.Context())
	cancel()
	if err := run(done, []string{"-listen", "127.0.0.1:0", "-pprof-listen", "127.0.0.1:0", "-seed", "7"}); err != nil {
		t.Errorf("a run that ends at once returned %v", err)
	}
	for want, args := range map[string][]string{
		"listen for the shop: ": {"-listen", "nowhere"},
		"unexpected argument":   {"-seed", "7", "127.0.0.1:0"},
	} {
		if err := run(t.Context(), args); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q returned %v, want %s", args, err, want)
		}
	}
}
