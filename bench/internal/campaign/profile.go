package campaign

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"
)

// maxProfile is the longest CPU profile that the sidecar takes of itself.
const maxProfile = 60 * time.Second

// profile writes the profiles of an agent to PREFIX.cpu.pprof and PREFIX.heap.pprof.
func (r *rig) profile(ctx context.Context, prefix string, window time.Duration) error {
	seconds := int(min(window, maxProfile).Seconds())
	base := "http://" + r.listen + "/debug/pprof/"
	if err := r.fetch(ctx, fmt.Sprintf("%sprofile?seconds=%d", base, seconds), prefix+".cpu.pprof"); err != nil {
		return err
	}
	return r.fetch(ctx, base+"heap", prefix+".heap.pprof")
}

func (r *rig) fetch(ctx context.Context, address, path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := r.get(ctx, address, maxProfile+30*time.Second, func(body io.Reader) error {
		_, err := io.Copy(f, body)
		return err
	}); err != nil {
		return err
	}
	return f.Close()
}
