package alert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vedette-monitor/vedette/daemon/alert/calendar"
	"github.com/vedette-monitor/vedette/daemon/alert/dispatch"
	"github.com/vedette-monitor/vedette/daemon/alert/incident"
	"github.com/vedette-monitor/vedette/daemon/alert/label"
	"github.com/vedette-monitor/vedette/daemon/alert/outbox"
	"github.com/vedette-monitor/vedette/daemon/alert/policy"
	"github.com/vedette-monitor/vedette/daemon/alert/rule"
	"github.com/vedette-monitor/vedette/daemon/config"
	"github.com/vedette-monitor/vedette/daemon/influx"
	"github.com/vedette-monitor/vedette/daemon/point"
	"github.com/vedette-monitor/vedette/sdk"
)

// The questions that the engine answers on the control socket, and their answers. Times are RFC 3339 in UTC, durations seconds.
type (
	// Listing is what fires, and what is about to.
	Listing struct {
		Incidents []*incident.Incident `json:"incidents"`
		Pending   []Waiting            `json:"pending"`
		// Holding says that nothing is told yet, because the daemon has only begun.
		Holding bool `json:"holding,omitempty"`
		// Problem says why what happens can not be kept, if it can not.
		Problem string `json:"problem,omitempty"`
	}
	// Waiting is an instance with a bad sample that does not fire.
	Waiting struct {
		Alert    string            `json:"alert"`
		Severity string            `json:"severity"`
		Tags     map[string]string `json:"tags"`
		Bad      int               `json:"bad"`
		Of       int               `json:"of"`
		Since    time.Time         `json:"since"`
	}
	// Reason is why an instance is what it is.
	Reason struct {
		Alert    string             `json:"alert"`
		Tags     map[string]string  `json:"tags"`
		State    string             `json:"state"`
		Status   rule.Status        `json:"status"`
		Sample   map[string]any     `json:"sample,omitempty"`
		SampleAt time.Time          `json:"sample_at,omitzero"`
		Explain  []rule.Explained   `json:"explain,omitempty"`
		NoSample string             `json:"no_sample,omitempty"`
		Ways     []dispatch.Way     `json:"ways,omitempty"`
		Incident *incident.Incident `json:"incident,omitempty"`
	}
	// AckRequest acknowledges an incident.
	AckRequest struct {
		ID     string  `json:"id"`
		By     string  `json:"by"`
		Reason string  `json:"reason"`
		For    float64 `json:"for"`
	}
	// FireRequest fires an alert to try its way.
	FireRequest struct {
		Alert string            `json:"alert"`
		Set   map[string]string `json:"set"`
		Dry   bool              `json:"dry"`
	}
	// Fired is what a test fire has come to.
	Fired struct {
		Incident *incident.Incident `json:"incident"`
		Ways     []dispatch.Way     `json:"ways"`
	}
	// SilenceRequest adds a silence.
	SilenceRequest struct {
		Match         string  `json:"match"`
		Author        string  `json:"author"`
		Reason        string  `json:"reason"`
		For           float64 `json:"for"`
		UntilResolved bool    `json:"until_resolved"`
	}
	// Silenced is a silence that was added.
	Silenced struct {
		Silence  *incident.Silence `json:"silence"`
		Warnings []string          `json:"warnings,omitempty"`
	}
	// Opening is a time at which a window of maintenance is open.
	Opening struct {
		Maintenance string    `json:"maintenance"`
		Match       string    `json:"match"`
		Zone        string    `json:"zone"`
		Opens       time.Time `json:"opens"`
		Closes      time.Time `json:"closes"`
		Open        bool      `json:"open"`
	}
	// Letters are notices that wait or were given up.
	Letters struct {
		Waiting []*incident.Notice `json:"waiting"`
		Dead    []*incident.Notice `json:"dead"`
		Queues  []outbox.Stats     `json:"queues"`
	}
	// Changed is how many things were changed.
	Changed struct {
		Count int `json:"count"`
	}
)

// errNotFound is that of something that is not there.
type errNotFound struct{ error }

