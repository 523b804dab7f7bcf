package drop

import (
	"errors"
	"maps"
	"slices"
)

// Read visits what is new: of each user at most that many records, so that who writes many keeps nobody waiting; allowed says
// how many of them. It reports whether there may be more, and goes on after an error with what is left.
func (d *Directory) Read(allowed func(uid int) int, visit func(Found)) (more bool, err error) {
	var wrong []error
	one := func(l *log) {
		most := allowed(l.place.UID)
		there, err := l.read(most, visit)
		if err != nil {
			wrong = append(wrong, err)
		}
		more = more || there && most > 0
	}
	for _, l := range d.past {
		one(l)
	}
	for _, uid := range slices.Sorted(maps.Keys(d.logs)) {
		l := d.logs[uid]
		one(l)
		if err := l.keepBound(d.limits.Unread); err != nil {
			wrong = append(wrong, err)
		}
	}
	if err := d.takeBoxes(visit); err != nil {
		wrong = append(wrong, err)
	}
	return more, errors.Join(wrong...)
}

// Drained says whether nothing is unread in the file of a user.
func (d *Directory) Drained(uid int) bool {
	l := d.logs[uid]
	if l == nil {
		return true
	}
	drained, err := l.drained()
	return err == nil && drained
}

// Shut are the users that are not let in at present.
func (d *Directory) Shut() []int {
	var shut []int
	for uid, l := range d.logs {
		if l.shut {
			shut = append(shut, uid)
		}
	}
	slices.Sort(shut)
	return shut
}
