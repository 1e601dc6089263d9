package scrape

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/common/model"
)

func zipped(body []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(body)
	_ = w.Close()
	return b.Bytes()
}

// answer writes a body with headers given in pairs.
func answer(body []byte, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		_, _ = w.Write(body)
	}
}

// raw writes bytes to the connection and closes it.
func raw(out string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = io.WriteString(conn, out)
		_ = conn.Close()
	}
}

// refused returns an address where nobody listens.
func refused(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String() + "/metrics"
}

// TestBadInput has each kind of bad answer come after a good one.
func TestBadInput(t *testing.T) {
	short := func(c *Config) { c.ScrapeTimeout = model.Duration(100 * time.Millisecond) }
	small := func(c *Config) { c.BodySizeLimit = 1 << 20 }
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	for _, tc := range []struct {
		name   string
		answer http.HandlerFunc // nil: nobody listens
		change func(*Config)
		reason reason
		want   string // how the error begins
	}{
		{name: "refused", reason: reasonConnect, want: "connect: dial tcp 127.0.0.1:"},
		{
			name: "hangs", answer: hang, change: short,
			reason: reasonTimeout, want: "no answer within scrape_timeout 100ms",
		},
		{
			name: "hangs within the body", change: short,
			answer: func(w http.ResponseWriter, r *http.Request) {
				answer([]byte("a 1\n"), "Content-Type", text004)(w, r)
				w.(http.Flusher).Flush()
				hang(w, r)
			},
			reason: reasonTimeout, want: "body not complete within scrape_timeout 100ms, after 4 bytes",
		},
		{
			name: "closes without an answer", answer: raw(""),
			reason: reasonRequest, want: "connection closed without an answer: EOF",
		},
		{
			name: "not HTTP", answer: raw("SSH-2.0-OpenSSH\r\n"),
			reason: reasonRequest, want: `request: net/http: HTTP/1.x transport connection broken: malformed HTTP response "SSH-2.0-OpenSSH"`,
		},
		{
			name: "404", answer: http.NotFound,
			reason: reasonStatus, want: "server returned HTTP status 404 Not Found",
		},
		{
			name: "redirect that is not followed", answer: http.RedirectHandler("/", http.StatusFound).ServeHTTP,
			reason: reasonStatus, want: "server returned HTTP status 302 Found",
		},
		{
			name: "HTML", answer: answer([]byte("<!DOCTYPE html><html>"), "Content-Type", "text/html"),
			reason: reasonContentType, want: `Content-Type "text/html" is no exposition format and the body looks like HTML`,
		},
		{
			name: "binary", answer: answer([]byte("\x7fELF\x02\x01\x01\x00\x00"), "Content-Type", "application/octet-stream"),
			reason: reasonContentType, want: `Content-Type "application/octet-stream" is no exposition format.`,
		},
		{
			name: "binary called text", answer: answer([]byte("\x7fELF\x02\x01\x01\x00\x00"), "Content-Type", text004),
			reason: reasonParse, want: `parse: expected a valid start token, got "\x7f"`,
		},
		{
			name: "binary called protobuf", answer: answer([]byte("\x7fELF\x02\x01\x01\x00\x00"), "Content-Type", protoText),
			reason: reasonParse, want: `parse: `,
		},
		{
			name: "half a body", answer: raw("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\na 1\nb 2\n"),
			reason: reasonTruncated, want: "body broke off after 8 bytes: unexpected EOF",
		},
		{
			name: "half a chunk", answer: raw("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\nff\r\na 1\nb 2\n"),
			reason: reasonTruncated, want: "body broke off after 8 bytes: unexpected EOF",
		},
		{
			name: "broken gzip", answer: answer([]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x00nonsense"), "Content-Type", text004, "Content-Encoding", "gzip"),
			reason: reasonEncoding, want: "decode body: ",
		},
		{
			name: "gzip that is none", answer: answer([]byte("a 1\nthis is no gzip at all\n"), "Content-Type", text004, "Content-Encoding", "gzip"),
			reason: reasonEncoding, want: "decode body: gzip: invalid header",
		},
		{
			name: "half a gzip", answer: answer(zipped([]byte(exposition(100, 1)))[:300], "Content-Type", text004, "Content-Encoding", "gzip"),
			reason: reasonEncoding, want: "decode body: unexpected EOF",
		},
		{
			name: "empty gzip", answer: answer(nil, "Content-Type", text004, "Content-Encoding", "gzip"),
			reason: reasonEncoding, want: "decode body: EOF",
		},
		{
			name: "gzip without saying so", answer: answer(zipped([]byte("a 1\n")), "Content-Type", text004),
			reason: reasonParse, want: "parse: the body looks like gzip without a Content-Encoding",
		},
		{
			name: "unknown encoding", answer: answer([]byte("a 1\n"), "Content-Type", text004, "Content-Encoding", "br"),
			reason: reasonEncoding, want: `decode body: unknown Content-Encoding "br"`,
		},
		{
			name: "gzip bomb", answer: answer(zipped(make([]byte, 100<<20)), "Content-Type", text004, "Content-Encoding", "gzip"), change: small,
			reason: reasonBodySize, want: "body larger than body_size_limit 1MiB",
		},
		{
			name: "2 GB announced", answer: raw("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2147483648\r\n\r\n"), change: small,
			reason: reasonBodySize, want: "body larger than body_size_limit 1MiB",
		},
		{
			name: "too many samples", answer: answer([]byte(exposition(50, 1)), "Content-Type", text004), change: func(c *Config) { c.SampleLimit = 10 },
			reason: reasonSamples, want: `sample_limit exceeded: 50 samples after relabelling, limit 10; the first beyond it is {__name__="service_requests_0_total", code="200", handler="/api/v1/item/10"`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var bad atomic.Bool
			good := answer([]byte("good 1\n"), "Content-Type", text004)
			address := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if bad.Load() {
					tc.answer(w, r)
				} else {
					good(w, r)
				}
			})
			if tc.answer == nil {
				address = refused(t)
			}
			r := newRig(t)
			r.apply([]Job{checkout(tc.change)}, targetAt(t, address))
			r.run()
			bad.Store(true)
			r.scrapeAll()

			sc := r.last()
			if !sc.Failed || sc.Series.Len() != 5 || reported(sc)[0] != 0 || !(reported(sc)[1] > 0) {
				t.Errorf("not reported as failed: %s%v", dump(sc), reported(sc))
			}
			if got := markers(sc); tc.answer != nil && got != "good" {
				t.Errorf("ended %q, want the good series", got)
			}
			status := r.Status()[0]
			if status.Health != "down" || !strings.HasPrefix(status.LastError, tc.want) {
				t.Errorf("got  %s\nwant %s", status.LastError, tc.want)
			}
			if n := r.metric("outrider_scrape_failures_total", "target_job", "checkout", "reason", string(tc.reason)); n < 1 {
				t.Errorf("failure not counted under %s", tc.reason)
			}
			limits := r.metric("outrider_scrape_limit_exceeded_total", "target_job", "checkout", "limit", string(tc.reason))
			if (limits == 1) != tc.reason.isLimit() {
				t.Errorf("limit counted %v times", limits)
			}
			if !strings.Contains(r.log.String(), `msg="scrape failed" target=checkout/pod-1:8080 job=checkout url=http://127.0.0.1:`) {
				t.Errorf("log: %s", r.log)
			}
			if tc.answer != nil {
				bad.Store(false)
				r.scrapeAll()
				if sc := r.last(); sc.Failed || reported(sc)[0] != 1 {
					t.Errorf("did not recover: %s", r.Status()[0].LastError)
				}
			}
		})
	}
}

