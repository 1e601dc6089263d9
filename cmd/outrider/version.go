package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/version"
)

const versionHelp = `Examples:
  outrider version
  outrider version --short
  outrider version --json`

func registerVersion(app *kingpin.Application, add func(*kingpin.CmdClause, command)) {
	cmd := app.Command("version", "Print the version and how it was built.").HelpLong(versionHelp)
	short := cmd.Flag("short", "Print the version alone.").Bool()
	asJSON := cmd.Flag("json", "Print JSON.").Bool()
	add(cmd, func(_ context.Context, io stdio) error {
		b := readBuild()
		switch {
		case *short:
			fmt.Fprintln(io.Out, b.Version)
		case *asJSON:
			return printJSON(io.Out, b)
		default:
			b.print(io.Out)
		}
		return nil
	})
}

// build is where this binary comes from. What is not known is empty.
type build struct {
	Version   string `json:"version"`
	Revision  string `json:"revision"`
	Branch    string `json:"branch,omitempty"`
	User      string `json:"build_user,omitempty"`
	Date      string `json:"build_date,omitempty"`
	GoVersion string `json:"go_version"`
	Platform  string `json:"platform"`
	Tags      string `json:"tags,omitempty"`
}

func readBuild() build {
	b := build{
		Version:   buildVersion(),
		Revision:  version.GetRevision(),
		Branch:    version.Branch,
		User:      version.BuildUser,
		Date:      version.BuildDate,
		GoVersion: version.GoVersion,
		Platform:  version.GoOS + "/" + version.GoArch,
	}
	if tags := version.GetTags(); tags != "unknown" {
		b.Tags = tags
	}
	return b
}

func (b build) print(w io.Writer) {
	fmt.Fprintf(w, "outrider, version %s (revision: %s)\n", b.Version, b.Revision)
	for _, line := range [][2]string{
		{"branch", b.Branch}, {"build user", b.User}, {"build date", b.Date},
		{"go version", b.GoVersion}, {"platform", b.Platform}, {"tags", b.Tags},
	} {
		if line[1] != "" {
			fmt.Fprintf(w, "  %-12s %s\n", line[0]+":", line[1])
		}
	}
}

// buildVersion is the version that the linker was given, else the one that go derives from
// the repository, else "devel". It has no leading v.
func buildVersion() string {
	v := version.Version
	if v == "" {
		if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "(devel)" {
			v = info.Main.Version
		}
	}
	if v == "" {
		return "devel"
	}
	return strings.TrimPrefix(v, "v")
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
