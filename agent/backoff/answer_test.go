package backoff

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode"
	"unicode/utf8"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	tests := map[string]struct {
		value string
		want  time.Duration
		ok    bool
	}{
		"none":             {"", 0, false},
		"zero":             {"0", 0, true},
		"seconds":          {"17", 17 * time.Second, true},
		"spaces":           {"  17 ", 17 * time.Second, true},
		"at the bound":     {"300", 5 * time.Minute, true},
		"beyond the bound": {"301", 5 * time.Minute, true},
		"beyond 32 bits":   {"4294967296", 5 * time.Minute, true},
		"beyond 64 bits":   {"99999999999999999999999", 5 * time.Minute, true},
		"date":             {"Sun, 01 Mar 2026 12:01:30 GMT", 90 * time.Second, true},
		"date RFC 850":     {"Sunday, 01-Mar-26 12:01:30 GMT", 90 * time.Second, true},
		"date asctime":     {"Sun Mar  1 12:01:30 2026", 90 * time.Second, true},
		"date in the past": {"Sun, 01 Mar 2026 11:00:00 GMT", 0, true},
		"date next year":   {"Mon, 01 Mar 2027 12:00:00 GMT", 5 * time.Minute, true},
		"year 9999":        {"Fri, 31 Dec 9999 23:59:59 GMT", 5 * time.Minute, true},
		"negative":         {"-1", 0, false},
		"signed":           {"+1", 0, false},
		"fraction":         {"1.5", 0, false},
		"unit":             {"5s", 0, false},
		"words":            {"soon", 0, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := http.Header{}
			h.Set("Retry-After", tt.value)
			if got, ok := RetryAfter(h, now); got != tt.want || ok != tt.ok {
				t.Errorf("RetryAfter(%q) = %v, %v, want %v, %v", tt.value, got, ok, tt.want, tt.ok)
			}
		})
	}
	if got, ok := RetryAfter(http.Header{}, now); ok {
		t.Errorf("without the header: %v, true", got)
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"0", "17", "18446744073709551616", "Sun, 01 Mar 2026 12:01:30 GMT", "-1", "1e9", "٣"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		d, ok := RetryAfter(http.Header{"Retry-After": {value}}, time.Unix(0, 0))
		if d < 0 || d > maxRetryAfter || d > 0 && !ok {
			t.Errorf("RetryAfter(%q) = %v, %v", value, d, ok)
		}
	})
}

// body is the body of an answer that knows what was done with it.
type body struct {
	io.Reader
	read   int
	eof    bool
	closed bool
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.read += n
	b.eof = b.eof || errors.Is(err, io.EOF)
	return n, err
}

func (b *body) Close() error { b.closed = true; return nil }

func TestDrainBody(t *testing.T) {
	const bound = shownBody + readBody
	tests := map[string]struct {
		body    io.Reader
		want    string
		wantEOF bool
	}{
		"empty":         {strings.NewReader(""), "", true},
		"one line":      {strings.NewReader("out of order sample\n"), "out of order sample", true},
		"many lines":    {strings.NewReader("\r\n a\n\n\tb  \u00a0 c\u2028d \n"), "a b c d", true},
		"control codes": {strings.NewReader("a\x1b[31mred\x00\u202e\ufeff!"), "a[31mred!", true},
		"not UTF-8":     {strings.NewReader("a\xffb\xc3"), "ab", true},
		"no text":       {strings.NewReader("\x00\x01\xfe"), "", true},
		"a cut rune":    {strings.NewReader(strings.Repeat("é", shownBody)), strings.Repeat("é", shownBody/2), true},
		"cut in a rune": {strings.NewReader("x" + strings.Repeat("é", shownBody)), "x" + strings.Repeat("é", shownBody/2-1), true},
		"at the bound":  {strings.NewReader(strings.Repeat("x", bound)), strings.Repeat("x", shownBody), true},
		"endless":       {endless{}, strings.Repeat("x", shownBody), false},
		"broken":        {io.MultiReader(strings.NewReader("half"), iotest.ErrReader(errors.New("reset"))), "half", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := &body{Reader: tt.body}
			if got := DrainBody(&http.Response{Body: b}); got != tt.want {
				t.Errorf("DrainBody = %q, want %q", got, tt.want)
			}
			if !b.closed {
				t.Error("the body was not closed")
			}
			// A connection is used again only after the end of the body was seen.
			if b.eof != tt.wantEOF {
				t.Errorf("end seen: %v, want %v", b.eof, tt.wantEOF)
			}
			if b.read > bound+1 {
				t.Errorf("%d bytes were read, want at most %d", b.read, bound+1)
			}
		})
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func FuzzDrainBody(f *testing.F) {
	f.Add([]byte("out of order\n"))
	f.Add([]byte("<html>\r\n\x1b[2J\xff\u202e</html>"))
	f.Fuzz(func(t *testing.T, data []byte) {
		line := DrainBody(&http.Response{Body: &body{Reader: strings.NewReader(string(data))}})
		if len(line) > shownBody || !utf8.ValidString(line) {
			t.Errorf("bad line %q", line)
		}
		for _, r := range line {
			if !unicode.IsPrint(r) {
				t.Errorf("line %q holds the unprintable %U", line, r)
			}
		}
	})
}
