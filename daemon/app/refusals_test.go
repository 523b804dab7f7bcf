package app

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/vedette-monitor/vedette/daemon/influx"
)

func TestEachReasonOfARefusalIsLoggedOnceInAWhile(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	conflict := `400: field type conflict: input field "v" on measurement "m" is type string, already exists as type float`
	type refusal struct {
		reason string
		after  time.Duration
	}
	var many []refusal
	for i := range 10 * mostRefusals {
		many = append(many, refusal{strings.Repeat("x", i+1), 0})
	}
	for name, c := range map[string]struct {
		refusals []refusal
		logged   int
	}{
		"one":                        {[]refusal{{conflict, 0}}, 1},
		"the same again":             {[]refusal{{conflict, 0}, {conflict, time.Minute}}, 1},
		"the same of a point unsent": {[]refusal{{conflict, 0}, {influx.NotSent + conflict, 0}}, 1},
		"the same long after":        {[]refusal{{conflict, 0}, {conflict, refusalPause}}, 2},
		"another":                    {[]refusal{{conflict, 0}, {"422: something else", 0}}, 2},
		"lines that differ":          {[]refusal{{"400: unable to parse 'it's 1': no", 0}, {"400: unable to parse 'other': no", 0}}, 1},
		"endless ones":               {many, mostRefusals + 1},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			r := &refusals{log: hclog.New(&hclog.LoggerOptions{Output: &log})}
			for _, x := range c.refusals {
				r.note("vedette", x.reason, 3, start.Add(x.after))
			}
			if n := strings.Count(log.String(), "[WARN]"); n != c.logged || !strings.Contains(log.String(), "bucket=vedette points=3 reason=") {
				t.Errorf("%d lines, want %d:\n%s", n, c.logged, log.String())
			}
		})
	}
}

func TestDroppedDeadLettersAreLogged(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var log bytes.Buffer
	r := &refusals{log: hclog.New(&hclog.LoggerOptions{Output: &log})}
	for i, all := range []uint64{0, 5, 7, 7} {
		r.dropped(all, start.Add(time.Duration(i)*time.Minute))
	}
	r.dropped(9, start.Add(2*refusalPause))
	for n, want := range []string{"letters=5", "letters=4"} {
		if found := strings.Split(log.String(), "\n"); len(found) != 3 || !strings.Contains(found[n], want) {
			t.Errorf("the log lacks %s: %s", want, fmt.Sprint(found))
		}
	}
}
