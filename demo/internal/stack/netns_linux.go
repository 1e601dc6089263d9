package stack

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Netns is a network namespace with a loopback of its own and nothing else: what one pod is
// to another, as far as 127.0.0.1 goes.
type Netns struct{ file *os.File }

// NewNetns makes a network namespace. That takes a privilege; without it the error says so.
func NewNetns() (*Netns, error) {
	type result struct {
		file *os.File
		err  error
	}
	made := make(chan result, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this function
		file, err := unshareNet()
		made <- result{file, err}
	}()
	r := <-made
	if r.err != nil {
		return nil, fmt.Errorf("make a network namespace: %w", r.err)
	}
	return &Netns{file: r.file}, nil
}

// unshareNet moves this thread into a new namespace, whose loopback it brings up.
func unshareNet() (*os.File, error) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return nil, err
	}
	ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr); err != nil {
		return nil, fmt.Errorf("bring up loopback: %w", err)
	}
	return os.Open("/proc/thread-self/ns/net")
}

// enter moves the calling thread, which must be locked and must not be unlocked again.
func (n *Netns) enter() error {
	if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter network namespace: %w", err)
	}
	return nil
}

// AddAddress gives the namespace an IPv4 address that is not loopback, as a pod has.
func (n *Netns) AddAddress(ip netip.Addr) error {
	return n.do(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		ifr, err := unix.NewIfreq("lo:1")
		if err != nil {
			return err
		}
		if err := ifr.SetInet4Addr(ip.AsSlice()); err != nil {
			return err
		}
		if err := unix.IoctlIfreq(fd, unix.SIOCSIFADDR, ifr); err != nil {
			return fmt.Errorf("add address %s: %w", ip, err)
		}
		return nil
	})
}

// do runs f within the namespace. Sockets that f makes stay there, whoever uses them.
func (n *Netns) do(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this function
		if err := n.enter(); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	return <-done
}

// Dial connects to an address, which must be numeric, within the namespace.
func (n *Netns) Dial(address string) (conn net.Conn, err error) {
	err = n.do(func() error {
		conn, err = net.Dial("tcp", address)
		return err
	})
	return conn, err
}

// Listen listens on an address, which must be numeric, within the namespace.
func (n *Netns) Listen(address string) (l net.Listener, err error) {
	err = n.do(func() error {
		l, err = net.Listen("tcp", address)
		return err
	})
	return l, err
}

// Close lets go of the namespace; it ends with the last process and socket in it.
func (n *Netns) Close() error { return n.file.Close() }
