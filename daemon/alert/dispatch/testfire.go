package dispatch

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/vedette-monitor/vedette/daemon/alert/incident"
	"github.com/vedette-monitor/vedette/daemon/alert/rule"
	"github.com/vedette-monitor/vedette/daemon/config"
	"github.com/vedette-monitor/vedette/daemon/point"
)

// TestFire makes an incident of an alert that is told on its real way, marked as a test, and is forgotten then. Tags and labels are
// set by name; sample is the point that its texts are made of, or nil. With dry nobody is told.
func (d *Dispatcher) TestFire(alert string, set map[string]string, sample *point.Point, dry bool, now time.Time) (*incident.Incident, error) {
	a := d.alerts[alert]
	if a == nil {
		return nil, fmt.Errorf("there is no alert %q.%s", alert, config.DidYouMean(alert, sortedNames(d)))
	}
	t := rule.Transition{Rule: a.Rule, From: rule.OK, To: rule.Firing, Reason: rule.Bad, Level: a.Rule.Levels() - 1, At: now, Fired: now, Value: math.NaN(), Sample: sample, Count: 1}
	for _, name := range a.Rule.By {
		value, ok := set[name]
		if !ok {
			return nil, fmt.Errorf("the alert %q has an incident for each %s: set %s", alert, strings.Join(a.Rule.By, ", "), name)
		}
		t.Values = append(t.Values, value)
	}
	t.Key = strings.Join(t.Values, "\x00")
	i := &incident.Incident{
		ID: "test-" + incident.ID(alert, t.Key, now), Alert: alert, Key: t.Key, State: incident.Event, Fired: now.UTC(), Test: true, Told: map[string]*incident.Told{},
	}
	d.tell(i, a, &t, now)
	i.Reason = "a test"
	i.Note(now, "fired by hand")
	for name, value := range set {
		if i.Labels[name] != "" && !slices.Contains(a.Rule.By, name) {
			labels := map[string]string{}
			for k, v := range i.Labels {
				labels[k] = v
			}
			labels[name] = value
			i.Labels = labels
		}
	}
	if !dry {
		d.incidents[i.ID] = i
	}
	return i, nil
}

func sortedNames(d *Dispatcher) []string {
	var names []string
	for name := range d.alerts {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
