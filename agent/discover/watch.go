package discover

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// pollInterval is how often files are looked at. A look is one stat for each file, which
	// also sees what inotify does not: swapped symbolic links, network file systems.
	pollInterval = 5 * time.Second
	maxFileBytes = 8 << 20
)

// watcher knows what the files of the configured patterns hold. It is not safe for
// concurrent use.
type watcher struct {
	logger   *slog.Logger
	errors   *prometheus.CounterVec // by pattern
	patterns map[string]*watchedPattern
}

type watchedPattern struct {
	refresh time.Duration
	files   map[string]*watchedFile // by path
	empty   bool                    // no file matched at the last look
}

type watchedFile struct {
	info   fs.FileInfo // of what was read last; nil means that nothing could be
	readAt time.Time
	failed bool           // the last read failed
	groups []StaticConfig // of the last good read
}

func newWatcher(logger *slog.Logger, errs *prometheus.CounterVec) *watcher {
	return &watcher{logger: logger, errors: errs, patterns: map[string]*watchedPattern{}}
}

// apply sets the patterns to those that jobs name. What is known of files that stay is kept.
func (w *watcher) apply(jobs []Job) {
	refresh := map[string]time.Duration{}
	for i := range jobs {
		for _, fc := range jobs[i].Config.FileSDConfigs {
			every := time.Duration(fc.RefreshInterval)
			if every <= 0 {
				every = time.Duration(DefaultRefreshInterval)
			}
			for _, p := range fc.Files {
				if known, ok := refresh[p]; !ok || every < known {
					refresh[p] = every
				}
			}
		}
	}
	for p := range w.patterns {
		if _, ok := refresh[p]; !ok {
			delete(w.patterns, p)
			w.errors.DeleteLabelValues(p)
		}
	}
	for p, every := range refresh {
		if w.patterns[p] == nil {
			w.patterns[p] = &watchedPattern{files: map[string]*watchedFile{}}
			w.errors.WithLabelValues(p)
		}
		w.patterns[p].refresh = every
	}
}

// poll looks at all files, reads those that changed or are due, and says whether what groups
// returns may have changed.
func (w *watcher) poll(now time.Time) (changed bool) {
	for _, pattern := range slices.Sorted(maps.Keys(w.patterns)) {
		if w.pollPattern(pattern, now) {
			changed = true
		}
	}
	return changed
}

func (w *watcher) pollPattern(pattern string, now time.Time) (changed bool) {
	p := w.patterns[pattern]
	paths, err := listFiles(pattern)
	if err != nil {
		w.fail(pattern, pattern, err)
		return false
	}
	if len(paths) == 0 && !p.empty {
		w.logger.Warn("no target file matches", "pattern", pattern)
	}
	p.empty = len(paths) == 0

	for path := range p.files {
		if !slices.Contains(paths, path) {
			w.logger.Info("target file is gone, and its targets with it", "path", path)
			delete(p.files, path)
			changed = true
		}
	}
	for _, path := range paths {
		f := p.files[path]
		if f == nil {
			f = &watchedFile{}
			p.files[path] = f
		}
		if !f.due(path, now, p.refresh) {
			continue
		}
		groups, info, err := readFile(path)
		f.info, f.readAt = info, now
		if err != nil {
			f.failed = true
			w.fail(pattern, path, err)
			continue
		}
		if f.failed {
			w.logger.Info("target file is good again", "path", path)
		}
		f.groups, f.failed, changed = groups, false, true
	}
	return changed
}

func (w *watcher) fail(pattern, path string, err error) {
	w.errors.WithLabelValues(pattern).Inc()
	w.logger.Warn("target file is bad, what it said before stays in force", "path", path, "err", err)
}

// groups returns what the files of a pattern hold, in the order of their paths.
func (w *watcher) groups(pattern string) []fileGroup {
	p := w.patterns[pattern]
	if p == nil {
		panic(fmt.Sprintf("BUG: pattern %q is not watched", pattern))
	}
	var all []fileGroup
	for _, path := range slices.Sorted(maps.Keys(p.files)) {
		for _, g := range p.files[path].groups {
			all = append(all, fileGroup{path, g})
		}
	}
	return all
}

// due says whether a file must be read: it is new, could not be read, is another file or was
// written since, or its refresh interval has passed.
func (f *watchedFile) due(path string, now time.Time, refresh time.Duration) bool {
	if f.info == nil || now.Sub(f.readAt) >= refresh {
		return true
	}
	info, err := os.Stat(path)
	return err != nil || !os.SameFile(f.info, info) ||
		!f.info.ModTime().Equal(info.ModTime()) || f.info.Size() != info.Size()
}

// listFiles returns the files that a pattern matches at present. Unlike filepath.Glob it
// tells a folder that cannot be read from one that is empty.
func listFiles(pattern string) ([]string, error) {
	dir, last := filepath.Split(pattern)
	if !strings.ContainsAny(last, `*?[\`) {
		_, err := os.Lstat(pattern)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, nil
		case err != nil:
			return nil, err
		}
		return []string{pattern}, nil
	}
	entries, err := os.ReadDir(filepath.Clean(dir))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	}
	var paths []string
	for _, e := range entries {
		ok, err := filepath.Match(last, e.Name())
		if err != nil {
			return nil, err
		}
		if ok {
			paths = append(paths, dir+e.Name())
		}
	}
	return paths, nil
}

// readFile reads and parses a file. The FileInfo is of the moment before the content was
// read, so that a write in between shows at the next look; it is nil when there is no
// content to speak of.
func readFile(path string) ([]StaticConfig, fs.FileInfo, error) {
	format, err := formatOf(path)
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", path, err)
	}
	// To open a named pipe would wait for its writer.
	if info, err := os.Stat(path); err != nil {
		return nil, nil, err
	} else if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("read %s: not a regular file", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, nil, err
	}
	content, err := io.ReadAll(io.LimitReader(file, maxFileBytes+1))
	if err != nil {
		return nil, nil, err
	}
	if len(content) > maxFileBytes {
		return nil, info, fmt.Errorf("read %s: longer than %d bytes", path, maxFileBytes)
	}
	groups, err := parseGroups(format, content)
	if err != nil {
		return nil, info, fmt.Errorf("read %s: %w", path, err)
	}
	return groups, info, nil
}
