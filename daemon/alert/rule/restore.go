package rule

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"iter"
	"math"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/vedette-monitor/vedette/daemon/alert/window"
	"github.com/vedette-monitor/vedette/daemon/point"
)

// Damaged is a state that could not be read.
type Damaged struct {
	Key string
	Err error
}

// ErrOtherRule says that a state belongs to a rule of another identity.
var ErrOtherRule = errors.New("it is the state of another rule")

// RestoreMachine makes a machine of what another one has written. now is the machine's start, and listening from when on silence counts:
// the start of the daemon. The rule may have changed since. If it judges differently, what was counted begins anew, and an
// instance that fires goes on until new verdicts decide. A state that is damaged costs its instance only.
func RestoreMachine(r *Rule, now, listening time.Time, states iter.Seq2[string, []byte]) (*Machine, []Damaged) {
	m := newMachine(r, now)
	m.listening = min(listening.Sub(now), 0)
	there := map[string]*instance{}
	var damaged []Damaged
	for key, raw := range states {
		var err error
		if key == m.header() {
			err = m.restoreHeader(raw)
		} else if there[key] != nil {
			err = errors.New("it is there twice")
		} else {
			var in *instance
			if in, err = m.restore(key, raw); err == nil {
				there[key] = in
				m.instances = append(m.instances, in)
			}
		}
		if err != nil {
			damaged = append(damaged, Damaged{key, fmt.Errorf("reading the state of %q of alert %q: %w", key, r.Name, err)})
		}
	}
	m.expect(there)
	return m, damaged
}

var errDamaged = errors.New("it is damaged")

// body is what is written in a state, without its sum.
func body(raw []byte) ([]byte, error) {
	n := len(raw) - crc32.Size
	if n < 0 || binary.LittleEndian.Uint32(raw[n:]) != crc32.Checksum(raw[:n], castagnoli) {
		return nil, errDamaged
	}
	return raw[:n], nil
}

// fields calls take for each field: with a number or with bytes.
func fields(b []byte, take func(num protowire.Number, v uint64, b []byte) error) error {
	for len(b) > 0 {
		num, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return errDamaged
		}
		b = b[n:]
		var v uint64
		var inner []byte
		switch kind {
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(b)
		case protowire.Fixed64Type:
			v, n = protowire.ConsumeFixed64(b)
		case protowire.BytesType:
			inner, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(num, kind, b)
		}
		if n < 0 {
			return errDamaged
		}
		b = b[n:]
		if err := take(num, v, inner); err != nil {
			return err
		}
	}
	return nil
}

func (m *Machine) restoreHeader(raw []byte) error {
	b, err := body(raw)
	if err != nil {
		return err
	}
	return fields(b, func(num protowire.Number, v uint64, _ []byte) error {
		switch num {
		case stateIdentity:
			if v != m.rule.identity {
				return ErrOtherRule
			}
		case stateWhereUnknown:
			m.whereUnknown = int(min(v, unknownsAreBroken))
		case stateFull:
			m.full = v != 0
		}
		return nil
	})
}

// ago is a time that was, by the machine's clock: where clocks were set back it is now.
func (m *Machine) ago(v uint64) time.Duration {
	return min(time.Duration(int64(v)-m.start.UnixNano()), 0)
}

