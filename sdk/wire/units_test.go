package wire

import (
	"strings"
	"testing"
	"time"
)

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "1h30m": 90 * time.Minute, "32d": 768 * time.Hour, "1w2d12h": 228 * time.Hour, "0s": 0, "0": 0, "250ms": 250 * time.Millisecond,
	} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("%q is read as %v, %v; want %v", text, got, err, want)
		}
	}
	for text, hint := range map[string]string{
		"": "", "x": "", "5": "5s", "-5s": "", "1.5d": "", "d": "", "-1d": "", "1d-5s": "", "99999999999w": "", "106752d": "", "106751d23h59m59s": "", "1d1w": "",
		"32 days": "32d", "5 Minutes": "5m", "1.5 hours": "1.5h", "10 sec": "10s", "1 minute": "1m", "60": "60s", "5M": "5m",
	} {
		got, err := ParseDuration(text)
		if err == nil {
			t.Errorf("%q is read as %v", text, got)
			continue
		}
		if want := "did you mean \"" + hint + "\""; hint != "" && !strings.Contains(err.Error(), want) || hint == "" && strings.Contains(err.Error(), "mean") {
			t.Errorf("for %q the error is %v", text, err)
		}
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "1024": 1024, "64KiB": 64 << 10, "10MB": 10e6, "1GiB": 1 << 30, "1.5KiB": 1536, "2TiB": 2 << 40, "7B": 7, "3TB": 3e12,
	} {
		if got, err := ParseSize(text); err != nil || got != want {
			t.Errorf("%q is read as %v, %v; want %v", text, got, err, want)
		}
	}
	for text, hint := range map[string]string{
		"": "", "KiB": "", "-1": "", "-1KiB": "", "1.0001KiB": "", "9999999TiB": "", "99999999999999999999": "", "ten MB": "", "1.5": "",
		"64 KiB": "64KiB", "64k": "64KiB", "64kb": "64KB", "1g": "1GiB", "10 mb": "10MB", "5 b": "5B", "1GIB": "1GiB",
	} {
		got, err := ParseSize(text)
		if err == nil {
			t.Errorf("%q is read as %v", text, got)
			continue
		}
		if want := "did you mean \"" + hint + "\""; hint != "" && !strings.Contains(err.Error(), want) || hint == "" && strings.Contains(err.Error(), "mean") {
			t.Errorf("for %q the error is %v", text, err)
		}
	}
	for bytes, want := range map[int64]string{0: "0B", 1: "1B", 1536: "1536B", 10 << 20: "10MiB", 10e6: "10MB", 1 << 30: "1GiB"} {
		if got := FormatSize(bytes); got != want {
			t.Errorf("%d bytes are written %s, want %s", bytes, got, want)
		}
		if back, err := ParseSize(FormatSize(bytes)); err != nil || back != bytes {
			t.Errorf("%d bytes are read back as %d, %v", bytes, back, err)
		}
	}
}
