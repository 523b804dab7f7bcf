package rule

import "strconv"

// recentKept is how many of the last values an instance keeps: what a notice has room for.
const recentKept = 16

// recent is a ring of the last values of what a condition is about, for people to look at.
type recent struct {
	values [recentKept]float32
	n      uint8
	// next is where the next one goes.
	next uint8
}

// remember keeps a value, if it is known.
func (in *instance) remember(v float64) {
	if v != v {
		return
	}
	if in.recent == nil {
		in.recent = new(recent)
	}
	in.recent.add(float32(v))
}

func (r *recent) add(v float32) {
	r.values[r.next] = v
	r.next = (r.next + 1) % recentKept
	r.n = min(r.n+1, recentKept)
}

// all are the values, the newest last.
func (r *recent) all(yield func(float32) bool) {
	if r == nil {
		return
	}
	for i := range r.n {
		if !yield(r.values[(recentKept+r.next-r.n+i)%recentKept]) {
			return
		}
	}
}

// list are the values as they were written before they were made short: 0.1, and not what a float64 makes of a float32.
func (r *recent) list() []float64 {
	var list []float64
	for v := range r.all {
		short, err := strconv.ParseFloat(strconv.FormatFloat(float64(v), 'g', -1, 32), 64)
		if err != nil {
			short = float64(v)
		}
		list = append(list, short)
	}
	return list
}
