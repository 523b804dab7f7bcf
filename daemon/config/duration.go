package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ParseDuration reads a duration: Go's syntax, such as 90s or 1h30m, and whole days and weeks before it, such as 32d
// or 1w2d12h.
func ParseDuration(text string) (time.Duration, error) {
	wrong := fmt.Errorf("%q is no duration, such as \"30s\", \"1h30m\" or \"32d\"", text)
	rest := text
	var total time.Duration
	for _, unit := range []struct {
		suffix string
		length time.Duration
	}{{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}} {
		number, after, ok := strings.Cut(rest, unit.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(number, 10, 31)
		if err != nil || time.Duration(n) > (1<<63-1)/unit.length {
			return 0, wrong
		}
		total += time.Duration(n) * unit.length
		rest = after
	}
	if rest == "" && text != "" {
		return total, nil
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 || total+d < 0 {
		return 0, wrong
	}
	return total + d, nil
}
