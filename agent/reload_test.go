package agent

import (
	"context"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"outrider/telemetry"
)

// ride runs an agent until the test ends.
func ride(t *testing.T, a *Agent) {
	t.Helper()
	drain, end := context.WithCancel(t.Context())
	abort, endNow := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- a.Run(drain, abort) }()
	t.Cleanup(func() {
		end()
		endNow()
		<-done
	})
}

func TestRefusedReloadCostsNothing(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	service, to := newService(t), newReceiver(t)
	to.answer(http.StatusServiceUnavailable)
	file := filepath.Join(t.TempDir(), "outrider.yml")
	good := configFile("shop", service, to.Server)
	writeFile(t, file, good)
	a := newTestAgent(t, file)
	ride(t, a)
	eventually(t, "requests wait", func() bool { s := a.writer.Status(); return len(s) == 1 && s[0].Queued > 0 })
	eventually(t, "the service is scraped", func() bool {
		s := a.scraper.Status()
		return len(s) == 2 && !s[0].LastScrape.IsZero() && !s[1].LastScrape.IsZero()
	})
	before := a.writer.Status()[0]

	// Each of these would take the endpoint away, or the job, if a later block were not broken.
	renamed := strings.Replace(good, "url:", "name: other\n    url:", 1)
	for _, broken := range []string{
		strings.Replace(renamed, "job_name: shop", "job_name: store\n    tls_config: {ca_file: missing.pem}", 1),
		strings.Replace(renamed, "job_name: shop", "job_name: store", 1) +
			"profile_configs: [{job_name: p, scrape_job: store, tls_config: {ca_file: missing.pem}}]\n",
	} {
		writeFile(t, file, broken)
		if err := a.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "missing.pem") {
			t.Errorf("reload: %v, want missing.pem named", err)
		}
		after := a.writer.Status()
		if len(after) != 1 || after[0].Name != before.Name || after[0].Queued < before.Queued {
			t.Errorf("endpoints were %+v, are %+v", before, after)
		}
		if s := a.scraper.Status(); len(s) != 2 || s[0].Target.Labels.Get("job") != "outrider" || s[1].Target.Labels.Get("job") != "shop" {
			t.Errorf("targets are %+v", s)
		}
	}
}

// TestTargetsAreTakenOverLate wants targets that cannot be taken over, here for a certificate
// that is being replaced, to be tried again, and the former ones to go on.
func TestTargetsAreTakenOverLate(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	service := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(service.Close)
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	pemCA := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: service.Certificate().Raw}))
	writeFile(t, ca, pemCA)
	file := filepath.Join(dir, "outrider.yml")
	writeFile(t, file, fmt.Sprintf(`
self_metrics: false
scrape_configs:
  - job_name: shop
    scheme: https
    tls_config: {ca_file: ca.pem}
    static_configs: [{targets: [%q]}]
`, service.Listener.Addr()))
	a := newTestAgent(t, file)
	ride(t, a)
	count := func() int { return len(a.scraper.Status()) }
	eventually(t, "the first target is there", func() bool { return count() == 1 })

	if err := os.Remove(ca); err != nil {
		t.Fatal(err)
	}
	a.mu.Lock()
	more := telemetry.Targets{Scrape: map[string][]*telemetry.Target{"shop": append(slices.Clone(a.targets.Scrape["shop"]), lifeTarget("pod-9:1"))}}
	a.mu.Unlock()
	a.updateTargets(more)
	if got := count(); got != 1 {
		t.Fatalf("%d targets while the certificate is away, want the former one", got)
	}
	writeFile(t, ca, pemCA)
	eventually(t, "the second target is taken over", func() bool { return count() == 2 })
}

// TestOwnProfilesHoldNothingUp has the SDK upload to a server that takes connections and
// never answers.
func TestOwnProfilesHoldNothingUp(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	uploads := make(chan struct{}, 100)
	release := make(chan struct{})
	hanging := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		uploads <- struct{}{}
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})}}
	hanging.Start()
	t.Cleanup(func() { close(release); hanging.Close() })

	file := filepath.Join(t.TempDir(), "outrider.yml")
	writeFile(t, file, fmt.Sprintf("self_profiles: true\npyroscope_write: [{url: %q}]\n", hanging.URL))
	a := newTestAgent(t, file)
	a.opts.DrainTimeout = time.Second
	drain, end := context.WithCancel(t.Context())
	defer end()
	done := make(chan error, 1)
	go func() { done <- a.Run(drain, t.Context()) }()
	select {
	case <-uploads:
	case <-time.After(40 * time.Second):
		t.Fatal("the SDK uploads nothing")
	}
	end()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(15 * time.Second): // the SDK's own patience is 30 s
		t.Fatal("the end waits for a server that hangs")
	}
}
