package policy

import (
	"fmt"
	"strings"

	"github.com/vedette-monitor/vedette/daemon/config"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// never is the repetition of what is told once.
const never = "never"

// parseRepeat reads durations, of which the last one holds on.
func parseRepeat(text string) (r Repeat, err error) {
	if text == never {
		return r, nil
	}
	for _, one := range strings.Fields(text) {
		d, err := wire.ParseDuration(one)
		if err != nil {
			return r, fmt.Errorf("%w; repeat is a duration such as 4h, several such as 1h 2h 4h, or never", err)
		}
		if d <= 0 {
			return r, fmt.Errorf("repeat has the duration %s, which is not above 0", one)
		}
		r.Every = append(r.Every, d)
	}
	if len(r.Every) == 0 {
		return r, fmt.Errorf("%q is no duration such as 4h, several such as 1h 2h 4h, or never", text)
	}
	return r, nil
}

// repeat reads the arguments repeat and repeat_max of a body. It is nil if there are none.
func (l *loader) repeat(b *config.Body, text *string, most int) *Repeat {
	if text == nil {
		if b.Has("repeat_max") {
			l.Fail(b.At("repeat_max"), "Nothing is repeated", "repeat_max is how often it is told again: it needs repeat beside it.")
		}
		return nil
	}
	r, err := parseRepeat(*text)
	if err != nil {
		l.Fail(b.At("repeat"), "Invalid repeat", "%s.", upper(err.Error()))
		return nil
	}
	if most > 0 && len(r.Every) == 0 {
		l.Fail(b.At("repeat_max"), "Nothing is repeated", "repeat_max is how often it is told again, and repeat says never.")
	}
	r.Max = most
	return &r
}

func upper(text string) string { return strings.ToUpper(text[:1]) + text[1:] }
