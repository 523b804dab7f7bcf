package cli

import (
	"container/heap"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/vedette-monitor/vedette/daemon/console"
	"github.com/vedette-monitor/vedette/daemon/influx"
)

const (
	// pageRows is how many rows are asked for at once.
	pageRows = 5000
	// mostAside bounds the rows that wait for one before them. When more would, that one is looked for by its number.
	mostAside = 50_000
)

// pages reads the rows of a measurement of a host in the order of their times.
type pages struct {
	store             *auditStore
	measurement, host string
	from              time.Time
	last              map[string]bool // series of rows at the time from that were read
	page              []console.LivePoint
	ended             bool
}

// peek is the next row, or nil at the end.
func (p *pages) peek(ctx context.Context) (*console.LivePoint, error) {
	for len(p.page) == 0 && !p.ended {
		got, err := p.store.rows(ctx, fmt.Sprintf("SELECT * FROM %s WHERE host::tag = %s AND time >= %s ORDER BY time LIMIT %d",
			influx.QuoteName(p.measurement), influx.QuoteText(p.host), moment(p.from), pageRows))
		if err != nil {
			return nil, err
		}
		p.ended = len(got) < pageRows
		for _, r := range got {
			if r.Time.Equal(p.from) && p.last[seriesOf(r)] {
				continue
			}
			if !r.Time.Equal(p.from) {
				p.from, p.last = r.Time, map[string]bool{}
			}
			p.last[seriesOf(r)] = true
			p.page = append(p.page, r)
		}
		if len(p.page) == 0 && !p.ended {
			return nil, fmt.Errorf("%d rows of %s have the same time", pageRows, p.measurement)
		}
	}
	if len(p.page) == 0 {
		return nil, nil
	}
	return &p.page[0], nil
}

// byTime reads several measurements in the order of their times.
type byTime []*pages

// next is the next row, or nil at the end.
func (b byTime) next(ctx context.Context) (*console.LivePoint, error) {
	var first *pages
	for _, p := range b {
		row, err := p.peek(ctx)
		if err != nil {
			return nil, err
		}
		if row != nil && (first == nil || row.Time.Before(first.page[0].Time)) {
			first = p
		}
	}
	if first == nil {
		return nil, nil
	}
	row := first.page[0]
	first.page = first.page[1:]
	return &row, nil
}

// chainOrder brings rows that come nearly in the order of their links into it.
type chainOrder struct {
	next  uint64 // the number whose turn it is
	aside rowHeap
	ends  map[uint64]bool // links of ends whose rows were handed on
	found map[uint64]bool // rows that were found by their numbers, and come again when it is their time
}

// linked is a row with the numbers of its links: that of the row, and that of a command's end; 0 if there is none.
type linked struct {
	console.LivePoint
	seq, end uint64
}

func linksOf(r console.LivePoint) linked {
	number := func(field string) uint64 {
		v, _ := r.Fields[field].(influx.Value)
		n, _ := v.Int()
		return uint64(max(n, 0))
	}
	return linked{r, number("chain_seq"), number("end_chain_seq")}
}

// rowHeap has the row with the lowest number first.
type rowHeap []linked

func (h rowHeap) Len() int           { return len(h) }
func (h rowHeap) Less(i, j int) bool { return h[i].seq < h[j].seq }
func (h rowHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *rowHeap) Push(x any)        { *h = append(*h, x.(linked)) }
func (h *rowHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = linked{}
	*h = old[:len(old)-1]
	return last
}

// ready returns a row whose turn it is. What comes twice, or without a link, is for the verification to judge.
func (o *chainOrder) ready() (console.LivePoint, bool) {
	for {
		switch {
		case len(o.aside) > 0 && o.aside[0].seq <= o.next:
			return o.pop(), true
		case o.ends[o.next]:
			delete(o.ends, o.next)
			o.next++
		default:
			return console.LivePoint{}, false
		}
	}
}

func (o *chainOrder) pop() console.LivePoint {
	row := heap.Pop(&o.aside).(linked)
	if row.end >= o.next {
		o.ends[row.end] = true
	}
	o.next = max(o.next, row.seq+1)
	return row.LivePoint
}

// rowsOfChain are where rows come from: by time, and one by the number of its link.
type rowsOfChain struct {
	next func(context.Context) (*console.LivePoint, error) // nil at the end
	find func(context.Context, uint64) ([]console.LivePoint, error)
}

// inOrder hands rows to emit in the order of their links, from the number first on. At the first number that is nowhere it hands
// on one more row and stops: what comes behind would tell nothing. most is how many may wait for one before them. What has a number
// before the first is left out, unless it is of a time, late, by which no such number was given any more; the zero time is none.
func (from rowsOfChain) inOrder(ctx context.Context, first uint64, late time.Time, most int, emit func(console.LivePoint) error) error {
	o := &chainOrder{next: first, ends: map[uint64]bool{}, found: map[uint64]bool{}}
	for {
		row, err := from.next(ctx)
		if err != nil {
			return err
		}
		if row != nil {
			l := linksOf(*row)
			switch {
			case o.found[l.seq]:
				delete(o.found, l.seq)
			case l.seq == 0 || l.seq >= first || l.end >= first || !late.IsZero() && row.Time.After(late):
				heap.Push(&o.aside, l)
			}
		}
		if err := o.drain(emit); err != nil {
			return err
		}
		for len(o.aside) > 0 && (row == nil || len(o.aside) > most) {
			found, err := from.find(ctx, o.next)
			if err != nil {
				return err
			}
			if len(found) == 0 {
				return emit(o.pop())
			}
			for _, r := range found {
				// Its turn has come, also where it is its end's.
				l := linksOf(r)
				o.found[l.seq] = true
				l.seq = min(l.seq, o.next)
				heap.Push(&o.aside, l)
			}
			if err := o.drain(emit); err != nil {
				return err
			}
		}
		if row == nil {
			return nil
		}
	}
}

// rowsOfChain are those of a host, by time from a moment on.
func (s *auditStore) rowsOfChain(host string, since time.Time) rowsOfChain {
	var all byTime
	for _, m := range []string{commandsMeasurement, eventsMeasurement, chainMeasurement} {
		all = append(all, &pages{store: s, measurement: m, host: host, from: since})
	}
	return rowsOfChain{all.next, func(ctx context.Context, seq uint64) ([]console.LivePoint, error) { return s.find(ctx, host, seq) }}
}

func (o *chainOrder) drain(emit func(console.LivePoint) error) error {
	for {
		row, ok := o.ready()
		if !ok {
			return nil
		}
		if err := emit(row); err != nil {
			return err
		}
	}
}

// find looks for the row that has a link.
func (s *auditStore) find(ctx context.Context, host string, seq uint64) ([]console.LivePoint, error) {
	var q []string
	for _, m := range []string{commandsMeasurement, eventsMeasurement, chainMeasurement} {
		is := fmt.Sprintf("chain_seq = %d", seq)
		if m == commandsMeasurement {
			is = fmt.Sprintf("(chain_seq = %d OR end_chain_seq = %[1]d)", seq)
		}
		q = append(q, fmt.Sprintf("SELECT * FROM %s WHERE host::tag = %s AND %s", influx.QuoteName(m), influx.QuoteText(host), is))
	}
	return s.rows(ctx, strings.Join(q, "; "))
}
