package alert

import (
	"context"
	"time"

	"github.com/vedette-monitor/vedette/daemon/alert/policy"
	"github.com/vedette-monitor/vedette/daemon/point"
)

// Query asks InfluxDB, and returns its rows as points of the measurement. A row's tags are those that the query groups by. Its time is
// its own, or now where it has none.
type Query func(ctx context.Context, text, measurement string, now time.Time) ([]*point.Point, error)

// asking is an alert that asks InfluxDB.
type asking struct {
	underWay bool
	last     time.Time
	failures int
	errors   int
	err      string
}

// brokenAfter is how many queries in a row may fail before the alert counts as broken.
const brokenAfter = 3

// queryTime is how long a query may take at most.
const queryTime = 30 * time.Second

// ask asks for alerts whose time has come. An alert that still waits for an answer is not asked for again.
func (e *Engine) ask(ctx context.Context, now time.Time) {
	for _, a := range e.policy.Alerts {
		if a.Query == nil {
			continue
		}
		q := e.asking[a.Name]
		if q == nil {
			q = new(asking)
			e.asking[a.Name] = q
		}
		if q.underWay || now.Sub(q.last) < a.Query.Every {
			continue
		}
		q.underWay, q.last = true, now
		e.running.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, min(queryTime, max(a.Query.Every, time.Second)))
			defer cancel()
			rows, err := e.opts.Query(ctx, a.Query.Text, a.From, now)
			e.finish(func(now time.Time) { e.asked(a, q, rows, err, now) })
		})
	}
}

// asked takes the answer: its rows are judged as points are.
func (e *Engine) asked(a *policy.Alert, q *asking, rows []*point.Point, err error, now time.Time) {
	q.underWay = false
	if err != nil {
		q.failures++
		q.errors++
		q.err = err.Error()
		if q.failures == 1 {
			e.log.Warn("the query of an alert failed; what it knows is held", "alert", a.Name, "error", err)
		}
		if q.failures == brokenAfter {
			e.log.Error("the query of an alert fails again and again", "alert", a.Name, "error", err)
			e.count = time.Time{} // whoever watches the alerts is to know at once
		}
		if a.Query.Alert {
			e.dispatch.QueryFailed(a.Name, err.Error(), now)
		}
		return
	}
	if q.failures >= brokenAfter {
		e.count = time.Time{}
	}
	if q.failures > 0 {
		e.log.Info("the query of an alert works again", "alert", a.Name)
		q.failures, q.err = 0, ""
	}
	e.dispatch.QueryWorks(a.Name, now)
	for _, p := range rows {
		e.Observe(p)
	}
}
