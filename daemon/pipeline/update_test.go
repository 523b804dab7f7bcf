package pipeline

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/vedette-monitor/vedette/daemon/influx"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// moody is a store that answers out of order, fails, and sends what it has sent before again, as a writer does that does
// not know what an InfluxDB has taken. It keeps what InfluxDB would: of each series and time what came last.
type moody struct {
	t *testing.T

	mu     sync.Mutex
	random *rand.Rand
	kept   map[string]string // form by series and time
	ended  map[string]bool   // what this daemon has sent the update of
	atOnce int               // calls under way
	most   int
}

// roll is a random number below n.
func (m *moody) roll(n int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.random.IntN(n)
}

func (m *moody) enter(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.atOnce += n
	m.most = max(m.most, m.atOnce)
}

func (m *moody) Write(ctx context.Context, lines [][]byte) (influx.Result, error) {
	m.enter(1)
	defer m.enter(-1)
	for try := range m.roll(3) + 1 {
		select {
		case <-time.After(time.Duration(m.roll(2000)) * time.Microsecond):
		case <-ctx.Done():
			return influx.Result{}, ctx.Err()
		}
		n := len(lines)
		if try == 0 {
			n = m.roll(len(lines) + 1) // it failed on the way
		}
		m.take(lines[:n], try > 0)
	}
	m.take(lines, true)
	return influx.Result{Stored: len(lines)}, nil
}

// take stores lines. An update must find what it completes, and its first form may come back behind it only where the
// update follows: in the same call, or because another daemon's life had not marked either.
func (m *moody) take(lines [][]byte, again bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, line := range lines {
		key, form := formOf(string(line))
		_, known := m.kept[key]
		switch {
		case form == "update" && !known:
			m.t.Errorf("the update of %s was stored before its first form", key)
		case form == "first" && m.ended[key] && !(again && m.completes(lines, key)):
			m.t.Errorf("the first form of %s was stored after its update", key)
		}
		m.kept[key] = form
		m.ended[key] = m.ended[key] || form == "update"
	}
}

// completes says whether the update of a point is in the same call, so that it comes again behind its first form.
func (m *moody) completes(lines [][]byte, key string) bool {
	for _, line := range lines {
		if k, form := formOf(string(line)); k == key && form == "update" {
			return true
		}
	}
	return false
}

// formOf is the point that a line is of, and whether it is its first form or an update.
func formOf(line string) (key, form string) {
	fields, when, _ := strings.Cut(line, `" `)
	_, form, _ = strings.Cut(fields, `form="`)
	return when, form
}

func formPoint(n int, update bool) *wire.Point {
	form := "first"
	if update {
		form = "update"
	}
	return &wire.Point{Measurement: "audit", Time: 1 + int64(n), Update: update, Fields: []*wire.Field{
		{Key: "form", Value: &wire.Field_String_{String_: form}},
	}}
}

// TestAnUpdateIsStoredAfterItsFirstFormAndStaysTheLast sends commands that begin and end, through restarts of the daemon
// and a full disk.
func TestAnUpdateIsStoredAfterItsFirstFormAndStaysTheLast(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 3))
			dir := t.TempDir()
			kept := map[string]string{}
			next, most := 0, 0
			var open, updated []int // first forms whose update is to come, and has come
			for life := range 3 {
				p, err := Open(dir, Options{MaxBytes: 64 << 10, MinFree: -1}, hclog.NewNullLogger())
				if err != nil {
					t.Fatal(err)
				}
				p.records.packFrom, p.records.full = r.Int64N(20<<10), 20
				store := &moody{t: t, random: rand.New(rand.NewPCG(seed, uint64(life))), kept: kept, ended: map[string]bool{}}
				s := p.testSource()
				run := start(t, p, store)
				for range 400 {
					var batch []*wire.Point
					ending := r.IntN(30) == 0
					for range 1 + r.IntN(4) {
						if ending && len(open) > 0 {
							i := r.IntN(len(open))
							batch, updated = append(batch, formPoint(open[i], true)), append(updated, open[i])
							open = append(open[:i], open[i+1:]...)
							continue
						}
						// Most points are never completed.
						batch = append(batch, formPoint(next, false))
						if r.IntN(4) == 0 {
							open = append(open, next)
						}
						next++
					}
					// Not more than a window is without acknowledgement.
					a := take(s, encode(t, batch...))
					if r.IntN(6) == 0 {
						waitFor(t, "an acknowledgement", func() bool { return a.acknowledged() > 0 })
					}
					waitFor(t, "room in the window", func() bool {
						s.mu.Lock()
						defer s.mu.Unlock()
						return len(s.open) < p.window
					})
				}
				waitFor(t, "acknowledgements", func() bool {
					s.mu.Lock()
					defer s.mu.Unlock()
					return len(s.open) == 0
				})
				if life == 2 {
					waitFor(t, "an empty spool", func() bool { return p.waiting() == 0 })
				}
				run.stop(t)
				if err := p.Close(); err != nil {
					t.Fatal(err)
				}
				most = max(most, store.most)
			}
			if len(kept) != next || len(updated) < 50 || most < deliveriesAtOnce {
				t.Errorf("%d of %d points were stored, %d were updated, at most %d deliveries were under way", len(kept), next, len(updated), most)
			}
			for _, n := range updated {
				if form := kept[fmt.Sprint(1+n)]; form != "update" {
					t.Errorf("the last form of %d is %q", n, form)
				}
			}
		})
	}
}
