package discover

import (
	"testing"

	"github.com/prometheus/prometheus/model/labels"
)

func TestIsLocal(t *testing.T) {
	for host, want := range map[string]bool{
		"":                        true,
		"localhost":               true,
		"LocalHost":               true,
		"localhost.":              true,
		"localhost.localdomain":   true,
		"ip6-localhost":           true,
		"ip6-loopback":            true,
		"checkout.localhost":      true,
		"127.0.0.1":               true,
		"127.1.2.3":               true,
		"0.0.0.0":                 true,
		"::1":                     true,
		"::":                      true,
		"0:0:0:0:0:0:0:1":         true,
		"::ffff:127.0.0.1":        true,
		"::ffff:0.0.0.0":          true,
		"::1%lo":                  true,
		"10.0.0.1":                false,
		"128.0.0.1":               false,
		"fe80::1%eth0":            false,
		"::ffff:10.0.0.1":         false,
		"localhost.example.org":   false,
		"notlocalhost":            false,
		"127.0.0.1.example.org":   false,
		"checkout-7d9f8b6c5-x2x9": false,
	} {
		if got := isLocal(host); got != want {
			t.Errorf("isLocal(%q) = %v, want %v", host, got, want)
		}
	}
}

func TestInstance(t *testing.T) {
	tests := []struct {
		addr, scheme string
		set          string // by configuration or relabelling
		want         string
		replaced     bool
	}{
		{addr: "localhost:8080", scheme: "http", want: "pod-1:8080"},
		{addr: "127.0.0.1:8080", scheme: "http", want: "pod-1:8080"},
		{addr: "127.0.0.2:8080", scheme: "http", want: "pod-1:8080"},
		{addr: "[::1]:8080", scheme: "http", want: "pod-1:8080"},
		{addr: "0.0.0.0:8080", scheme: "http", want: "pod-1:8080"},
		{addr: ":8080", scheme: "http", want: "pod-1:8080"},
		{addr: "localhost", scheme: "http", want: "pod-1:80"},
		{addr: "localhost", scheme: "https", want: "pod-1:443"},
		{addr: "[::1]", scheme: "https", want: "pod-1:443"},
		{addr: "10.0.0.1:8080", scheme: "http", want: "10.0.0.1:8080"},
		{addr: "example.org", scheme: "https", want: "example.org"},
		{addr: "[2001:db8::1]:80", scheme: "http", want: "[2001:db8::1]:80"},

		{addr: "localhost:8080", scheme: "http", set: "mine", want: "mine"},
		{addr: "localhost:8080", scheme: "http", set: "10.0.0.1:9", want: "10.0.0.1:9"},
		{addr: "localhost:8080", scheme: "http", set: "localhost:8080", want: "pod-1:8080", replaced: true},
		{addr: "10.0.0.1:8080", scheme: "http", set: "localhost", want: "pod-1:8080", replaced: true},
		{addr: "10.0.0.1", scheme: "https", set: "127.0.0.1", want: "pod-1:443", replaced: true},
		{addr: "10.0.0.1:8080", scheme: "http", set: "[::1]:9", want: "pod-1:9", replaced: true},
		{addr: "10.0.0.1:8080", scheme: "http", set: "::1", want: "pod-1:8080", replaced: true},
		{addr: "10.0.0.1:8080", scheme: "http", set: "0.0.0.0:9", want: "pod-1:9", replaced: true},
	}
	for _, tt := range tests {
		lb := labels.NewBuilder(labels.EmptyLabels())
		lb.Set("instance", tt.set)
		replaced := Identity{Instance: "pod-1"}.apply(lb, tt.addr, tt.scheme)
		if got := lb.Get("instance"); got != tt.want || replaced != tt.replaced {
			t.Errorf("address %q, instance %q: got %q, replaced %v; want %q, %v",
				tt.addr, tt.set, got, replaced, tt.want, tt.replaced)
		}
	}
}

func TestInstanceThatIsAnAddress(t *testing.T) {
	for instance, want := range map[string]string{
		"2001:db8::1": "[2001:db8::1]:8080",
		"10.1.2.3":    "10.1.2.3:8080",
	} {
		lb := labels.NewBuilder(labels.EmptyLabels())
		Identity{Instance: instance}.apply(lb, "localhost:8080", "http")
		if got := lb.Get("instance"); got != want {
			t.Errorf("identity %q: instance %q, want %q", instance, got, want)
		}
	}
}
