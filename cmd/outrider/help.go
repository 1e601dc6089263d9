package main

const appHelp = `Outrider rides beside one service: it scrapes its metrics and profiles, ships
them to Prometheus and Pyroscope, and opens pprof captures on demand.

Run it beside a service:

  OUTRIDER_SERVICE=checkout OUTRIDER_TARGET=localhost:8080 \
  OUTRIDER_REMOTE_WRITE_URL=http://prometheus:9090/api/v1/write \
  OUTRIDER_PYROSCOPE_URL=http://pyroscope:4040 outrider run`

// usageTemplate prints help texts as they are written: they hold examples, which wrapping
// would break. A command's HelpLong holds its examples.
const usageTemplate = `{{define "Args" -}}
{{if .FlagSummary}} {{.FlagSummary}}{{end -}}
{{range .Args}}{{if not .Hidden}} {{if not .Required}}[{{end}}<{{.Name}}>{{if .Value|IsCumulative}}...{{end}}{{if not .Required}}]{{end}}{{end}}{{end -}}
{{end -}}

{{define "CommandList" -}}
{{range . -}}
{{if not .Hidden -}}
{{if .Commands}}{{template "CommandList" .Commands}}{{else}}  {{printf "%-14s" .FullCommand}} {{.Help}}
{{end -}}
{{end -}}
{{end -}}
{{end -}}

{{if .Context.SelectedCommand -}}
usage: {{.App.Name}} {{.Context.SelectedCommand}}{{template "Args" .Context.SelectedCommand}}

{{.Context.SelectedCommand.Help}}
{{with .Context.SelectedCommand.HelpLong}}
{{.}}
{{end -}}
{{else -}}
usage: {{.App.Name}} <command> [<flags>] [<args> ...]

{{.App.Help}}
{{end -}}
{{if .Context.Args}}
Arguments:
{{.Context.Args|ArgsToTwoColumns|FormatTwoColumns -}}
{{end -}}
{{if .Context.SelectedCommand -}}
{{if .Context.SelectedCommand.Commands}}
Commands:
{{template "CommandList" .Context.SelectedCommand.Commands -}}
{{end -}}
{{else if .App.Commands}}
Commands:
{{template "CommandList" .App.Commands -}}
{{end -}}
{{if .Context.Flags}}
Flags:
{{.Context.Flags|FlagsToTwoColumns|FormatTwoColumns -}}
{{end -}}
`
