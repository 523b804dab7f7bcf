package main

import (
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/plugins/http-quality/delayline"
	"github.com/vedette-monitor/vedette/plugins/http-quality/origin"
)

// atOnce is how many probes are due at the same time.
const atOnce = 500

// onTheWire is how long a probe's connect and first byte took by its packets.
type onTheWire struct{ connect, firstByte time.Duration }

var number = regexp.MustCompile(`\bn(\d+)-v4\.vedette\.test`)

// alert is more than the payload of a TLS alert, which is no request and no answer.
const alert = 40

// truth finds out what the packets of probes say, by the probes' numbers, in the order in which they began: those packets that have passed
// the client's end of the line, so that what the line and the origin add to their delays while the machine is busy is nobody's error.
func truth(all []delayline.Segment) map[int][]onTheWire {
	type conversation struct {
		syn, accepted, request, answer time.Time
		sent                           []byte
	}
	var begun []*conversation
	ports := map[uint16]*conversation{}
	for _, s := range all {
		c := ports[s.Port]
		switch {
		case s.Sent && s.SYN:
			c = &conversation{syn: s.At}
			begun, ports[s.Port] = append(begun, c), c
		case c == nil:
			// It began before the capture.
		case s.SYN:
			c.accepted = s.At
		case s.Sent && len(s.Payload) > alert:
			// In a handshake there is more than one; the last is the request.
			c.request, c.answer, c.sent = s.At, time.Time{}, append(c.sent, s.Payload...)
		case len(s.Payload) > alert && c.answer.IsZero():
			c.answer = s.At
		}
	}
	found := map[int][]onTheWire{}
	for _, c := range begun {
		if name := number.FindSubmatch(c.sent); name != nil && !c.answer.IsZero() {
			n, _ := strconv.Atoi(string(name[1]))
			found[n] = append(found[n], onTheWire{c.accepted.Sub(c.syn), c.answer.Sub(c.request)})
		}
	}
	return found
}

// judged is what a probe has said of itself, and what its packets say.
type judged struct {
	measured
	onTheWire
}

// asABenchmark is set in the environment where the machine has nothing else to do, so that all that is promised is judged.
const asABenchmark = "VEDETTE_BENCHMARK"

// TestTimesStayTrueWhenManyProbesAreDueAtOnce lets 500 probes be due at once by the engine, by the plugin, whose schedule paces what is
// due, and by a prober with net/http and httptrace, in turns. Errors of ours must be at most what is promised, and at most a fifth of the
// other prober's; five times either on a machine that may be busy. They are errors against what was on the wire.
func TestTimesStayTrueWhenManyProbesAreDueAtOnce(t *testing.T) {
	const (
		rounds          = 3
		rtt, wait       = 20 * time.Millisecond, 50 * time.Millisecond
		plain, schedule = "engine alone", "plugin"
		trace           = "httptrace"
	)
	leave := 5.0
	if os.Getenv(asABenchmark) != "" {
		leave = 1
	}
	s := newSite(t)
	for _, c := range []struct {
		scheme             string
		connect, firstByte float64 // promised: the plugin's error at p99, in milliseconds
	}{{"http", 2, 10}, {"https", 3, 20}} {
		t.Run(c.scheme, func(t *testing.T) {
			capture := s.Client.Capture(t) // of this alone: a plugin may have begun another round before it was stopped
			var urls []string
			targets := map[string]string{}
			for n := range atOnce {
				url := fmt.Sprintf("%s://n%d-v4.%s/?wait=%s&size=1000", c.scheme, n, origin.Domain, wait)
				urls, targets[strconv.Itoa(n)] = append(urls, url), url
			}
			kinds := []*struct {
				name, phase string
				promised    float64
				// set is what the bed is set to, and seen what was on the wire.
				set  time.Duration
				seen func(onTheWire) time.Duration
				// errors are those of the probers, and added those of the bed, by the prober.
				errors, added map[string][]float64
			}{
				{"connect", "tcp", c.connect, rtt, func(w onTheWire) time.Duration { return w.connect }, map[string][]float64{}, map[string][]float64{}},
				{"first byte", "wait", c.firstByte, rtt + wait, func(w onTheWire) time.Duration { return w.firstByte }, map[string][]float64{}, map[string][]float64{}},
			}
			add := func(by string, all []judged) {
				for _, k := range kinds {
					var errors, added []float64
					for _, one := range all {
						got, ok := one.Phases[k.phase]
						if one.Outcome != "ok" || !ok {
							t.Fatalf("outcome %s: %s; phases %v", one.Outcome, one.Error, one.Phases)
						}
						seen := k.seen(one.onTheWire)
						if seen < k.set {
							t.Fatalf("%s took %s on the wire, less than the %s that the bed is set to", k.name, seen, k.set)
						}
						errors = append(errors, math.Abs(got-seen.Seconds())*1e3)
						added = append(added, (seen-k.set).Seconds()*1e3)
					}
					k.errors[by], k.added[by] = append(k.errors[by], at(errors, 0.99)), append(k.added[by], at(added, 0.99))
				}
			}
			p := s.newProber(t, 0)
			do := func(by string, o order) {
				results := p.do(t, o).Results
				wire := truth(capture.Segments(t))
				var all []judged
				for n, m := range results {
					if len(wire[n]) != 1 {
						t.Fatalf("probe %d was %d times on the wire", n, len(wire[n]))
					}
					all = append(all, judged{m, wire[n][0]})
				}
				add(by, all)
			}
			for range rounds {
				do(plain, order{By: "vedette", URLs: urls, Family: 4})
				do(trace, order{By: "httptrace", URLs: urls})
			}
			plugin := s.startPlugin(t, fmt.Sprintf("  interval = \"6s\"\n  concurrency = %d", atOnce), targets)
			var points []point
			for range rounds * atOnce {
				points = append(points, plugin.next(t))
			}
			wire := truth(capture.Segments(t))
			for round := range slices.Chunk(points, atOnce) {
				var all []judged
				for _, one := range round {
					n, err := strconv.Atoi(one.target)
					if err != nil || len(wire[n]) == 0 {
						t.Fatalf("target %q has a point that was not on the wire", one.target)
					}
					all = append(all, judged{one.measured, wire[n][0]})
					wire[n] = wire[n][1:]
				}
				add(schedule, all)
			}
			by := []string{plain, schedule, trace}
			row := func(name string, values map[string][]float64, last string) []string {
				cells := []string{name}
				for _, name := range by {
					cells = append(cells, fmt.Sprintf("%.2f", median(values[name])))
				}
				return append(cells, last)
			}
			rows := [][]string{append(append([]string{"error at p99, ms"}, by...), "promised")}
			for _, k := range kinds {
				rows = append(rows, row(k.name, k.errors, fmt.Sprintf("%.0f", k.promised)), row("  (added by the bed)", k.added, ""))
				theirs := median(k.errors[trace])
				for _, who := range []string{plain, schedule} {
					ours := median(k.errors[who])
					if ours > leave*k.promised {
						t.Errorf("%s, %s: the error is %.2f ms, promised are %.0f", k.name, who, ours, k.promised)
					}
					if ours > leave*theirs/5 {
						t.Errorf("%s, %s: the error is %.2f ms, and that of httptrace %.2f", k.name, who, ours, theirs)
					}
				}
			}
			table(t, rows...)
		})
	}
}
