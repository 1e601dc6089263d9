package remotewrite

import (
	"net/http"
	"testing"
)

func TestClassify(t *testing.T) {
	plain1, plain2 := record{message: v1}, record{message: v2}
	withExemplars := record{message: v2, counts: counts{exemplars: 1}}
	said := written{said: true}
	for _, c := range []struct {
		r      record
		status int
		body   string
		w      written
		want   verdict
	}{
		{plain1, 200, "", written{}, delivered},
		{plain1, 204, "", written{}, delivered},
		{plain2, 204, "", said, delivered},
		{plain2, 204, "", written{}, notUnderstood},
		{plain2, 200, "", written{}, notUnderstood},
		{plain2, 415, "", written{}, notUnderstood},
		{plain1, 415, "", written{}, misconfigured},
		{plain1, 408, "", written{}, passing},
		{plain1, 429, "", written{}, passing},
		{plain1, 500, "", written{}, passing},
		{plain1, 501, "", written{}, passing},
		{plain1, 502, "too old sample", written{}, passing},
		{plain1, 503, "", written{}, passing},
		{plain1, 599, "", written{}, passing},
		{plain1, 413, "", written{}, tooLarge},
		{plain1, 400, "too old sample", written{}, tooOld},
		{plain1, 500, "too old sample", written{}, tooOld},
		{plain1, 400, "Out of bounds", written{}, tooOld},
		{plain1, 500, "out of bounds", written{}, tooOld},
		{plain1, 409, "add 3 samples: out of bounds", written{}, tooOld},
		{plain1, 400, "its timestamp is too old (err-mimir-sample-timestamp-too-old)", written{}, tooOld},
		{plain1, 400, "out of bounds: timestamp is too far in the future", written{}, poison},
		{plain1, 500, "out of bounds: timestamp is too far in the future", written{}, poison},
		{plain1, 400, "out of order sample", written{}, poison},
		{plain1, 400, "duplicate sample for timestamp 5", written{}, poison},
		{plain1, 400, "", written{}, poison},
		{plain1, 422, "anything", written{}, poison},
		{plain1, 409, "conflict", written{}, poison},
		{plain1, 500, "out of order sample", written{}, poison},
		{plain1, 500, "duplicate sample for timestamp", written{}, poison},
		{plain1, 500, `label name "a" is not unique: invalid sample`, written{}, poison},
		{withExemplars, 400, "out of order exemplar for series {}", written{}, badExemplars},
		{plain2, 400, "out of order exemplar for series {}", written{}, poison},
		{plain1, 301, "", written{}, misconfigured},
		{plain1, 302, "", written{}, misconfigured},
		{plain1, 401, "", written{}, misconfigured},
		{plain1, 403, "", written{}, misconfigured},
		{plain1, 404, "", written{}, misconfigured},
		{plain1, 405, "", written{}, misconfigured},
		{plain1, 421, "", written{}, misconfigured},
		{plain1, 402, "", written{}, misconfigured},
		{plain1, 418, "", written{}, misconfigured},
		{plain1, 101, "", written{}, misconfigured},
	} {
		if got := classify(c.r, c.status, c.body, c.w); got != c.want {
			t.Errorf("%d %q to %s: verdict %d, want %d", c.status, c.body, c.r.message, got, c.want)
		}
	}
}

func TestReadWritten(t *testing.T) {
	for _, c := range []struct {
		samples, histograms, exemplars string
		want                           written
		missing                        int // of 5 floats and 2 histograms
	}{
		{"", "", "", written{}, 0},
		{"5", "2", "0", written{said: true, floats: 5, histograms: 2}, 0},
		{"3", "", "", written{said: true, floats: 3}, 4},
		{"", "", "0", written{said: true}, 7},
		{"9", "9", "9", written{said: true, floats: 9, histograms: 9}, 0},
		{"many", "-1", "", written{said: true}, 7},
	} {
		h := http.Header{}
		for k, v := range map[string]string{headerSamplesWritten: c.samples, headerHistogramsWritten: c.histograms, headerExemplarsWritten: c.exemplars} {
			if v != "" {
				h.Set(k, v)
			}
		}
		w := readWritten(h)
		r := record{message: v2, counts: counts{floats: 5, histograms: 2, exemplars: 3}}
		if w != c.want || w.missing(r) != c.missing {
			t.Errorf("%v: %+v, %d missing; want %+v, %d", h, w, w.missing(r), c.want, c.missing)
		}
		r.message = v1
		if w.missing(r) != 0 {
			t.Errorf("%v: 1.0 has %d missing", h, w.missing(r))
		}
	}
}
