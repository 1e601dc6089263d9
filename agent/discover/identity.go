package discover

import (
	"cmp"
	"net"
	"net/netip"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// Identity tells this pod's series from those of its siblings, which all scrape the same
// loopback address.
type Identity struct {
	// Instance stands for the host in the instance label of targets on loopback. Never empty.
	Instance string
	// Namespace, Pod and Node become labels of those names where they are known.
	Namespace, Pod, Node string
}

// isLocal says whether a host (without port or brackets) means the machine it is used on:
// then it says nothing of which machine that is.
func isLocal(host string) bool {
	if host == "" { // ":8080" is dialled as localhost
		return true
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		ip = ip.Unmap().WithZone("")
		return ip.IsLoopback() || ip.IsUnspecified()
	}
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	switch name {
	// What /etc/hosts of the distributions calls loopback addresses.
	case "localhost", "localhost.localdomain",
		"localhost4", "localhost4.localdomain4",
		"localhost6", "localhost6.localdomain6",
		"ip6-localhost", "ip6-loopback":
		return true
	}
	return strings.HasSuffix(name, ".localhost") // RFC 6761, section 6.3
}

// apply sets the labels that say which copy of the service a target is, where neither the
// configuration nor relabelling did. It says whether an instance label that had been set was
// replaced because it named a loopback address.
func (id Identity) apply(lb *labels.Builder, addr, scheme string) (replaced bool) {
	set := lb.Get(model.InstanceLabel)
	instance := cmp.Or(set, addr)
	host, port, _ := cutPort(instance)
	if host, _ = unbracket(host); isLocal(host) {
		if port == "" {
			_, port, _ = cutPort(addr)
		}
		instance = joinPort(id.Instance, cmp.Or(port, defaultPort(scheme)))
		replaced = set != ""
	}
	lb.Set(model.InstanceLabel, instance)

	for _, l := range []labels.Label{
		{Name: "namespace", Value: id.Namespace},
		{Name: "pod", Value: id.Pod},
		{Name: "node", Value: id.Node},
	} {
		if lb.Get(l.Name) == "" {
			lb.Set(l.Name, l.Value)
		}
	}
	return replaced
}

func joinPort(host, port string) string {
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is6() {
		return net.JoinHostPort(host, port)
	}
	return host + ":" + port
}

func defaultPort(scheme string) string {
	if scheme == "https" {
		return "443"
	}
	return "80"
}
