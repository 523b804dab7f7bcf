package rule

import (
	"iter"
	"slices"
)

// touch notes that an instance has changed.
func (m *Machine) touch(in *instance) {
	if !in.unwritten {
		in.unwritten = true
		m.unwritten = append(m.unwritten, in)
	}
}

// Changed yields the states of up to limit instances that have changed since it yielded them last, and reports whether there are more.
// A state is the caller's. So what is written now and then is complete, and who writes can let others in between. If yield
// returns false the instance is yielded again the next time.
func (m *Machine) Changed(limit int, yield func(key string, state []byte) bool) (more bool) {
	if m.unwrittenHeader {
		if !yield(m.header(), m.appendHeader(nil)) {
			return true
		}
		m.unwrittenHeader = false
		limit--
	}
	var states []byte
	n := 0
	for _, in := range m.unwritten {
		if limit == 0 {
			break
		}
		if !in.gone {
			from := len(states)
			states = m.appendState(states, in)
			if !yield(in.key, slices.Clip(states[from:])) {
				break
			}
			limit--
		}
		in.unwritten = false
		n++
	}
	m.unwritten = slices.Delete(m.unwritten, 0, n)
	return len(m.unwritten) > 0
}

// Touch makes Changed yield all instances again, as after a write that failed.
func (m *Machine) Touch() {
	m.unwrittenHeader = true
	for _, in := range m.instances {
		m.touch(in)
	}
}

// Removed returns the keys of the instances that are no more since it was called last. They are to be deleted before what Changed yields
// is written: one of them may be there again.
func (m *Machine) Removed() []string {
	removed := m.removed
	m.removed = nil
	return removed
}

// States are those of all instances, for the machine that takes over. A state is the caller's.
func (m *Machine) States() iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		if !yield(m.header(), m.appendHeader(nil)) {
			return
		}
		for _, in := range m.instances {
			if !yield(in.key, m.appendState(nil, in)) {
				return
			}
		}
	}
}
