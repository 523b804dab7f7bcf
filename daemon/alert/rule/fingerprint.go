package rule

import (
	"fmt"
	"hash/fnv"
)

// Identity tells what the rule's instances are: those of another identity have nothing to do with them. It follows from the measurement, from
// by, from the quorum's tag, and from the kind of the rule.
func (r *Rule) Identity() uint64 { return r.identity }

// Fingerprint tells how the rule judges: with the same one, rings and runs mean the same. It does not follow from what is only about
// silence, flapping and forgetting.
func (r *Rule) Fingerprint() uint64 { return r.fingerprint }

// who is what makes an instance.
func (r *Rule) who() []any {
	tag := ""
	if r.quorum != nil {
		tag = r.spec.Quorum.Tag.Text
	}
	return []any{r.measurement, r.By, tag, r.quorum != nil, r.spec.Event, r.spec.Absent > 0}
}

// what is what makes a verdict, and what verdicts lead to.
func (r *Rule) what() []any {
	parts := []any{r.fire, r.recover.Good, r.recover.For, r.spec.Over, r.spec.Every, r.spec.Updates, r.spec.Query}
	if r.where != nil {
		parts = append(parts, "where", r.where)
	}
	for _, l := range r.levels {
		parts = append(parts, "level", l.severity)
		if l.when != nil {
			parts = append(parts, l.when)
		}
	}
	if r.recovered != nil {
		parts = append(parts, "recovered", r.recovered)
	}
	return parts
}

func (r *Rule) sum(parts []any) uint64 {
	h := fnv.New64a()
	for _, part := range parts {
		// A text is quoted by its %q, so that no two lists of parts are written in the same way.
		fmt.Fprintf(h, "%q\x00", fmt.Sprint(part))
	}
	return h.Sum64()
}
