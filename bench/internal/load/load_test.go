package load

import (
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	tests := []struct {
		text string
		want Load
	}{
		{"1x10k@1s", Load{1, 10_000, time.Second, 0}},
		{"10x1k@1s", Load{10, 1_000, time.Second, 0}},
		{"1x500@15s", Load{1, 500, 15 * time.Second, 0}},
		{"2x1500@0.5s", Load{2, 1500, 500 * time.Millisecond, 0}},
		{"1x10k@1s+5%", Load{1, 10_000, time.Second, 0.05}},
	}
	for _, tc := range tests {
		got, err := Parse(tc.text)
		if err != nil || got != tc.want {
			t.Errorf("Parse(%q) = %+v, %v; want %+v", tc.text, got, err, tc.want)
		}
		if got.String() != tc.text {
			t.Errorf("%+v is written %q, want %q", got, got, tc.text)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{"", "10k@1s", "1x10k", "0x10k@1s", "1x5@1s", "1xk@1s", "1x10k@1", "1x10k@1ms", "1x10k@1s+5", "1x10k@1s+0%", "1x10k@1s+90%", "5000x10k@1s"} {
		if l, err := Parse(text); err == nil || !strings.Contains(err.Error(), "want such as") {
			t.Errorf("Parse(%q) = %v, %v; want an error that shows how it is written", text, l, err)
		}
	}
}

func TestTimes(t *testing.T) {
	given := Times{Warmup: 15 * time.Second, Window: 45 * time.Second}
	fast, slow := Load{Interval: time.Second}, Load{Interval: 15 * time.Second}
	tests := []struct {
		name      string
		got, want Times
	}{
		{"fast", fast.Times(given), given},
		{"slow", slow.Times(given), Times{60 * time.Second, 150 * time.Second}},
		{"slow, quick", slow.Fit(Times{6 * time.Second, 15 * time.Second}), Times{30 * time.Second, 30 * time.Second}},
		{"whole intervals", slow.Fit(Times{time.Minute, 50 * time.Second}), Times{time.Minute, time.Minute}},
	}
	for _, tc := range tests {
		if tc.got != tc.want {
			t.Errorf("%s: got %v, want %v", tc.name, tc.got, tc.want)
		}
	}
}
