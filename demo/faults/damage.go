package faults

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// runDamage kills a sidecar that has a backlog, hurts what it left on disk, and wants that the
// next one starts, counts the damage and delivers everything else.
func runDamage(ctx context.Context, b *bench) error {
	for _, p := range protocols {
		if err := b.damage(ctx, p.name, p.message); err != nil {
			return err
		}
	}
	return nil
}

// hurt is one way to damage a file of size bytes.
type hurt struct {
	name string
	do   func(b []byte) []byte
}

func (b *bench) hurts(rng *random, size int) []hurt {
	var out []hurt
	for _, n := range []int{1, 20, 33, 200} {
		out = append(out, hurt{fmt.Sprintf("torn: %d bytes", n), func(f []byte) []byte { return f[:len(f)-n] }})
	}
	out = append(out, hurt{"torn: zeros at the end", func(f []byte) []byte { return append(f, make([]byte, 4096)...) }})
	flips := 40
	if b.Short {
		flips = 6
	}
	for range flips {
		at, bit := rng.n(size), rng.n(8)
		out = append(out, hurt{fmt.Sprintf("flipped: byte %d of %d", at, size), func(f []byte) []byte { f[at] ^= 1 << bit; return f }})
	}
	for _, at := range []int{0, size / 2, size - 1} {
		out = append(out, hurt{fmt.Sprintf("flipped: byte %d of %d", at, size), func(f []byte) []byte { f[at] ^= 0xff; return f }})
	}
	return out
}

func (b *bench) damage(ctx context.Context, name, message string) error {
	base := setup{message: message, interval: 500 * time.Millisecond, targets: 8, shape: shape{values: 60}}
	return b.withRig(name, base, func(r *rig) error {
		if err := r.sink.set(modeDown); err != nil {
			return err
		}
		if err := r.start(ctx); err != nil {
			return err
		}
		sleep(ctx, 4*time.Second)
		if err := r.kill(); err != nil {
			return err
		}
		file, size, err := largestFile(filepath.Join(r.storageDir(), "spool"))
		if err != nil {
			return err
		}
		mostLost, allLost, torn, shown, started := 0, 0, 0, 0, 0
		var uncounted, lost, wrong violations
		hurts := b.hurts(newRandom(b.Seed, uint64(size)), int(size))
		for i, h := range hurts {
			l, s, counted, err := b.afterDamage(ctx, r, file, fmt.Sprintf("%s/%d", name, i), h)
			if err != nil {
				return fmt.Errorf("%s: %w", h.name, err)
			}
			started++
			mostLost, allLost = max(mostLost, l.lost.n), allLost+l.lost.n
			if strings.HasPrefix(h.name, "torn") {
				torn++
			}
			if l.lost.n > 1 {
				lost.add("%s: %d bodies lost: %v", h.name, l.lost.n, l.lost.first)
			}
			switch {
			case counted != "":
				shown++
			case l.lost.n > 0: // what is there twice costs nothing
				uncounted.add("%s", h.name)
			}
			for _, v := range []violations{l.torn, l.twice, l.unknown, s.changed, s.disorder, s.malformed} {
				for range v.n {
					wrong.add("%s: %v", h.name, v.first)
				}
			}
		}
		b.tell(name+": backlog", "%d bodies in %d bytes", r.served(), size)
		b.want(started == len(hurts), name+": starts after damage", fmt.Sprint(len(hurts)), "%d (the end torn in %d ways, a byte flipped in %d places)", started, torn, started-torn)
		b.want(lost.n == 0, name+": most bodies lost by one of them", "at most the 1 that it hit", "%d, %d by all together %v", mostLost, allLost, lost.first)
		b.want(uncounted.n == 0, name+": damage that a counter shows", "all that costs something", "%d of %d %v", shown, started, uncounted.first)
		b.none(name+": in part, under two times, changed, out of order, malformed", wrong)
		return nil
	})
}

// afterDamage hurts a copy of the storage, starts a sidecar on it that scrapes nothing, and
// returns what of the backlog arrived and how the sidecar counted the rest.
func (b *bench) afterDamage(ctx context.Context, from *rig, file, name string, h hurt) (*ledger, *sink, string, error) {
	s := from.setup
	s.targets, s.writeURL = 0, "" // a receiver of its own
	s.storage = filepath.Join(b.dir, name, "storage")
	var l *ledger
	var sk *sink
	counted := ""
	err := b.withRig(name, s, func(r *rig) error {
		if err := os.CopyFS(s.storage, os.DirFS(from.storageDir())); err != nil {
			return err
		}
		rel, err := filepath.Rel(from.storageDir(), file)
		if err != nil {
			return err
		}
		path := filepath.Join(s.storage, rel)
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := os.WriteFile(path, h.do(content), 0o640); err != nil {
			return err
		}
		if err := r.start(ctx); err != nil {
			return err
		}
		if err := r.flush(ctx, 30*time.Second); err != nil {
			return err
		}
		metrics, err := r.sidecar.Metrics(ctx)
		if err != nil {
			return err
		}
		counted = damageCounters(metrics)
		if err := r.stop(ctx); err != nil {
			return err
		}
		sk = r.sink
		l = account(from.targets, r.sink.book, from.ends)
		return nil
	})
	return l, sk, counted, err
}

// damageCounters renders what the sidecar counted of damage.
func damageCounters(metrics map[string]float64) string {
	var parts []string
	for series, v := range metrics {
		if v > 0 && strings.Contains(series, "spool") && (strings.Contains(series, "damaged") || strings.Contains(series, "torn")) {
			parts = append(parts, fmt.Sprintf("%s %v", series, v))
		}
	}
	return strings.Join(parts, ", ")
}

// largestFile is the one with most bytes below a folder: the segment that holds the backlog.
func largestFile(dir string) (path string, size int64, err error) {
	err = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Size() > size {
			path, size = p, info.Size()
		}
		return nil
	})
	if err == nil && size < 1024 {
		err = fmt.Errorf("no backlog on disk in %s", dir)
	}
	return path, size, err
}
