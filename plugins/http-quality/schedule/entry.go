package schedule

import (
	containerheap "container/heap"
	"slices"
)

// entry is a task with its place in the schedule.
type entry struct {
	task        Task
	next        moment // its next start
	early       bool   // next comes before the phase
	runs, waits bool
}

// entriesAtOnce is how many entries are made in one piece at most.
const entriesAtOnce = 64

// heap has the entry that is due next first; of those due at once the one with the lesser name, so that the order is the same
// every time.
type heap []*entry

// fix puts the first entry where it belongs, after its time has changed.
func (h *heap) fix() { containerheap.Fix(h, 0) }

// order puts all entries where they belong.
func (h *heap) order() { containerheap.Init(h) }

func (h heap) Len() int { return len(h) }

func (h heap) Less(i, j int) bool {
	if h[i].next != h[j].next {
		return h[i].next < h[j].next
	}
	return h[i].task.Name() < h[j].task.Name()
}

func (h heap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *heap) Push(x any) {
	*h = append(*h, x.(*entry))
}

// Pop implements heap.Interface.
func (h *heap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// queue holds entries that are due and wait for a place, the longest due first.
type queue []*entry

func (q *queue) add(e *entry) {
	e.waits = true
	*q = append(*q, e)
}

func (q *queue) take() *entry {
	e := (*q)[0]
	e.waits = false
	(*q)[0] = nil
	*q = (*q)[1:]
	return e
}

func (q *queue) remove(e *entry) {
	if e.waits {
		e.waits = false
		*q = slices.DeleteFunc(*q, func(other *entry) bool { return other == e })
	}
}
