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
	return stack.Locate(ctx, []stack.Wanted{
		{Env: "OUTRIDER_BIN", Path: &binaries.Outrider, Build: fresh.Outrider},
		{Env: "CHECKOUT_BIN", Path: &binaries.Checkout, Build: fresh.Checkout},
		{Env: "LOADGEN_BIN", Path: &binaries.Loadgen, Build: fresh.Loadgen},
		{Env: "PROMETHEUS_BIN", Path: &binaries.Prometheus, Build: kept.Prometheus},
		{Env: "PROMTOOL_BIN", Path: &promtool, Build: kept.Promtool},
	})
}
