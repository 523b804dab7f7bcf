package chain

import (
	"fmt"
	"iter"
	"maps"
	"slices"
)

// Trusted is where a verification begins: the chain's first key, and behind which link. The zero Point is the beginning;
// another must come from a checkpoint that was stored where nobody on the host can write.
type Trusted struct {
	Key   Key
	Point Point
}

// Reason is what is wrong with a chain.
type Reason string

const (
	Missing  Reason = "missing"   // links are not there
	Altered  Reason = "altered"   // a link's MAC does not fit
	Order    Reason = "order"     // a link comes again, or too late
	Cut      Reason = "cut"       // the chain ends before a checkpoint
	Forked   Reason = "forked"    // a checkpoint has another MAC
	WrongKey Reason = "wrong key" // the very first link does not fit
	Garbled  Reason = "garbled"   // what should hold links does not
)

// Gap is the first place at which a chain does not hold.
type Gap struct {
	Reason     Reason
	First, End uint64 // the links that are concerned: First <= seq < End
	Verified   Point  // the last link that holds
	Err        error  // of Garbled
}

func (g Gap) Error() string {
	links := fmt.Sprintf("link %d", g.First)
	if g.End > g.First+1 {
		links = fmt.Sprintf("links %d to %d", g.First, g.End-1)
	}
	switch g.Reason {
	case Missing:
		links += ": missing"
	case Altered:
		links += ": what it covers was altered, or a link before was replaced"
	case Order:
		links += ": out of order, or there twice"
	case Cut:
		links += ": missing at the end: a checkpoint says that they were there"
	case Forked:
		links += ": a checkpoint has another MAC: the chain was made anew before it"
	case WrongKey:
		links += ": does not fit: this key is of another chain, or the link was altered"
	case Garbled:
		links += fmt.Sprintf(": %v", g.Err)
	}
	return fmt.Sprintf("%s (all up to link %d hold)", links, g.Verified.Seq)
}

// Unwrap returns the error of a Garbled.
func (g Gap) Unwrap() error { return g.Err }

// Verify goes through links in the order of their numbers, all behind the trusted point, and returns the last one that
// holds, with a Gap if that is not the last. Checkpoints, in the order of their numbers, are what was stored elsewhere:
// without any, links that were cut off at the end can not be missed.
func Verify(from Trusted, links iter.Seq2[Link, error], checkpoints []Point) (Point, error) {
	key := from.Key
	for range from.Point.Epoch {
		key.evolve()
	}
	m := newMaker(key, from.Point)
	gap := func(reason Reason, first, end uint64, err error) (Point, error) {
		return m.at, Gap{reason, first, end, m.at, err}
	}
	for len(checkpoints) > 0 && checkpoints[0].Seq <= from.Point.Seq {
		if c := checkpoints[0]; c.Seq == from.Point.Seq && c.MAC != from.Point.MAC {
			return gap(Forked, c.Seq, c.Seq+1, nil)
		}
		checkpoints = checkpoints[1:]
	}
	for link, err := range links {
		next := m.at.Seq + 1
		switch {
		case err != nil:
			return gap(Garbled, next, next+1, err)
		case link.Seq < next:
			return gap(Order, link.Seq, link.Seq+1, nil)
		case link.Seq > next:
			return gap(Missing, next, link.Seq, nil)
		}
		before := m.at
		m.link(link.Seq, link.Kind, link.Bytes)
		if m.at.MAC != link.MAC {
			m.at = before
			if before == (Point{}) {
				return gap(WrongKey, next, next+1, nil)
			}
			return gap(Altered, next, next+1, nil)
		}
		if link.Kind == Epoch {
			m.evolve()
		}
		if len(checkpoints) > 0 && checkpoints[0].Seq == link.Seq {
			if checkpoints[0].MAC != link.MAC {
				m.at = before
				return gap(Forked, next, next+1, nil)
			}
			checkpoints = checkpoints[1:]
		}
	}
	if len(checkpoints) > 0 {
		return gap(Cut, m.at.Seq+1, checkpoints[len(checkpoints)-1].Seq+1, nil)
	}
	return m.at, nil
}

// InOrder returns the links behind link after that rows hold, in the order of their numbers, as Verify wants them. The
// rows must be in the order of the first of their links. The link of an end, which comes later, is kept until its
// turn; so rows may begin before that link, to have the commands that had begun and not ended there. A journal, which has
// a row for each link, is in order already: there the last of each row's Links is the one.
func InOrder(rows iter.Seq2[Row, error], after uint64) iter.Seq2[Link, error] {
	return func(yield func(Link, error) bool) {
		ends := map[uint64]Link{}
		next := after + 1
		// turn yields the ends whose turn is before link seq, and where links are missing, the first behind them.
		turn := func(seq uint64) bool {
			for len(ends) > 0 && next < seq {
				if _, ok := ends[next]; !ok {
					if next = slices.Min(slices.Collect(maps.Keys(ends))); next >= seq {
						return true
					}
				}
				l := ends[next]
				delete(ends, next)
				next++
				if !yield(l, nil) {
					return false
				}
			}
			return true
		}
		for row, err := range rows {
			var links []Link
			if err == nil {
				links, err = row.Links()
			}
			if err != nil {
				yield(Link{}, err)
				return
			}
			for _, l := range links {
				switch _, twice := ends[l.Seq]; {
				case l.Seq <= after:
				case l.Kind == End && (twice || l.Seq < next):
					yield(Link{}, fmt.Errorf("the end of a command has link %d, which is another's", l.Seq))
					return
				case l.Kind == End:
					ends[l.Seq] = l
				default:
					if !turn(l.Seq) || !yield(l, nil) {
						return
					}
					next = l.Seq + 1
				}
			}
		}
		for _, seq := range slices.Sorted(maps.Keys(ends)) {
			if !yield(ends[seq], nil) {
				return
			}
		}
	}
}
