package rule

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/vedette-monitor/vedette/daemon/alert/window"
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
