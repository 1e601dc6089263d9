package remotewrite

import (
	"errors"
	"io"
	"net/http"
	"sync"
)

// postBody is that of one request. The client may go on reading it for a while after it has given
// the answer, when the bytes are about to be used for something else: end keeps it off.
type postBody struct {
	mu   sync.Mutex
	data []byte // nil after end
	over bool
}

var errOver = errors.New("the request is over")

// giveTo makes it the body of a request, also of one that is redirected or sent again on
// another connection.
func (b *postBody) giveTo(req *http.Request) {
	req.ContentLength = int64(len(b.data))
	req.GetBody = func() (io.ReadCloser, error) { return &bodyReader{body: b}, nil }
	req.Body = &bodyReader{body: b}
}

// end returns when nobody reads the bytes any more.
func (b *postBody) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.data, b.over = nil, true
}

// bodyReader reads a body once.
type bodyReader struct {
	body *postBody
	at   int
}

func (r *bodyReader) Read(p []byte) (int, error) {
	r.body.mu.Lock()
	defer r.body.mu.Unlock()
	switch {
	case r.body.over:
		return 0, errOver
	case r.at == len(r.body.data):
		return 0, io.EOF
	}
	n := copy(p, r.body.data[r.at:])
	r.at += n
	return n, nil
}

func (r *bodyReader) Close() error { return nil }