func (m *Machine) restore(key string, raw []byte) (*instance, error) {
	r := m.rule
	b, err := body(raw)
	if err != nil {
		return nil, err
	}
	if strings.Count(key, "\x00") != max(len(r.by)-1, 0) || len(r.by) == 0 && key != "" {
		return nil, ErrOtherRule
	}
	in := m.add(key)
	m.instances = m.instances[:len(m.instances)-1]
	var identity, fingerprint uint64
	err = fields(b, func(num protowire.Number, v uint64, b []byte) error {
		switch num {
		case stateIdentity:
			identity = v
		case stateFingerprint:
			fingerprint = v
		case stateState:
			in.state = State(min(v, uint64(Firing)))
		case stateLevel:
			in.level = r.level(v)
		case stateSeen:
			in.seen = m.ago(v)
		case stateHeard:
			in.heard = m.ago(v)
		case stateBorn:
			in.born = m.ago(v)
		case stateFired:
			in.fired = int64(v)
		case stateSince:
			in.since = int64(v)
		case stateStream:
			return in.stream.restore(r, b)
		case stateVoter:
			return m.restoreVoter(in, b)
		case stateWindow:
			err := in.window.restore(r, b)
			if w := in.window; w != nil && w.any {
				in.order.after(w.newest)
			}
			return err
		case stateFlap:
			return m.restoreFlap(in, b)
		case stateEvents:
			return m.restoreEvents(in, b)
		case stateRecent:
			for ; len(b) >= 4; b = b[4:] {
				in.remember(float64(math.Float32frombits(binary.LittleEndian.Uint32(b))))
			}
		}
		return nil
	})
	if err == nil && identity != r.identity {
		err = ErrOtherRule
	}
	if err != nil {
		in.gone = true
		return nil, err
	}
	in.settle(r, fingerprint == r.fingerprint)
	if fingerprint == r.fingerprint {
		in.unwritten = false
		m.unwritten = m.unwritten[:len(m.unwritten)-1]
	}
	return in, nil
}

// settle makes what was restored fit the rule.
func (in *instance) settle(r *Rule, same bool) {
	if in.fired == 0 && in.state == Firing {
		in.fired = in.since
	}
	if r.quorum == nil && r.spec.Absent == 0 && !r.spec.Event {
		switch {
		case in.state != Firing:
			in.tripped = notTripped
		case in.tripped == notTripped:
			in.tripped = in.level
		}
	}
	if same {
		return
	}
	in.stream.renew(in.state)
	for i := range in.voters {
		in.voters[i].renew(in.state)
	}
}

// renew forgets what a stream has counted. Of an instance that fires it stays tripped: new verdicts end that, as they end any.
func (s *stream) renew(of State) {
	clear(s.rings)
	s.run, s.runSince, s.hole = 0, 0, false
	if of != Firing {
		s.tripped = notTripped
	}
}

func (s *stream) restore(r *Rule, b []byte) error {
	rings := 0
	err := fields(b, func(num protowire.Number, v uint64, b []byte) error {
		switch num {
		case streamNewest:
			s.newest = int64(v)
		case streamAny:
			s.any = v != 0
		case streamPace:
			return restorePace(&s.pace, b)
		case streamRing:
			if rings++; rings <= len(s.rings) {
				return s.rings[rings-1].restore(r, b)
			}
		case streamTripped:
			s.tripped = r.level(v)
		case streamUnknowns:
			s.unknowns = uint8(min(v, unknownsAreBroken))
		case streamHole:
			s.hole = v != 0
		case streamRun:
			s.run = int32(min(v, math.MaxInt32))
		case streamRunSince:
			s.runSince = int64(v)
		}
		return nil
	})
	if s.any {
		s.order.after(s.newest)
	}
	if s.any && s.pace.Usual() == 0 {
		// Of a single sample nobody knows how long the next may take: what was until now may be a hole.
		s.hole = true
		for i := range s.rings {
			s.rings[i].met = false
		}
	}
	return err
}

func (ring *ring) restore(r *Rule, b []byte) error {
	err := fields(b, func(num protowire.Number, v uint64, _ []byte) error {
		switch num {
		case ringVerdicts:
			ring.verdicts = v
		case ringN:
			ring.n = uint8(min(v, maxOf))
		case ringMet:
			ring.met = v != 0
		case ringSince:
			ring.badSince = int64(v)
		}
		return nil
	})
	ring.n = min(ring.n, uint8(r.fire.Of))
	ring.verdicts &= 1<<ring.n - 1
	return err
}

