package stack

import (
	"bufio"
	"bytes"
	"context"
	"debug/buildinfo"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Builder builds the programs into one folder. Those of this repository are always given to
// the go command, which knows what has changed; those of the tools module take minutes
// and are built only when the folder does not hold the version that the module pins.
type Builder struct {
	Root string // of the repository
	Bin  string // folder of the binaries
	// Report is told how a build goes on; nil means nobody is.
	Report func(Progress)
}

// Progress is how far the build of one program has come.
type Progress struct {
	Name    string // of the program
	Modules int    // downloaded
	Compile int    // packages compiled
	Last    string // what the go command said last
}

// Binaries are the paths of the programs.
type Binaries struct {
	Outrider, Checkout, Loadgen, Prometheus string
}

const prometheusModule = "github.com/prometheus/prometheus"

// Outrider builds the sidecar.
func (b *Builder) Outrider(ctx context.Context) (string, error) {
	return b.build(ctx, "outrider", b.Root, "./cmd/outrider")
}

// Checkout builds the example service.
func (b *Builder) Checkout(ctx context.Context) (string, error) {
	return b.build(ctx, "checkout", b.Root, "./examples/checkout")
}

// Loadgen builds the load generator.
func (b *Builder) Loadgen(ctx context.Context) (string, error) {
	return b.build(ctx, "loadgen", b.Root, "./examples/loadgen")
}

// Prometheus builds the pinned Prometheus unless it is there.
func (b *Builder) Prometheus(ctx context.Context) (string, error) {
	return b.pinned(ctx, "prometheus")
}

// Promtool builds the promtool of the same version unless it is there.
func (b *Builder) Promtool(ctx context.Context) (string, error) {
	return b.pinned(ctx, "promtool")
}

// pinned builds a command of Prometheus in the tools module.
func (b *Builder) pinned(ctx context.Context, name string) (string, error) {
	tools := filepath.Join(b.Root, "tools")
	want, err := goList(ctx, tools, prometheusModule)
	if err != nil {
		return "", err
	}
	if info, err := buildinfo.ReadFile(b.path(name)); err == nil &&
		info.Path == prometheusModule+"/cmd/"+name && info.Main.Version == want {
		return filepath.Abs(b.path(name)) // processes are started in folders of their own
	}
	// The service discoveries that are left out are most of the size and of the time.
	return b.build(ctx, name, tools, "-tags", "remove_all_sd", prometheusModule+"/cmd/"+name)
}

// goList returns the version of a module that the one in dir selects.
func goList(ctx context.Context, dir, module string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Version}}", module)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("find the version of %s: %w\n%s", module, err, stderr.String())
	}
	return strings.TrimSpace(string(out)), nil
}

func (b *Builder) path(name string) string { return filepath.Join(b.Bin, name) }

// build runs go build in dir and returns the path of the binary.
func (b *Builder) build(ctx context.Context, name, dir string, args ...string) (string, error) {
	if err := os.MkdirAll(b.Bin, 0o755); err != nil {
		return "", fmt.Errorf("build %s: %w", name, err)
	}
	out, err := filepath.Abs(b.path(name))
	if err != nil {
		return "", err
	}
	// The same settings for all, so that they share what is compiled.
	cmd := exec.CommandContext(ctx, "go", slices.Concat([]string{"build", "-v", "-trimpath", "-ldflags", "-s -w", "-o", out}, args)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it ends its compilers
	cmd.WaitDelay = 10 * time.Second
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", fmt.Errorf("build %s: %w", name, err)
	}
	said := b.follow(name, stderr)
	if err := cmd.Wait(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", name, err, said)
	}
	return out, nil
}

// follow reports what go build says until it has ended, and returns the part of it that is
// worth repeating should it have failed.
func (b *Builder) follow(name string, r io.Reader) string {
	p := Progress{Name: name}
	var said []string
	defer io.Copy(io.Discard, r) //nolint:errcheck // only after an endless line
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "go: downloading "):
			p.Modules++
			p.Last = strings.TrimPrefix(line, "go: ")
		case strings.ContainsAny(line, " \t"):
			said = append(said, line)
			continue
		default: // -v prints the path of each package
			p.Compile++
			p.Last = line
		}
		if b.Report != nil {
			b.Report(p)
		}
	}
	if n := len(said) - 20; n > 0 {
		said = said[n:]
	}
	return strings.Join(said, "\n")
}