// Handle adds what the engine answers to the control socket's paths.
func (e *Engine) Handle(mux *http.ServeMux) {
	handle(e, mux, "GET /v1/alerts", func(r *http.Request, _ struct{}, now time.Time) (any, error) {
		return e.list(r.FormValue("match"), now)
	})
	handle(e, mux, "GET /v1/alerts/incident", func(r *http.Request, _ struct{}, _ time.Time) (any, error) {
		if i := e.dispatch.Find(r.FormValue("id")); i != nil {
			return i, nil
		}
		return nil, errNotFound{fmt.Errorf("there is no incident %q, or several begin so", r.FormValue("id"))}
	})
	handle(e, mux, "POST /v1/alerts/ack", func(_ *http.Request, q AckRequest, now time.Time) (any, error) {
		ack := incident.Ack{By: q.By, Reason: q.Reason, At: now.UTC()}
		if q.For > 0 {
			ack.Until = now.Add(time.Duration(q.For * float64(time.Second))).UTC()
		}
		i, err := e.dispatch.Acknowledge(q.ID, ack)
		if err != nil {
			return nil, err
		}
		p := sdk.NewPoint("alert_silence").At(e.points.at(now)).Tag("action", "ack").Tag("kind", "ack").String("id", i.ID).String("author", q.By).String("reason", q.Reason).String("match", i.Alert)
		if !ack.Until.IsZero() {
			p.String("until", ack.Until.Format(time.RFC3339))
		}
		e.points.add(e, p)
		return i, nil
	})
	handle(e, mux, "POST /v1/alerts/route", func(_ *http.Request, labels map[string]string, _ time.Time) (any, error) {
		if err := e.checkLabels(labels); err != nil {
			return nil, err
		}
		return e.dispatch.Ways(e.filled(labels)), nil
	})
	handle(e, mux, "POST /v1/alerts/fire", func(_ *http.Request, q FireRequest, now time.Time) (any, error) {
		i, err := e.dispatch.TestFire(q.Alert, q.Set, sampleOf(q.Set, now), q.Dry, now)
		if err != nil {
			return nil, err
		}
		return Fired{i, e.dispatch.Ways(i.Match())}, nil
	})
	handle(e, mux, "GET /v1/alerts/outbox", func(_ *http.Request, _ struct{}, now time.Time) (any, error) {
		return Letters{e.box.Waiting(), e.box.Dead(), e.Queues(now)}, nil
	})
	handle(e, mux, "POST /v1/alerts/outbox/retry", func(_ *http.Request, q struct{ ID string }, now time.Time) (any, error) {
		back := e.box.Retry(q.ID, now)
		if len(back) == 0 && q.ID != "" {
			return nil, errNotFound{fmt.Errorf("there is no notice %q that was given up", q.ID)}
		}
		e.dispatch.Revived(back, now)
		return Changed{len(back)}, nil
	})
	handle(e, mux, "POST /v1/alerts/outbox/drop", func(_ *http.Request, q struct{ ID string }, now time.Time) (any, error) {
		n := e.box.Drop(q.ID)
		if n == nil {
			return nil, errNotFound{fmt.Errorf("there is no notice %q that waits or was given up and is not under way", q.ID)}
		}
		n.Why = "dropped by hand"
		e.dispatch.Settle([]outbox.End{{Notice: n}}, now)
		return Changed{1}, nil
	})
	handle(e, mux, "GET /v1/silences", func(_ *http.Request, _ struct{}, _ time.Time) (any, error) { return e.dispatch.Silences(), nil })
	handle(e, mux, "POST /v1/silences", func(_ *http.Request, q SilenceRequest, now time.Time) (any, error) {
		s := &incident.Silence{Match: q.Match, Author: q.Author, Reason: q.Reason, Until: now.Add(time.Duration(q.For * float64(time.Second))).UTC()}
		warnings, err := e.dispatch.Silence(s, q.UntilResolved, now)
		if err != nil {
			return nil, err
		}
		e.points.add(e, silencePoint("add", "silence", s, s.Reason, e.points.at(now)))
		return Silenced{s, warnings}, nil
	})
	handle(e, mux, "POST /v1/silences/expire", func(_ *http.Request, q struct{ ID, By string }, now time.Time) (any, error) {
		s, err := e.dispatch.Expire(q.ID, now)
		if err != nil {
			return nil, errNotFound{err}
		}
		e.points.add(e, silencePoint("expire", "silence", s, "by "+q.By, e.points.at(now)))
		return s, nil
	})
	handle(e, mux, "GET /v1/maintenance", func(r *http.Request, _ struct{}, now time.Time) (any, error) {
		days, err := strconv.ParseFloat(r.FormValue("next"), 64)
		if err != nil {
			return nil, fmt.Errorf("next is how many seconds to look ahead")
		}
		return e.openings(now, time.Duration(days*float64(time.Second))), nil
	})
	mux.HandleFunc("GET /v1/alerts/why", func(w http.ResponseWriter, r *http.Request) {
		reasons, err := e.why(r.Context(), r.FormValue("match"))
		reply(w, reasons, err)
	})
}

