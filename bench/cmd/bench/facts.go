package main

import (
	"bufio"
	"bytes"
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"outrider/bench/internal/report"
)

// circumstances reads off what the results depend on.
func (b *bench) circumstances(ctx context.Context) (report.Circumstances, error) {
	c := report.Circumstances{
		Date:    time.Now().UTC().Format("2006-01-02 15:04 UTC"),
		Command: strings.TrimSpace("make bench" + quoteArgs(b.args)),
		Machine: fmt.Sprintf("%s, %d cores", fact("/proc/cpuinfo", "model name"), runtime.NumCPU()),
		Go:      strings.TrimPrefix(runtime.Version(), "go"),
		Repeats: b.plan.Repeats,
		Gzip:    b.gzip,
	}
	kb, _ := strconv.ParseInt(strings.TrimSuffix(fact("/proc/meminfo", "MemTotal"), " kB"), 10, 64)
	c.Memory = fmt.Sprintf("%.0f GiB", float64(kb)/(1<<20))
	var uts unix.Utsname
	if err := unix.Uname(&uts); err == nil {
		c.Kernel = unix.ByteSliceToString(uts.Sysname[:]) + " " + unix.ByteSliceToString(uts.Release[:])
	}
	for _, l := range b.plan.Loads {
		t := b.plan.Times(l)
		c.Warmup += fmt.Sprintf(", %s (%s)", t.Warmup, l)
		c.Window += fmt.Sprintf(", %s (%s)", t.Window, l)
	}
	c.Warmup, c.Window = strings.TrimPrefix(c.Warmup, ", "), strings.TrimPrefix(c.Window, ", ")
	for _, a := range products(b.plan.Agents) {
		info, err := buildinfo.ReadFile(a.Binary)
		if err != nil {
			return c, fmt.Errorf("read the version of %s: %w", a.Product(), err)
		}
		version := info.Main.Version + ", " + info.GoVersion
		for _, s := range info.Settings {
			if s.Key == "CGO_ENABLED" {
				version += ", cgo " + map[string]string{"0": "off", "1": "on"}[s.Value]
			}
		}
		if a.Product() == "outrider" { // our own build does not know its version this way
			if version, err = ownVersion(ctx, a.Binary); err != nil {
				return c, err
			}
		}
		c.Versions = append(c.Versions, report.Version{Program: a.Product(), Version: version})
	}
	return c, nil
}

// ownVersion is the first line of what the sidecar says of itself.
func ownVersion(ctx context.Context, path string) (string, error) {
	out, err := exec.CommandContext(ctx, path, "version").Output()
	if err != nil {
		return "", fmt.Errorf("ask the sidecar for its version: %w", err)
	}
	line, _, _ := strings.Cut(string(out), "\n")
	_, version, found := strings.Cut(line, "version ")
	if !found {
		version = line
	}
	return strings.NewReplacer("(revision: ", "(").Replace(version), nil
}

// quoteArgs writes the arguments as make takes them.
func quoteArgs(args []string) string {
	var own []string
	for i := 0; i < len(args); i++ {
		if args[i] == "--bin" { // the Makefile sets it
			i++
			continue
		}
		own = append(own, args[i])
	}
	if len(own) == 0 {
		return ""
	}
	return " ARGS='" + strings.Join(own, " ") + "'"
}

// fact is the value of a key in a file of lines such as "MemTotal:  24683 kB".
func fact(path, key string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	for lines := bufio.NewScanner(bytes.NewReader(b)); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == key {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}
