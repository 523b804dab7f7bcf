package rule

import (
	"fmt"
	"strings"
)

// Fingerprint tells what the state of the rule's instances is made of: the samples, their verdicts, and the streams that they are
// in. A rule with another one can not go on with this one's state. How many bad samples it takes, and for how long, is not a part of
// it: these are held against the state anew with each sample.
func (r *Rule) Fingerprint() string {
	var b strings.Builder
	s := &r.spec
	kind := "state"
	switch {
	case s.Event:
		kind = "event"
	case s.Absent > 0:
		kind = "absent"
	}
	fmt.Fprintf(&b, "kind %s\nupdates %t\nby %q\n", kind, s.Updates, r.By)
	if r.where != nil {
		fmt.Fprintf(&b, "where %s\n", r.where)
	}
	for _, l := range r.levels {
		if l.when != nil {
			fmt.Fprintf(&b, "level %s %s\n", l.severity, l.when)
		}
	}
	if s.Over > 0 {
		fmt.Fprintf(&b, "over %s every %s\n", s.Over, s.Every)
	}
	if q := s.Quorum; q != nil {
		fmt.Fprintf(&b, "quorum %q of %q\n", q.Tag.Text, q.Of)
	}
	return b.String()
}