// TestEndlessBody streams what would be 2 GB.
func TestEndlessBody(t *testing.T) {
	const limit, most = 1 << 20, 2 << 30
	for _, encoding := range []string{"", "gzip"} {
		var served atomic.Int64
		done := make(chan struct{})
		address := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			defer close(done)
			w.Header().Set("Content-Type", text004)
			w.Header().Set("Content-Encoding", encoding)
			line := []byte(strings.Repeat("# padding, padding, padding, padding\n", 1000))
			if encoding == "gzip" {
				line = zipped(line) // members one after the other
			}
			for served.Load() < most {
				n, err := w.Write(line)
				served.Add(int64(n))
				if err != nil {
					return
				}
			}
		})
		job := checkout(func(c *Config) { c.BodySizeLimit = limit })
		client, err := newClient(&job, "")
		if err != nil {
			t.Fatal(err)
		}
		req, err := newRequest(client, targetAt(t, address).URL, &job.Config)
		if err != nil {
			t.Fatal(err)
		}
		var buf buffer
		_, _, err = req.fetch(t.Context(), &buf)
		if err == nil || reasonOf(err) != reasonBodySize {
			t.Errorf("%q: got %v", encoding, err)
		}
		<-done
		// What is beyond the limit is what the kernel had room for.
		if n := served.Load(); n > limit+64<<20 {
			t.Errorf("%q: %d bytes served", encoding, n)
		}
		if cap(buf.b) > 2*limit {
			t.Errorf("%q: buffer of %d bytes", encoding, cap(buf.b))
		}
		client.CloseIdleConnections()
	}
}

