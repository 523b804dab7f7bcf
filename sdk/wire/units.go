package wire

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// ParseDuration reads a duration: Go's syntax, such as 90s or 1h30m, and whole weeks and days before it, such as 32d
// or 1w2d12h. The error suggests what may have been meant.
func ParseDuration(text string) (time.Duration, error) {
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
		if err != nil || time.Duration(n) > (math.MaxInt64-total)/unit.length {
			return 0, noDuration(text)
		}
		total += time.Duration(n) * unit.length
		rest = after
	}
	if rest == "" && text != "" {
		return total, nil
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 || total+d < 0 {
		return 0, noDuration(text)
	}
	return total + d, nil
}

// durationWords are units of time as people write them.
var durationWords = map[string]string{
	"": "s", "sec": "s", "secs": "s", "second": "s", "seconds": "s", "msec": "ms", "millis": "ms", "millisecond": "ms", "milliseconds": "ms",
	"min": "m", "mins": "m", "minute": "m", "minutes": "m", "hr": "h", "hrs": "h", "hour": "h", "hours": "h",
	"day": "d", "days": "d", "week": "w", "weeks": "w",
	"ms": "ms", "s": "s", "m": "m", "h": "h", "d": "d", "w": "w",
}

func noDuration(text string) error {
	hint := ""
	number, unit := quantity(text)
	if short, ok := durationWords[strings.ToLower(unit)]; ok && number != "" {
		if meant := number + short; meant != text {
			if _, err := ParseDuration(meant); err == nil {
				hint = fmt.Sprintf("; did you mean %q?", meant)
			}
		}
	}
	return fmt.Errorf("%q is no duration, such as \"30s\", \"1h30m\" or \"32d\"%s", text, hint)
}

// sizeUnits are the units of a size, the largest first.
var sizeUnits = []struct {
	suffix string
	bytes  int64
}{
	{"TiB", 1 << 40}, {"TB", 1e12}, {"GiB", 1 << 30}, {"GB", 1e9}, {"MiB", 1 << 20}, {"MB", 1e6}, {"KiB", 1 << 10}, {"KB", 1e3}, {"B", 1},
}

// ParseSize reads a number of bytes: a plain number, or one with a unit of B, KB, MB, GB and TB, which are powers of
// 1000, or KiB, MiB, GiB and TiB, which are powers of 1024. The error suggests what may have been meant.
func ParseSize(text string) (int64, error) {
	number, unit := quantity(text)
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 {
		return n, nil
	}
	for _, u := range sizeUnits {
		if u.suffix != unit || number+unit != text {
			continue
		}
		if n, err := strconv.ParseInt(number, 10, 64); err == nil && n <= math.MaxInt64/u.bytes {
			return n * u.bytes, nil
		}
		f, err := strconv.ParseFloat(number, 64)
		if product := f * float64(u.bytes); err == nil && product == math.Trunc(product) && product < math.MaxInt64 {
			return int64(product), nil
		}
	}
	hint := ""
	for _, u := range sizeUnits {
		word := strings.ToLower(unit)
		if meant := number + u.suffix; number != "" && meant != text && (word == strings.ToLower(u.suffix) || word+"ib" == strings.ToLower(u.suffix)) {
			if _, err := ParseSize(meant); err == nil {
				hint = fmt.Sprintf("; did you mean %q?", meant)
				break
			}
		}
	}
	return 0, fmt.Errorf("%q is no size, such as \"64KiB\", \"10MB\" or \"1GiB\"%s", text, hint)
}

// FormatSize writes a number of bytes in the largest unit that gives a whole number.
func FormatSize(bytes int64) string {
	for _, u := range sizeUnits {
		if bytes != 0 && bytes%u.bytes == 0 {
			return strconv.FormatInt(bytes/u.bytes, 10) + u.suffix
		}
	}
	return "0B"
}

// quantity splits a number from the word behind it.
func quantity(text string) (number, unit string) {
	text = strings.TrimSpace(text)
	end := strings.IndexFunc(text, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if end < 0 {
		end = len(text)
	}
	return text[:end], strings.TrimSpace(text[end:])
}
