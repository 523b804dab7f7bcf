package dispatch

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vedette-monitor/vedette/daemon/alert/incident"
	"github.com/vedette-monitor/vedette/daemon/alert/label"
)

// The bounds of a silence. Old ones are remembered for a while, for people ask why nobody was told.
const (
	longestSilence = 30 * 24 * time.Hour
	keptSilence    = 30 * 24 * time.Hour
	// manyIncidents is how many incidents a silence may match before it looks like a mistake.
	manyIncidents = 50
)

// Silence adds a silence, and returns what somebody may want to know of it.
func (d *Dispatcher) Silence(s *incident.Silence, untilResolved bool, now time.Time) (warnings []string, err error) {
	if strings.TrimSpace(s.Author) == "" || strings.TrimSpace(s.Reason) == "" {
		return nil, errors.New("a silence needs an author and a reason: somebody will ask at night who made it, and why")
	}
	if !s.Until.After(now) {
		return nil, errors.New("the silence would be over already")
	}
	if s.Until.Sub(now) > longestSilence {
		return nil, fmt.Errorf("a silence lasts 30 days at most; this one would last %s", s.Until.Sub(now).Round(time.Hour))
	}
	match, diags := label.Parse(s.Match, d.policy.Labels)
	if diags.HasErrors() {
		return nil, fmt.Errorf("the condition of the silence: %s", wording(diags))
	}
	s.Match, s.Created = strings.TrimSpace(s.Match), now.UTC()
	s.ID = d.silenceID(s, now)
	matching := 0
	for _, i := range d.sorted() {
		if i.State.Open() && match.Holds(i.Match()) {
			matching++
			if untilResolved {
				s.Incidents = append(s.Incidents, i.ID)
			}
		}
	}
	switch {
	case matching == 0 && untilResolved:
		return nil, errors.New("no incident that fires matches, so there is none to wait for")
	case matching == 0:
		warnings = append(warnings, "no incident that fires now matches")
	case matching > manyIncidents:
		warnings = append(warnings, fmt.Sprintf("%d incidents that fire now match", matching))
	}
	d.silences[s.ID] = &silence{Silence: s, match: match, hits: map[string]bool{}}
	d.log.PutSilence(s)
	return warnings, nil
}

func (d *Dispatcher) silenceID(s *incident.Silence, now time.Time) string {
	for n := 0; ; n++ {
		id := incident.ID("silence", fmt.Sprintf("%s\x00%d", s.Match, n), now)[:6]
		if d.silences[id] == nil {
			return id
		}
	}
}

// Expire ends a silence.
func (d *Dispatcher) Expire(id string, now time.Time) (*incident.Silence, error) {
	s := d.silences[id]
	switch {
	case s == nil:
		return nil, fmt.Errorf("there is no silence %q", id)
	case !s.Active(now):
		return nil, fmt.Errorf("the silence %s is over already", id)
	}
	s.Expired = now.UTC()
	d.log.PutSilence(s.Silence)
	return s.Silence, nil
}

// Silences are those that hold, and those that have ended lately, in the order in which they were made.
func (d *Dispatcher) Silences() []*incident.Silence {
	var all []*incident.Silence
	for _, id := range d.silenceIDs() {
		all = append(all, d.silences[id].Silence)
	}
	slices.SortStableFunc(all, func(a, b *incident.Silence) int { return a.Created.Compare(b.Created) })
	return all
}

// expireSilences ends silences whose incidents have all resolved, and forgets old ones.
func (d *Dispatcher) expireSilences(now time.Time) {
	for id, s := range d.silences {
		if len(s.Incidents) > 0 && s.Active(now) && !slices.ContainsFunc(s.Incidents, func(id string) bool {
			i := d.incidents[id]
			return i != nil && i.State.Open()
		}) {
			s.Expired = now.UTC()
			d.log.PutSilence(s.Silence)
			d.ended = append(d.ended, s.Silence)
		}
		if !s.Active(now) && now.Sub(s.Until) > keptSilence {
			delete(d.silences, id)
			d.log.DeleteSilence(id)
		}
	}
}

// Ended are the silences that have ended by themselves since it was called last.
func (d *Dispatcher) Ended() []*incident.Silence {
	e := d.ended
	d.ended = nil
	return e
}

// Acknowledge notes that somebody has taken an incident.
func (d *Dispatcher) Acknowledge(id string, ack incident.Ack) (*incident.Incident, error) {
	i := d.Find(id)
	switch {
	case i == nil:
		return nil, fmt.Errorf("there is no incident %q, or several begin so", id)
	case !i.State.Open():
		return nil, fmt.Errorf("the incident %s has ended: there is nothing to acknowledge", i.ID)
	case strings.TrimSpace(ack.By) == "":
		return nil, errors.New("an acknowledgement needs a name")
	}
	i.Ack = &ack
	text := "acknowledged by " + ack.By
	if ack.Reason != "" {
		text += ": " + ack.Reason
	}
	i.Note(ack.At, text)
	d.touch(i)
	return i, nil
}

func (d *Dispatcher) expireAcks(now time.Time) {
	for _, i := range d.incidents {
		if i.Ack != nil && !i.Ack.Until.IsZero() && !now.Before(i.Ack.Until) {
			i.Note(now, "the acknowledgement of "+i.Ack.By+" ends")
			i.Ack = nil
			d.touch(i)
		}
	}
}