func TestBodyOfJustTheLimit(t *testing.T) {
	body := []byte(exposition(10, 1))
	for _, encoding := range []string{"", "gzip"} {
		wire := body
		if encoding == "gzip" {
			wire = zipped(body)
		}
		for _, tc := range []struct {
			limit int
			want  error
		}{{len(body), nil}, {len(body) - 1, errTooLarge}, {len(body) + 1, nil}, {0, nil}} {
			var buf buffer
			for range 2 { // the second time with buffers from the first
				got, err := buf.readAll(bytes.NewReader(wire), "", encoding, int64(tc.limit))
				if encoding == "" {
					got, err = buf.readAll(&limitedReader{r: bytes.NewReader(wire), limit: int64(tc.limit)}, "", "", int64(tc.limit))
				}
				if err != tc.want || err == nil && !bytes.Equal(got, body) {
					t.Errorf("%q limit %d of %d: %d bytes, %v", encoding, tc.limit, len(body), len(got), err)
				}
			}
		}
	}
}

func TestBufferShrinks(t *testing.T) {
	var b buffer
	read := func(n int) {
		if got, err := b.readAll(strings.NewReader(strings.Repeat("x", n)), "", "", 0); err != nil || len(got) != n {
			t.Fatal(len(got), err)
		}
	}
	read(4 << 20)
	read(1000)
	read(1000)
	if cap(b.b) > keepBuffer {
		t.Errorf("keeps %d bytes for bodies of 1000", cap(b.b))
	}
	before := fmt.Sprintf("%p", b.b[:1])
	read(1000)
	if fmt.Sprintf("%p", b.b[:1]) != before {
		t.Error("buffer not used again")
	}
}

func TestHTTPSToHTTP(t *testing.T) {
	r := newRig(t)
	r.apply([]Job{checkout(nil)}, targetAt(t, strings.Replace(serveText(t, "a 1\n"), "http:", "https:", 1)))
	r.run()
	if got := r.Status()[0].LastError; got != "request: http: server gave HTTP response to HTTPS client" {
		t.Errorf("got %s", got)
	}
}

func TestDuplicatesAndTimestampsAreCountedAndLogged(t *testing.T) {
	r := newRig(t)
	r.apply([]Job{checkout(nil)}, targetAt(t, serveText(t, "a 1\na 2\nup 3\nb 1 1700000000\nc 1\n")))
	r.run()
	sc := r.last()
	if sc.Failed || sc.Series.Len() != 2+5 || reported(sc)[0] != 1 {
		t.Errorf("got %s", dump(sc))
	}
	if n := r.metric("outrider_scrape_duplicate_samples_total", "target_job", "checkout"); n != 2 {
		t.Errorf("%v duplicates counted", n)
	}
	if n := r.metric("outrider_scrape_samples_dropped_total", "target_job", "checkout", "reason", droppedTooOld); n != 1 {
		t.Errorf("%v too old counted", n)
	}
	if n := r.metric("outrider_scrape_samples_total", "target_job", "checkout"); n != 2 {
		t.Errorf("%v samples counted", n)
	}
	for _, want := range []string{
		`msg="series exposed more than once, the first sample counts" target=checkout/pod-1:8080 job=checkout count=2 series="{__name__=\"a\"`,
		`msg="samples dropped because of their own timestamps" target=checkout/pod-1:8080 job=checkout too_new=0 too_old=1 out_of_order=0`,
	} {
		if !strings.Contains(r.log.String(), want) {
			t.Errorf("log lacks %s:\n%s", want, r.log)
		}
	}
}
