package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

func (r *runner) faultsOn(ctx context.Context) error {
	for _, f := range r.cfg.Faults {
		name, level, _ := strings.Cut(f, "=")
		params := url.Values{"on": {"true"}}
		if level != "" {
			params.Set("level", level)
		}
		if err := r.switchFault(ctx, name, params); err != nil {
			return err
		}
	}
	return nil
}

// faultsOff has no context of the caller's: it must happen when that is done, too. A service
// that has gone has no faults either, so errors are of no interest.
func (r *runner) faultsOff() {
	for _, f := range r.cfg.Faults {
		name, _, _ := strings.Cut(f, "=")
		_ = r.switchFault(context.Background(), name, url.Values{"on": {"false"}})
	}
}

func (r *runner) switchFault(ctx context.Context, name string, params url.Values) error {
	u := r.cfg.Target + "/faults/" + url.PathEscape(name) + "?" + params.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u, nil)
	if err != nil {
		return fmt.Errorf("switch fault %s: %w", name, err)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return fmt.Errorf("switch fault %s: %w", name, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(strings.TrimSpace(string(body)))
	}
	if err != nil {
		return fmt.Errorf("switch fault %s: %w", name, err)
	}
	return nil
}
