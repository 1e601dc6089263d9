package agent

import (
	"slices"

	"outrider/agent/console"
)

// snapshot is what the console and the command line show of this sidecar.
func (a *Agent) snapshot() console.Snapshot {
	id := a.identity()
	a.mu.Lock()
	reload := a.reload
	a.mu.Unlock()
	return console.Snapshot{
		Version: a.opts.Version,
		Identity: console.Identity{
			Instance:  id.Instance,
			Namespace: id.Namespace,
			Pod:       id.Pod,
			Node:      id.Node,
		},
		Started: a.started,
		Config: console.ConfigStatus{
			File:     a.opts.ConfigFile,
			LoadedAt: reload.loaded,
			Error:    reload.failure,
		},
		Targets:   a.scraper.Status(),
		Profiles:  a.profiler.Status(),
		Endpoints: slices.Concat(a.writer.Status(), a.pusher.Status()),
	}
}