// handle lets f answer on the engine's goroutine, to what was sent as JSON.
func handle[Q any](e *Engine, mux *http.ServeMux, pattern string, f func(r *http.Request, q Q, now time.Time) (any, error)) {
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		var q Q
		if r.Method == http.MethodPost {
			if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&q); err != nil {
				reply(w, nil, fmt.Errorf("reading what was sent: %w", err))
				return
			}
		}
		var text []byte
		var err error
		// What it returns may be changed as soon as f has returned, so it becomes text before.
		if failed := e.do(r.Context(), func(now time.Time) {
			var answer any
			if answer, err = f(r, q, now); err == nil {
				text, err = json.Marshal(answer)
			}
		}); failed != nil {
			err = failed
		}
		reply(w, json.RawMessage(text), err)
	})
}

func reply(w http.ResponseWriter, answer any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		status := http.StatusBadRequest
		if errors.As(err, new(errNotFound)) {
			status = http.StatusNotFound
		}
		w.WriteHeader(status)
		answer = map[string]string{"error": err.Error()}
	}
	// An error here is of a client that has gone.
	_ = json.NewEncoder(w).Encode(answer)
}

// match is a condition on labels that somebody has typed.
func (e *Engine) match(text string) (*label.Match, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	m, diags := label.Parse(text, e.policy.Labels)
	if diags.HasErrors() {
		return nil, fmt.Errorf("the condition: %s", diags[0].Detail)
	}
	return m, nil
}

func (e *Engine) list(match string, now time.Time) (*Listing, error) {
	m, err := e.match(match)
	if err != nil {
		return nil, err
	}
	l := &Listing{Incidents: []*incident.Incident{}, Pending: []Waiting{}, Holding: e.dispatch.Holding()}
	if e.failed {
		l.Problem = notKept
	}
	open, closed := e.dispatch.Incidents()
	for _, i := range slices.Concat(open, closed) {
		if !strings.HasPrefix(i.Alert, beatPrefix) && m.Holds(i.Match()) {
			l.Incidents = append(l.Incidents, i)
		}
	}
	for _, a := range e.policy.Alerts {
		for _, st := range e.shard(a).instances(a.Name, now, rule.Pending) {
			w := Waiting{Alert: a.Name, Severity: a.Rule.Severity(max(0, st.Level)), Tags: tagsOf(a, st.Values), Bad: st.Bad, Of: st.Of, Since: st.Since}
			if m.Holds(labelsOf(a, w.Severity, st.Values)) {
				l.Pending = append(l.Pending, w)
			}
		}
	}
	return l, nil
}

func tagsOf(a *policy.Alert, values []string) map[string]string {
	tags := map[string]string{}
	for i, name := range a.Rule.By {
		if i < len(values) {
			tags[name] = values[i]
		}
	}
	return tags
}

func labelsOf(a *policy.Alert, severity string, values []string) map[string]string {
	i := incident.Incident{Alert: a.Name, Severity: severity, Labels: a.Labels, Tags: tagsOf(a, values)}
	return i.Match()
}

// filled adds the labels that incidents of the alert have, if one is named.
func (e *Engine) filled(labels map[string]string) map[string]string {
	a := e.alerts[labels["alert"]]
	if a == nil {
		return labels
	}
	all := maps.Clone(a.Labels)
	if all == nil {
		all = map[string]string{}
	}
	all["severity"] = a.Rule.Severity(a.Rule.Levels() - 1)
	maps.Copy(all, labels)
	return all
}

func (e *Engine) checkLabels(labels map[string]string) error {
	for name := range labels {
		if !slices.Contains(e.policy.Labels, name) && !slices.Contains(label.Own, name) {
			all := slices.Concat(label.Own, e.policy.Labels)
			return fmt.Errorf("no alert has a label %q.%s There is: %s", name, config.DidYouMean(name, all), strings.Join(all, ", "))
		}
	}
	if a := labels["alert"]; a != "" && e.alerts[a] == nil {
		var names []string
		for _, known := range e.policy.Alerts {
			names = append(names, known.Name)
		}
		return fmt.Errorf("there is no alert %q.%s", a, config.DidYouMean(a, names))
	}
	return nil
}

// sampleOf is a point with what was set for a test: what looks like a number or a truth value is one.
func sampleOf(set map[string]string, now time.Time) *point.Point {
	p := sdk.NewPoint("test").At(now)
	for name, value := range set {
		if f, err := strconv.ParseFloat(value, 64); err == nil {
			p.Float(name, f)
		} else if b, err := strconv.ParseBool(value); err == nil {
			p.Bool(name, b)
		} else {
			p.String(name, value)
		}
	}
	raw, err := p.MarshalBinary()
	if err != nil {
		return nil
	}
	made := new(point.Point)
	if made.Unmarshal(raw) != nil {
		return nil
	}
	return made
}

