package ratelog

import (
	"hash/maphash"
	"log/slog"
)

const errKey = "err"

// maxErr is how many bytes of an error count. What follows is often the text of an answer.
const maxErr = 256

// key tells what a record says: what it is about, and which kind of error it reports.
type key struct{ subject, err uint64 }

// isSubject says whether an attribute of this name tells what a record is about.
func isSubject(name string) bool {
	switch name {
	case "target", "endpoint", "type", "job", "reason":
		return true
	}
	return false
}

// keyOf hashes what a record says; with are the attributes that its logger adds. Two that
// collide cost a log line.
func keyOf(seed maphash.Seed, with []slog.Attr, r *slog.Record) key {
	var subject, errs maphash.Hash
	subject.SetSeed(seed)
	errs.SetSeed(seed)
	// The levels of slog fit in a byte; one that does not merely shares a key.
	_ = subject.WriteByte(byte(r.Level))
	_, _ = subject.WriteString(r.Message)

	add := func(a slog.Attr) bool {
		switch {
		case isSubject(a.Key):
			_ = subject.WriteByte(0xff) // in no UTF-8 text
			_, _ = subject.WriteString(a.Key)
			_ = subject.WriteByte(0xff)
			_, _ = subject.WriteString(a.Value.Resolve().String())
		case a.Key == errKey:
			_ = errs.WriteByte(0xff)
			hashWithoutDigits(&errs, a.Value.Resolve().String())
		}
		return true
	}
	for _, a := range with {
		add(a)
	}
	r.Attrs(add)
	return key{subject.Sum64(), errs.Sum64()}
}

// hashWithoutDigits hashes the beginning of s with one # for each run of digits.
func hashWithoutDigits(h *maphash.Hash, s string) {
	digits := false
	for _, c := range []byte(s[:min(len(s), maxErr)]) {
		if c < '0' || c > '9' {
			digits = false
		} else if digits {
			continue
		} else {
			digits, c = true, '#'
		}
		_ = h.WriteByte(c)
	}
}
