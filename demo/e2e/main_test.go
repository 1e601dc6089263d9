package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"outrider/demo/internal/stack"
)

// What the tests run; set once by TestMain.
var (
	binaries stack.Binaries
	promtool string
)

// TestMain finds the programs: those that OUTRIDER_BIN, PROMETHEUS_BIN and PROMTOOL_BIN name,
// and for the rest it builds them.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "outrider-e2e-")
	if err == nil {
		err = find(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.RemoveAll(dir)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		os.RemoveAll(dir)
		os.Exit(code)
	}))
}

func find(dir string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	root := filepath.Join("..", "..")
	fresh := &stack.Builder{Root: root, Bin: dir}
	kept := &stack.Builder{Root: root, Bin: filepath.Join(root, "bin")} // for what takes minutes
	for _, p := range []struct {
		env   string
		path  *string
		build func(context.Context) (string, error)
	}{
		{"OUTRIDER_BIN", &binaries.Outrider, fresh.Outrider},
		{"CHECKOUT_BIN", &binaries.Checkout, fresh.Checkout},
		{"LOADGEN_BIN", &binaries.Loadgen, fresh.Loadgen},
		{"PROMETHEUS_BIN", &binaries.Prometheus, kept.Prometheus},
		{"PROMTOOL_BIN", &promtool, kept.Promtool},
	} {
		path := os.Getenv(p.env)
		if path == "" {
			fmt.Fprintf(os.Stderr, "e2e: building what %s does not name\n", p.env)
			var err error
			if path, err = p.build(ctx); err != nil {
				return err
			}
		}
		path, err := filepath.Abs(path)
		if err != nil {
			return err
		}
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("%s: %w", p.env, err)
		}
		*p.path = path
	}
	return nil
}
