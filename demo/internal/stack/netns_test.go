package stack

import (
	"bufio"
	"context"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
)

// echo answers one line on each connection.
func echo(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = io.WriteString(c, "from "+l.Addr().String()+"\n")
		c.Close()
	}
}

func namespace(t *testing.T) *Netns {
	t.Helper()
	ns, err := NewNetns()
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { ns.Close() })
	return ns
}

func TestNetns(t *testing.T) {
	ns := namespace(t)
	outside, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer outside.Close()
	address := outside.Addr().String()
	if c, err := ns.Dial(address); err == nil {
		c.Close()
		t.Fatal("a listener outside is seen inside")
	}
	inside, err := ns.Listen(address)
	if err != nil {
		t.Fatalf("the same port inside: %v", err)
	}
	defer inside.Close()
	go echo(inside)
	c, err := ns.Dial(address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || line != "from "+address+"\n" {
		t.Errorf("%q, %v", line, err)
	}

	// A process in it has a loopback and nothing else.
	p := shell(t, `sed 1,2d /proc/net/dev | cut -d: -f1; exec sleep 60`, ns)
	said(t, p, "lo\n")
	if got := strings.Fields(p.Tail()); !slices.Equal(got, []string{"lo"}) {
		t.Errorf("devices %v, want lo alone", got)
	}
}

func TestRelay(t *testing.T) {
	ns := namespace(t)
	behind, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer behind.Close()
	go echo(behind)
	front, err := ns.Listen("127.0.0.1:9")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		Relay(ctx, front, func() (net.Conn, error) { return net.Dial("tcp", behind.Addr().String()) })
	}()
	c, err := ns.Dial("127.0.0.1:9")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(c); err != nil || string(got) != "from "+behind.Addr().String()+"\n" {
		t.Errorf("%q, %v", got, err)
	}
	c.Close()
	cancel()
	<-done
}
