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

// A state is fields with numbers, as in a protobuf message, and a sum over them. A field that is not there is zero, and one that is
// not known is passed over, so fields may be added. Times are nanoseconds since 1970: the machine's clock means nothing to the next
// machine.
const (
	stateIdentity, stateFingerprint                   = 1, 2
	stateState, stateLevel                            = 3, 4
	stateSeen, stateHeard, stateBorn                  = 5, 6, 7
	stateFired, stateSince                            = 8, 9
	stateStream, stateVoter, stateWindow              = 10, 11, 12
	stateFlap, stateEvents, stateRecent               = 13, 14, 15
	stateWhereUnknown, stateFull                      = 16, 17
	streamNewest, streamAny, streamPace, streamRing   = 1, 2, 3, 4
	streamTripped, streamUnknowns, streamHole         = 5, 6, 7
	streamRun, streamRunSince                         = 8, 9
	ringVerdicts, ringN, ringMet, ringSince           = 1, 2, 3, 4
	voterName, voterHeard, voterStream                = 1, 2, 3
	windowState, windowPace                           = 1, 2
	windowNewest, windowJudged, windowAny             = 3, 4, 5
	flapChange, flapFlapping                          = 1, 2
	eventsHit, eventsUntil, eventsCount, eventsNewest = 1, 2, 3, 4
	newestAt, newestLevel, newestValue, newestSample  = 1, 2, 3, 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// state writes fields.
type state struct {
	b []byte
	// base is the start of the machine's clock.
	base int64
}

func (s *state) uint(num protowire.Number, v uint64) {
	if v != 0 {
		s.b = protowire.AppendVarint(protowire.AppendTag(s.b, num, protowire.VarintType), v)
	}
}

func (s *state) bool(num protowire.Number, v bool) {
	if v {
		s.uint(num, 1)
	}
}

func (s *state) fixed(num protowire.Number, v uint64) {
	if v != 0 {
		s.b = protowire.AppendFixed64(protowire.AppendTag(s.b, num, protowire.Fixed64Type), v)
	}
}

func (s *state) at(num protowire.Number, at time.Duration) { s.fixed(num, uint64(s.base+int64(at))) }

// open begins a field that has fields itself, and close ends it.
func (s *state) open(num protowire.Number) (from int) {
	s.b = protowire.AppendTag(s.b, num, protowire.BytesType)
	s.b = append(s.b, 0)
	return len(s.b)
}

func (s *state) close(from int) {
	n := uint64(len(s.b) - from)
	if more := protowire.SizeVarint(n) - 1; more > 0 {
		// The length takes more than the byte that there is for it.
		s.b = append(s.b, make([]byte, more)...)
		copy(s.b[from+more:], s.b[from:])
	}
	binary.PutUvarint(s.b[from-1:], n)
}

// sum ends a state that began at from.
func (s *state) sum(from int) []byte {
	return binary.LittleEndian.AppendUint32(s.b, crc32.Checksum(s.b[from:], castagnoli))
}

// State appends what the instance of a key is to dst, for RestoreMachine. The machine is in a set. If there is none, or none any more, dst is returned as it is.
func (m *Machine) State(dst []byte, key string) []byte {
	if key == m.header() {
		return m.appendHeader(dst)
	}
	if in := m.find(key); in != nil {
		return m.appendState(dst, in)
	}
	return dst
}

func (m *Machine) find(key string) *instance {
	if m.keys == nil {
		return nil
	}
	if e := m.keys.entries[key]; e != nil {
		for _, p := range e.places {
			if p.machine == m.number {
				return p.instance
			}
		}
	}
	return nil
}

// header is the key of what belongs to no instance: it has more NULs than that of any instance.
func (m *Machine) header() string { return strings.Repeat("\x00", len(m.rule.by)+1) }

func (m *Machine) appendHeader(dst []byte) []byte {
	from := len(dst)
	s := state{b: dst}
	s.fixed(stateIdentity, m.rule.identity)
	s.uint(stateWhereUnknown, uint64(m.whereUnknown))
	s.bool(stateFull, m.full)
	return s.sum(from)
}

func (m *Machine) appendState(dst []byte, in *instance) []byte {
	from := len(dst)
	s := state{b: dst, base: m.start.UnixNano()}
	s.fixed(stateIdentity, m.rule.identity)
	s.fixed(stateFingerprint, m.rule.fingerprint)
	s.uint(stateState, uint64(in.state))
	s.uint(stateLevel, m.rule.severity(in.level))
	s.at(stateSeen, in.seen)
	s.at(stateHeard, in.heard)
	s.at(stateBorn, in.born)
	s.fixed(stateFired, uint64(in.fired))
	s.fixed(stateSince, uint64(in.since))
	at := s.open(stateStream)
	s.stream(m.rule, &in.stream)
	s.close(at)
	for i := range in.voters {
		v := &in.voters[i]
		at := s.open(stateVoter)
		s.b = protowire.AppendString(protowire.AppendTag(s.b, voterName, protowire.BytesType), v.name)
		s.at(voterHeard, v.heard)
		inner := s.open(voterStream)
		s.stream(m.rule, &v.stream)
		s.close(inner)
		s.close(at)
	}
	if w := in.window; w != nil {
		at := s.open(stateWindow)
		s.window(w)
		s.close(at)
	}
	if in.flap != nil {
		at := s.open(stateFlap)
		for _, change := range in.flap.changes {
			s.at(flapChange, change)
		}
		s.bool(flapFlapping, in.flap.flapping)
		s.close(at)
	}
	if in.events != nil {
		at := s.open(stateEvents)
		s.events(m.rule, in.events)
		s.close(at)
	}
	if in.recent != nil {
		at := s.open(stateRecent)
		for v := range in.recent.all {
			s.b = binary.LittleEndian.AppendUint32(s.b, math.Float32bits(v))
		}
		s.close(at)
	}
	return s.sum(from)
}

func (s *state) stream(r *Rule, st *stream) {
	s.fixed(streamNewest, uint64(st.newest))
	s.bool(streamAny, st.any)
	s.pace(streamPace, &st.pace)
	for i := range st.rings {
		ring := &st.rings[i]
		at := s.open(streamRing)
		s.uint(ringVerdicts, ring.verdicts)
		s.uint(ringN, uint64(ring.n))
		s.bool(ringMet, ring.met)
		if ring.met {
			s.fixed(ringSince, uint64(ring.badSince))
		}
		s.close(at)
	}
	if st.tripped != notTripped {
		s.uint(streamTripped, r.severity(st.tripped))
	}
	s.uint(streamUnknowns, uint64(st.unknowns))
	s.bool(streamHole, st.hole)
	if st.run > 0 {
		s.uint(streamRun, uint64(st.run))
		s.fixed(streamRunSince, uint64(st.runSince))
	}
}

func (s *state) pace(num protowire.Number, p *window.Pace) {
	at := s.open(num)
	usual, hole, after := p.Parts()
	s.uint(1, uint64(usual))
	s.uint(2, uint64(hole))
	s.uint(3, uint64(after))
	s.close(at)
}

func (s *state) window(w *windowed) {
	at := s.open(windowState)
	s.b = w.AppendState(s.b)
	s.close(at)
	s.pace(windowPace, &w.pace)
	s.fixed(windowNewest, uint64(w.newest))
	s.fixed(windowJudged, uint64(w.judged))
	s.bool(windowAny, w.any)
}

func (s *state) events(r *Rule, e *events) {
	for _, hit := range e.hits {
		s.b = protowire.AppendFixed64(protowire.AppendTag(s.b, eventsHit, protowire.Fixed64Type), uint64(hit.at))
	}
	s.at(eventsUntil, e.until)
	if e.count == 0 {
		return
	}
	s.uint(eventsCount, uint64(e.count))
	at := s.open(eventsNewest)
	s.fixed(newestAt, uint64(e.newest.At.UnixNano()))
	s.uint(newestLevel, r.severity(int8(e.newest.Level)))
	s.b = protowire.AppendFixed64(protowire.AppendTag(s.b, newestValue, protowire.Fixed64Type), math.Float64bits(e.newest.Value))
	if e.newest.Sample != nil {
		sample := s.open(newestSample)
		s.b = e.newest.Sample.AppendMessage(s.b)
		s.close(sample)
	}
	s.close(at)
}

// severity is that of a level as a state has it: levels may be added to a rule and taken from it.
func (r *Rule) severity(level int8) uint64 {
	return uint64(slices.Index(Severities, r.levels[level].severity)) + 1
}

// level is the highest level that is not above a severity, or the lowest.
func (r *Rule) level(severity uint64) int8 {
	level := int8(0)
	for i := range r.levels {
		if r.severity(int8(i)) <= severity {
			level = int8(i)
		}
	}
	return level
}

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
