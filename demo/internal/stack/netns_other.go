//go:build !linux

package stack

import (
	"errors"
	"net"
	"net/netip"
)

// Netns is a network namespace, which only Linux has.
type Netns struct{}

// NewNetns always fails here.
func NewNetns() (*Netns, error) { return nil, errors.New("network namespaces need Linux") }

func (*Netns) enter() error { panic("BUG: no network namespace can be made here") }

// AddAddress is never called: there is no namespace.
func (*Netns) AddAddress(netip.Addr) error { panic("BUG: no network namespace can be made here") }

// Dial is never called: there is no namespace.
func (*Netns) Dial(string) (net.Conn, error) { panic("BUG: no network namespace can be made here") }

// Listen is never called: there is no namespace.
func (*Netns) Listen(string) (net.Listener, error) {
	panic("BUG: no network namespace can be made here")
}

// Close is never called: there is no namespace.
func (*Netns) Close() error { return nil }
