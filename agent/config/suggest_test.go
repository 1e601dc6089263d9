package config

import (
	"strings"
	"testing"
)

func TestSuggest(t *testing.T) {
	f := func(name, want string, candidates ...string) {
		t.Helper()
		if got := strings.Join(suggest(name, candidates), " "); got != want {
			t.Errorf("suggest(%q, %q) = %q, want %q", name, candidates, got, want)
		}
	}
	f("scrape_intervall", "scrape_interval", "scrape_timeout", "scrape_interval")
	f("scrape-interval", "scrape_interval", "scrape_timeout", "scrape_interval")
	f("Scrape_Interval", "scrape_interval", "scrape_interval")
	f("srcape_interval", "scrape_interval", "scrape_interval") // a swap is one mistake
	f("ulr", "url", "url", "name")
	f("uri", "url", "url", "name")
	f("abc", "", "url", "name")
	f("x", "", "url", "y_z")
	f("", "", "url")
	f("anything", "")
	f("TLS14", "TLS12 TLS13", "TLS13", "TLS12") // as near as each other
	f("cpux", "cpu", "cpu", "cpuxyz")
}

func TestDistance(t *testing.T) {
	f := func(a, b string, want int) {
		t.Helper()
		if got := distance(a, b); got != want {
			t.Errorf("distance(%q, %q) = %d, want %d", a, b, got, want)
		}
		if got := distance(b, a); got != want {
			t.Errorf("distance(%q, %q) = %d, want %d", b, a, got, want)
		}
	}
	f("", "", 0)
	f("", "abc", 3)
	f("kitten", "sitting", 3)
	f("ab", "ba", 1)
	f("abcd", "acbd", 1)
	f("ca", "abc", 3) // optimal string alignment: no part is edited twice
}
