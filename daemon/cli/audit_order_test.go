package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/console"
	"github.com/vedette-monitor/vedette/daemon/influx"
)

// chained is a row with links, at a time.
func chained(t *testing.T, seq, end uint64, at int) console.LivePoint {
	t.Helper()
	r := console.LivePoint{Time: time.Unix(int64(at), 0), Fields: map[string]any{}}
	for name, n := range map[string]uint64{"chain_seq": seq, "end_chain_seq": end} {
		if n == 0 {
			continue
		}
		var v influx.Value
		if err := json.Unmarshal(fmt.Append(nil, n), &v); err != nil {
			t.Fatal(err)
		}
		r.Fields[name] = v
	}
	return r
}

// ordered brings rows into order, of which at most so many may wait. It counts how often one was looked for.
func ordered(t *testing.T, rows []console.LivePoint, first uint64, most int, late ...time.Time) (got []linked, lookups int) {
	t.Helper()
	byTime := slices.Clone(rows)
	slices.SortStableFunc(byTime, func(a, b console.LivePoint) int { return a.Time.Compare(b.Time) })
	from := rowsOfChain{
		next: func(context.Context) (*console.LivePoint, error) {
			if len(byTime) == 0 {
				return nil, nil
			}
			row := byTime[0]
			byTime = byTime[1:]
			return &row, nil
		},
		find: func(_ context.Context, seq uint64) (found []console.LivePoint, _ error) {
			lookups++
			for _, r := range rows {
				if l := linksOf(r); l.seq == seq || l.end == seq {
					found = append(found, r)
				}
			}
			return found, nil
		},
	}
	if err := from.inOrder(t.Context(), first, append(late, time.Time{})[0], most, func(r console.LivePoint) error {
		got = append(got, linksOf(r))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return got, lookups
}

// wantOrder holds that rows come as chain.InOrder wants them: by their first links, without a hole.
func wantOrder(t *testing.T, got []linked, first, last uint64) {
	t.Helper()
	ends := map[uint64]bool{}
	next := first
	for _, l := range got {
		for ends[next] {
			next++
		}
		if l.seq < first { // it had begun before
			ends[l.end] = true
			continue
		}
		if l.seq != next {
			t.Fatalf("link %d comes when it is %d's turn", l.seq, next)
		}
		next++
		ends[l.end] = true
	}
	for ends[next] {
		next++
	}
	if next != last+1 {
		t.Fatalf("the links end with %d, want %d", next-1, last)
	}
}

// history is a chain of commands of several shells, whose rows are in the chain as their collector got to them: each
// shell's backlog after the other's.
func history(t *testing.T, r *rand.Rand, n int) (rows []console.LivePoint, last uint64) {
	t.Helper()
	open := []int{}
	for len(rows) < n || len(open) > 0 {
		if len(rows) < n && (len(open) == 0 || r.IntN(3) > 0) {
			last++
			rows = append(rows, chained(t, last, 0, len(rows)+r.IntN(40)))
			if r.IntN(4) > 0 {
				open = append(open, len(rows)-1)
			}
			continue
		}
		i := r.IntN(len(open))
		at := open[i]
		open = slices.Delete(open, i, i+1)
		last++
		l := linksOf(rows[at])
		rows[at] = chained(t, l.seq, last, int(rows[at].Time.Unix()))
	}
	return rows, last
}

func TestRowsComeInTheOrderOfTheirLinksHoweverLateTheyWere(t *testing.T) {
	for seed := range uint64(50) {
		rows, last := history(t, rand.New(rand.NewPCG(seed, 1)), 300)
		got, lookups := ordered(t, rows, 1, 100)
		wantOrder(t, got, 1, last)
		if lookups > 0 {
			t.Errorf("seed %d: %d rows were looked for one by one", seed, lookups)
		}
		// Where far less may wait they are looked for.
		got, lookups = ordered(t, rows, 1, 3)
		wantOrder(t, got, 1, last)
		if lookups == 0 {
			t.Errorf("seed %d: none was looked for", seed)
		}
	}
}

func TestRowsCanBeginWithinTheChain(t *testing.T) {
	for seed := range uint64(50) {
		rows, last := history(t, rand.New(rand.NewPCG(seed, 2)), 300)
		wantOrder(t, first(ordered(t, rows, 100, 1000)), 100, last)
	}
}

func TestARowWithANumberFromBeforeItsTimeIsHandedOn(t *testing.T) {
	rows := []console.LivePoint{chained(t, 99, 0, 5), chained(t, 100, 0, 10), chained(t, 5, 0, 20), chained(t, 101, 0, 30)}
	var seqs []uint64
	for _, l := range first(ordered(t, rows, 100, 10, time.Unix(9, 0))) {
		seqs = append(seqs, l.seq)
	}
	if want := []uint64{100, 5, 101}; !slices.Equal(seqs, want) {
		t.Errorf("links %d are handed on, want %d", seqs, want)
	}
}

func first[A, B any](a A, _ B) A { return a }

func TestTheFirstMissingLinkIsTheLastThingThatIsRead(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 3))
		rows, _ := history(t, r, 300)
		gone := 100 + r.IntN(100)
		missing := linksOf(rows[gone]).seq
		got, _ := ordered(t, slices.Delete(slices.Clone(rows), gone, gone+1), 1, 1000)
		for i, l := range got {
			if after := l.seq > missing; after != (i == len(got)-1) {
				t.Fatalf("seed %d: link %d is missing, and row %d of %d has link %d", seed, missing, i, len(got), l.seq)
			}
		}
	}
}
