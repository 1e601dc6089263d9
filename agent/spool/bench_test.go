package spool

import (
	"context"
	"testing"
)

func BenchmarkRecord(b *testing.B) {
	for _, c := range []struct {
		name, dir string
		size      int
	}{{"disk10KB", b.TempDir(), 10_000}, {"disk1MB", b.TempDir(), 1_000_000}, {"memory1MB", "", 1_000_000}} {
		b.Run(c.name, func(b *testing.B) {
			l, err := Open(Options{Dir: c.dir})
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			body := make([]byte, c.size)
			b.SetBytes(int64(c.size))
			b.ReportAllocs()
			for b.Loop() {
				if err := l.Append(1, 1, 1, body); err != nil {
					b.Fatal(err)
				}
				if _, err := l.Peek(context.Background()); err != nil {
					b.Fatal(err)
				}
				l.Advance()
			}
		})
	}
}