// openings are the times at which windows of maintenance are open, from now on.
func (e *Engine) openings(now time.Time, ahead time.Duration) []Opening {
	const most = 1000
	all := []Opening{}
	for _, m := range e.policy.Maintenance {
		for _, w := range m.Windows {
			all = append(all, openingsOf(m, w, now, ahead)...)
		}
	}
	slices.SortStableFunc(all, func(a, b Opening) int { return a.Opens.Compare(b.Opens) })
	return all[:min(len(all), most)]
}

func openingsOf(m *policy.Maintenance, w *calendar.Window, now time.Time, ahead time.Duration) []Opening {
	var all []Opening
	add := func(opens, closes time.Time, open bool) {
		all = append(all, Opening{m.Name, m.Match.String(), w.Zone.String(), opens.In(w.Zone), closes.In(w.Zone), open})
	}
	if until, open := w.Open(now); open {
		// When it opened is that much before it closes.
		add(until.Add(-w.Duration), until, true)
	}
	for at := now; len(all) < 100; {
		opens, closes, ok := w.Next(at)
		if !ok || opens.Sub(now) > ahead {
			break
		}
		add(opens, closes, false)
		at = opens
	}
	return all
}

// why says of each instance that matches why it is what it is, with the newest sample that InfluxDB has.
func (e *Engine) why(ctx context.Context, match string) ([]Reason, error) {
	type looked struct {
		Reason
		alert *policy.Alert
		shard *shard
	}
	var all []looked
	var err error
	if failed := e.do(ctx, func(now time.Time) {
		var m *label.Match
		if m, err = e.match(match); err != nil {
			return
		}
		for _, a := range e.policy.Alerts {
			s := e.shard(a)
			for _, st := range s.instances(a.Name, now) {
				labels := labelsOf(a, a.Rule.Severity(max(0, st.Level)), st.Values)
				if !m.Holds(labels) || len(all) >= mostReasons {
					continue
				}
				r := Reason{Alert: a.Name, Tags: tagsOf(a, st.Values), State: st.State.String(), Status: st, Ways: e.dispatch.Ways(labels)}
				if id := e.dispatch.Noted(a.Name, st.Key); id != "" {
					i := e.dispatch.Find(id)
					copied := i.Snapshot()
					copied.Suppressed, copied.Log, copied.Told = slices.Clone(i.Suppressed), slices.Clone(i.Log), map[string]*incident.Told{}
					for channel, t := range i.Told {
						told := *t
						copied.Told[channel] = &told
					}
					r.Incident = &copied
				}
				all = append(all, looked{r, a, s})
			}
		}
	}); failed != nil {
		return nil, failed
	}
	if err != nil {
		return nil, err
	}
	reasons := []Reason{}
	for i := range all {
		one := &all[i]
		e.explain(ctx, &one.Reason, one.alert, one.shard)
		reasons = append(reasons, one.Reason)
	}
	return reasons, nil
}

// mostReasons bounds how many instances are explained at once.
const mostReasons = 20

// explain judges the newest sample of an instance once more, part by part.
func (e *Engine) explain(ctx context.Context, r *Reason, a *policy.Alert, s *shard) {
	if a.Rule.OnSilence() {
		return
	}
	if a.Query != nil {
		r.NoSample = "its samples are rows of a query, which are not kept"
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	p, err := e.newest(ctx, a, r.Tags)
	if err != nil {
		r.NoSample = "InfluxDB does not tell the newest sample: " + err.Error()
		return
	}
	if p == nil {
		r.NoSample = "InfluxDB has no sample of it within the last hour"
		return
	}
	r.SampleAt, r.Sample = time.Unix(0, p.Time).UTC(), map[string]any{}
	for i := range p.Fields {
		f := &p.Fields[i]
		r.Sample[string(f.Key)] = f.Any()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.machines[a.Name]; m != nil && !s.replaced {
		r.Explain = s.set.Explain(m, p).Conditions
	}
}

// newest is the newest point of an instance that InfluxDB has, or nil.
func (e *Engine) newest(ctx context.Context, a *policy.Alert, tags map[string]string) (*point.Point, error) {
	where := []string{"time > now() - 1h"}
	for name, value := range tags {
		where = append(where, influx.QuoteName(name)+" = "+influx.QuoteText(value))
	}
	text := fmt.Sprintf("SELECT * FROM %s WHERE %s GROUP BY * ORDER BY time DESC LIMIT 1", influx.QuoteName(a.From), strings.Join(where, " AND "))
	rows, err := e.opts.Query(ctx, text, a.From, time.Now())
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return rows[len(rows)-1], nil
}
