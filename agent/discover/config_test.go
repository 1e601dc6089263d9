package discover

import "testing"

func errString(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestCheckAddress(t *testing.T) {
	for addr, want := range map[string]string{
		"localhost:8080":     "",
		"localhost":          "",
		"10.0.0.1:80":        "",
		"[::1]:80":           "",
		"[::1]":              "",
		"[fe80::1%eth0]:80":  "",
		"my_service.ns:9090": "",
		"bücher.example:80":  "",
		":8080":              "",
		"host:65535":         "",

		"":                     "no address",
		"http://host:80":       `address "http://host:80" must be host:port, not a URL`,
		"host:80/metrics":      `address "host:80/metrics" must be host:port, not a URL`,
		"host:80?x=1":          `address "host:80?x=1" must be host:port, not a URL`,
		"me:pw@host:80":        "address must not hold a user name or password: use basic_auth",
		"http://me:pw@host/":   "address must not hold a user name or password: use basic_auth",
		"::1":                  `address "::1" holds more than one colon: write an IPv6 address as [::1]:80`,
		"host:80:90":           `address "host:80:90" holds more than one colon: write an IPv6 address as [::1]:80`,
		"[host]:80":            `address "[host]:80" holds no IPv6 address in its brackets`,
		"[127.0.0.1]:80":       `address "[127.0.0.1]:80" holds no IPv6 address in its brackets`,
		"host:":                `address "host:" must end in a port from 1 to 65535`,
		"host:0":               `address "host:0" must end in a port from 1 to 65535`,
		"host:65536":           `address "host:65536" must end in a port from 1 to 65535`,
		"host:http":            `address "host:http" must end in a port from 1 to 65535`,
		"host:-1":              `address "host:-1" must end in a port from 1 to 65535`,
		"ho st:80":             `address "ho st:80" is not a valid host`,
		"host\n:80":            `address "host\n:80" is not a valid host`,
		"[::1:80":              `address "[::1:80" holds more than one colon: write an IPv6 address as [::1]:80`,
		"[::1]x:80":            `address "[::1]x:80" holds more than one colon: write an IPv6 address as [::1]:80`,
		"\xff:80":              `address "\xff:80" is not valid UTF-8`,
		"${OUTRIDER_HOST}:80}": `address "${OUTRIDER_HOST}:80}" must end in a port from 1 to 65535`,
	} {
		if got := errString(CheckAddress(addr)); got != want {
			t.Errorf("CheckAddress(%q)\n got %q\nwant %q", addr, got, want)
		}
	}
}

func TestCheckFilePattern(t *testing.T) {
	for pattern, want := range map[string]string{
		"targets.json":           "",
		"/etc/t/*.yml":           "",
		"/etc/t/web-*.yaml":      "",
		"/etc/t/*-a-*.JSON":      "",
		"":                       `"": name must end in .json, .yml or .yaml`,
		"/etc/t/*":               `"/etc/t/*": name must end in .json, .yml or .yaml`,
		"/etc/t/targets":         `"/etc/t/targets": name must end in .json, .yml or .yaml`,
		"/etc/*/targets.yml":     `"/etc/*/targets.yml": only the last element of a path may hold a *`,
		"/etc/t/targets[.yml":    `"/etc/t/targets[.yml": syntax error in pattern`,
		"/etc/t/targets.yml.bak": `"/etc/t/targets.yml.bak": name must end in .json, .yml or .yaml`,
	} {
		if got := errString(CheckFilePattern(pattern)); got != want {
			t.Errorf("CheckFilePattern(%q)\n got %q\nwant %q", pattern, got, want)
		}
	}
}
