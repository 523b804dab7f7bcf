package rule

import (
	"fmt"
	"hash/fnv"
	"io"
	"strings"
)

// Fingerprint tells what the state of the rule's instances is made of: the samples, their verdicts, and the streams that they are
// in. A rule with another one can not go on with this one's rings and runs. How many samples it takes, and for how long, is not a
// part of it: these are held against the state anew with each sample.
func (r *Rule) Fingerprint() string {
	var b strings.Builder
	s := &r.spec
	b.WriteString(r.identity())
	fmt.Fprintf(&b, "updates %t\n", s.Updates)
	if r.where != nil {
		fmt.Fprintf(&b, "where %s\n", r.where)
	}
	for _, l := range r.levels {
		if l.when != nil {
			fmt.Fprintf(&b, "level %s %s\n", l.severity, l.when)
		}
	}
	if r.recovered != nil {
		fmt.Fprintf(&b, "recover %s\n", r.recovered)
	}
	if s.Over > 0 {
		fmt.Fprintf(&b, "over %s every %s\n", s.Over, s.Every)
	}
	if q := s.Quorum; q != nil {
		fmt.Fprintf(&b, "of %q\n", q.Of)
	}
	return b.String()
}

// identity tells what the instances and their streams are: those of another identity have nothing to do with them.
func (r *Rule) identity() string {
	s := &r.spec
	kind := "state"
	switch {
	case s.Event:
		kind = "event"
	case s.Absent > 0:
		kind = "absent"
	}
	tag := ""
	if s.Quorum != nil {
		tag = s.Quorum.Tag.Text
	}
	return fmt.Sprintf("kind %s\nby %q\nquorum %q\n", kind, r.By, tag)
}

// sum makes a text as short as a state has it.
func sum(text string) uint64 {
	h := fnv.New64a()
	io.WriteString(h, text)
	return h.Sum64()
}