func restorePace(p *window.Pace, b []byte) error {
	var parts [3]time.Duration
	err := fields(b, func(num protowire.Number, v uint64, _ []byte) error {
		if num <= 3 {
			parts[num-1] = time.Duration(v)
		}
		return nil
	})
	*p = window.PaceOf(parts[0], parts[1], parts[2])
	return err
}

func (m *Machine) restoreVoter(in *instance, b []byte) error {
	if m.rule.quorum == nil {
		return nil
	}
	v := voter{}
	v.init(m.rule)
	err := fields(b, func(num protowire.Number, n uint64, b []byte) error {
		switch num {
		case voterName:
			v.name = string(b)
		case voterHeard:
			v.heard = m.ago(n)
		case voterStream:
			return v.stream.restore(m.rule, b)
		}
		return nil
	})
	// One that is no voter any more has no vote.
	if of := m.rule.quorum.of; len(of) == 0 || slices.Contains(of, v.name) {
		in.voters = append(in.voters, v)
	}
	return err
}

// restore restores a window. One of other columns begins empty.
func (w *windowed) restore(r *Rule, b []byte) error {
	if w == nil {
		return nil
	}
	return fields(b, func(num protowire.Number, v uint64, b []byte) error {
		switch num {
		case windowState:
			restored, err := window.Restore(&r.shape, b)
			if errors.Is(err, window.ErrOtherShape) {
				return nil
			}
			if err != nil {
				return err
			}
			w.Window = restored
		case windowPace:
			return restorePace(&w.pace, b)
		case windowNewest:
			w.newest = int64(v)
		case windowJudged:
			w.judged = int64(v)
		case windowAny:
			w.any = v != 0
		}
		return nil
	})
}

// restoreFlap restores how often an instance has changed. One that flaps by a rule that knows no flapping any more is calm at once.
func (m *Machine) restoreFlap(in *instance, b []byte) error {
	limit := max(m.rule.spec.Flap.Changes, 1)
	f := &flap{changes: make([]time.Duration, 0, limit)}
	err := fields(b, func(num protowire.Number, v uint64, _ []byte) error {
		switch num {
		case flapChange:
			if len(f.changes) == limit {
				f.changes = slices.Delete(f.changes, 0, 1)
			}
			f.changes = append(f.changes, m.ago(v))
		case flapFlapping:
			f.flapping = v != 0
		}
		return nil
	})
	if len(f.changes) > 0 && (f.flapping || m.rule.spec.Flap.Changes > 0) {
		in.flap = f
	}
	return err
}

func (m *Machine) restoreEvents(in *instance, b []byte) error {
	if !m.rule.spec.Event {
		return nil
	}
	e := new(events)
	in.events = e
	err := fields(b, func(num protowire.Number, v uint64, b []byte) error {
		switch num {
		case eventsHit:
			e.hits = append(e.hits, hit{at: int64(v)})
		case eventsUntil:
			e.until = min(time.Duration(int64(v)-m.start.UnixNano()), m.rule.spec.Fold)
		case eventsCount:
			e.count = int(min(v, math.MaxInt32))
		case eventsNewest:
			return m.restoreNewest(in, b)
		}
		return nil
	})
	slices.SortFunc(e.hits, func(a, b hit) int { return cmp.Compare(a.at, b.at) })
	e.hits = e.hits[max(len(e.hits)-hitsKept, 0):]
	if e.count == 0 || e.newest.Rule == nil {
		e.count, e.newest = 0, Transition{}
	}
	return err
}

func (m *Machine) restoreNewest(in *instance, b []byte) error {
	t := m.mark(in, Happened)
	t.Bad, t.Of = 0, 0
	err := fields(b, func(num protowire.Number, v uint64, b []byte) error {
		switch num {
		case newestAt:
			t.At = time.Unix(0, int64(v))
		case newestLevel:
			t.Level = int(m.rule.level(v))
		case newestValue:
			t.Value = math.Float64frombits(v)
		case newestSample:
			t.Sample = new(point.Point)
			return t.Sample.Unmarshal(bytes.Clone(b))
		}
		return nil
	})
	in.events.newest = t
	return err
}
