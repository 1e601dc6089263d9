package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kingpin/v2"

	"outrider/agent"
	"outrider/agent/footprint"
)

const runHelp = `Configuration comes from the file, or from the environment alone when there is none
(see docs/configuration.md). The first SIGTERM or SIGINT takes a last scrape and
delivers what is queued; a second one ends at once. SIGHUP and POST /-/reload read
the file again; a file with mistakes changes nothing.

Examples:
  OUTRIDER_SERVICE=checkout OUTRIDER_TARGET=localhost:8080 outrider run
  outrider run --config.file outrider.yml --storage.path /var/lib/outrider
  outrider run --config.file outrider.yml --web.telemetry-address :9911`

func registerRun(app *kingpin.Application, add func(*kingpin.CmdClause, command)) {
	cmd := app.Command("run", "Ride beside a service: scrape, profile and ship.").HelpLong(runHelp)
	var opts agent.Options
	cmd.Flag("config.file", "Configuration file. Without it the environment is the configuration.").
		PlaceHolder("FILE").StringVar(&opts.ConfigFile)
	cmd.Flag("storage.path", fmt.Sprintf("Folder for what is kept on disk: requests that wait to be delivered, and those that a receiver refused (default %s).", agent.DefaultStoragePath)).
		PlaceHolder("DIR").Envar("OUTRIDER_STORAGE_PATH").StringVar(&opts.StoragePath)
	cmd.Flag("web.listen-address", "Address of the pages, the API and everything else. An address that is not loopback needs authentication (--web.config.file).").
		Default("127.0.0.1:9910").StringVar(&opts.ListenAddress)
	cmd.Flag("web.telemetry-address", "Address of a second door with metrics and health alone, for Prometheus and the kubelet, such as :9911. Off by default.").
		PlaceHolder("ADDRESS").StringVar(&opts.TelemetryAddress)
	cmd.Flag("web.config.file", "TLS and authentication of --web.listen-address, in the format of exporter-toolkit.").
		PlaceHolder("FILE").StringVar(&opts.WebConfigFile)
	cmd.Flag("web.external-url", "Address under which people reach this sidecar; used in links.").
		PlaceHolder("URL").StringVar(&opts.ExternalURL)
	cmd.Flag("drain-timeout", "How long queues may be delivered at the end.").
		Default("10s").DurationVar(&opts.DrainTimeout)
	log := addLogFlags(cmd)
	add(cmd, func(ctx context.Context, io stdio) error {
		logger, err := log.logger(io.Err)
		if err != nil {
			return err
		}
		opts.Logger = logger
		opts.Getenv = io.Getenv
		opts.Environ = io.Environ()
		opts.Version = buildVersion()
		footprint.SetDefaults(io.Getenv)
		return run(ctx, opts)
	})
}

// run turns signals into what the agent understands: the first one to end asks for a drain,
// the second one aborts it.
func run(ctx context.Context, opts agent.Options) error {
	drain, stopDrain := context.WithCancel(ctx)
	defer stopDrain()
	abort, stopAbort := context.WithCancel(context.WithoutCancel(ctx))
	defer stopAbort()

	ends := make(chan os.Signal, 2)
	signal.Notify(ends, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(ends)
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)

	a, err := agent.New(opts)
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- a.Run(drain, abort) }()
	for {
		select {
		case err := <-done:
			if errors.Is(err, agent.ErrAborted) {
				return exitError{code: exitAborted, msg: "outrider: " + err.Error()}
			}
			return err
		case s := <-ends:
			if drain.Err() == nil {
				opts.Logger.Info("signal received, draining; send it again to end at once", "signal", s.String(), "timeout", opts.DrainTimeout.String())
				stopDrain()
				continue
			}
			stopAbort()
		case <-hangups:
			// The agent logs what came of it.
			_ = a.Reload(drain)
		}
	}
}
