package remotewrite

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"outrider/agent/spool"
)

// orphanFor is how long at least the spool of an endpoint is kept that is configured no more.
const orphanFor = 24 * time.Hour

// lookForOrphans tells of the spools of endpoints that are not configured, which wait for them
// to come back, and removes those to which nothing was added for longer than any endpoint keeps.
func (m *Manager) lookForOrphans(configured map[string]bool, configs []*Config) {
	if m.opts.SpoolDir == "" {
		return
	}
	keep := orphanFor
	for _, cfg := range configs {
		keep = max(keep, m.limits(cfg).MaxAge)
	}
	dirs := make(map[string]bool)
	for name := range configured {
		dirs[endpointDir(name)] = true
	}
	entries, err := os.ReadDir(m.opts.SpoolDir)
	if err != nil {
		return // nothing was spooled yet
	}
	for _, e := range entries {
		if !e.IsDir() || dirs[e.Name()] {
			continue
		}
		dir := filepath.Join(m.opts.SpoolDir, e.Name())
		bytes, last := sizeOf(dir)
		if time.Since(last) > keep {
			if bytes > 0 {
				m.opts.Logger.Warn("removing the spool of an endpoint that is not configured, it is too old", "dir", dir, "bytes", bytes)
			}
			if err := os.RemoveAll(dir); err != nil {
				m.opts.Logger.Warn("remove spool directory", "err", err)
			}
			continue
		}
		m.opts.Logger.Warn("there is a spool of an endpoint that is not configured; it is sent when that comes back, or removed when it is too old", "dir", dir, "bytes", bytes)
	}
}

// sizeOf adds up the segments below a directory, and says when one was last written; the zero
// time when there is none.
func sizeOf(dir string) (bytes int64, last time.Time) {
	_ = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !strings.Contains(filepath.Base(name), spool.SegmentSuffix) { // also those set aside
			return nil
		}
		if info, err := d.Info(); err == nil {
			bytes += info.Size()
			if info.ModTime().After(last) {
				last = info.ModTime()
			}
		}
		return nil
	})
	return bytes, last
}
