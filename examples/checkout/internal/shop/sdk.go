package shop

import (
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/grafana/pyroscope-go"
)

// startSDK runs pyroscope-go in this process, and returns how to stop it. It holds the CPU
// profiler all the time: the plain net/http/pprof handler of this service then answers 500
// "cpu profiling already in use", which is what a sidecar has to live with.
func startSDK(log *slog.Logger, url string) (stop func(), err error) {
	transport := &http.Transport{}
	profiler, err := pyroscope.Start(pyroscope.Config{
		ApplicationName: "checkout",
		ServerAddress:   url,
		Logger:          sdkLogger{log},
		DisableGCRuns:   true, // a profiler should not add collections
		// Stopping waits for uploads under way.
		HTTPClient: &http.Client{Transport: transport, Timeout: 5 * time.Second},
	})
	if err != nil {
		return nil, fmt.Errorf("start pyroscope-go: %w", err)
	}
	return func() {
		_ = profiler.Stop() // it never fails
		transport.CloseIdleConnections()
	}, nil
}

// sdkLogger adapts slog.
type sdkLogger struct{ log *slog.Logger }

func (l sdkLogger) Infof(format string, args ...any) { l.Debugf(format, args...) }
func (l sdkLogger) Debugf(format string, args ...any) {
	l.log.Debug("pyroscope-go", "text", fmt.Sprintf(format, args...))
}
func (l sdkLogger) Errorf(format string, args ...any) {
	l.log.Warn("pyroscope-go reports an error", "err", fmt.Sprintf(format, args...))
}
