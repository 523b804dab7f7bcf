package alert

import (
	"slices"
	"time"

	"github.com/vedette-monitor/vedette/daemon/alert/calendar"
	"github.com/vedette-monitor/vedette/sdk"
)

// noteMaintenance makes points of windows of maintenance that open and close. One that was open when the daemon began opens for it then.
func (e *Engine) noteMaintenance(now time.Time) {
	for _, m := range e.policy.Maintenance {
		var until time.Time
		open := slices.ContainsFunc(m.Windows, func(w *calendar.Window) bool {
			closes, open := w.Open(now)
			if open && closes.After(until) {
				until = closes
			}
			return open
		})
		if open == e.maintained[m.Name] {
			continue
		}
		e.maintained[m.Name] = open
		p := sdk.NewPoint("alert_silence").At(e.points.at(now)).Tag("kind", "maintenance").String("id", m.Name).String("match", m.Match.String())
		if open {
			p.Tag("action", "open").String("until", until.UTC().Format(time.RFC3339))
		} else {
			p.Tag("action", "close")
		}
		e.points.add(e, p)
	}
}
