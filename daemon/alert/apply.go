package alert

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/vedette-monitor/vedette/daemon/alert/dispatch"
	"github.com/vedette-monitor/vedette/daemon/alert/outbox"
	"github.com/vedette-monitor/vedette/daemon/alert/policy"
	"github.com/vedette-monitor/vedette/daemon/alert/rule"
	"github.com/vedette-monitor/vedette/daemon/config"
)

// Apply makes a policy the one that holds. It is called before Run, and again for every reload. What the alerts know stays where it means
// the same: an alert whose instances are others, or that is gone, ends its incidents.
func (e *Engine) Apply(p *policy.Policy, notifiers []config.Notifier) error {
	if e.policy == nil {
		return e.apply(p, notifiers, time.Now())
	}
	var err error
	if failed := e.do(context.Background(), func(now time.Time) { err = e.apply(p, notifiers, now) }); failed != nil {
		return failed
	}
	return err
}

func (e *Engine) apply(p *policy.Policy, notifiers []config.Notifier, now time.Time) error {
	beats, err := heartbeats(p)
	if err != nil {
		return err
	}
	old := e.policy
	e.policy, e.alerts = withAlerts(p, beats), map[string]*policy.Alert{}
	for _, a := range e.policy.Alerts {
		e.alerts[a.Name] = a
	}
	e.channels = map[string]config.Notifier{}
	known := map[string]dispatch.Channel{}
	var queues []outbox.Channel
	for _, n := range notifiers {
		e.channels[n.FullName()] = n
		known[n.FullName()] = dispatch.Channel{Pages: n.Pages, Syncs: n.Syncs}
		queues = append(queues, outbox.Channel{Name: n.FullName(), Limit: n.Limit.Count, Per: n.Limit.Per, Fallback: n.Fallback})
	}
	for _, h := range p.Heartbeats {
		known[beatChannel(h.Name)] = dispatch.Channel{}
		queues = append(queues, outbox.Channel{Name: beatChannel(h.Name), Fleeting: true})
	}
	e.replace(old, now)
	e.dispatch.Configure(e.policy, known)
	e.box.Configure(outbox.Options{FallbackAfter: p.Settings.FallbackAfter, Expire: p.Settings.Expire}, queues)
	e.reconcile(now)
	served := map[string]string{}
	for name, n := range e.channels {
		served[name] = n.Plugin
	}
	e.served.Store(&served)
	maps.DeleteFunc(e.syncs, func(name string, _ *syncing) bool { return !known[name].Syncs })
	maps.DeleteFunc(e.asking, func(name string, _ *asking) bool { return e.alerts[name] == nil })
	maps.DeleteFunc(e.counts, func(name string, _ *count) bool { return e.alerts[name] == nil })
	return nil
}

// withAlerts is a policy with more alerts.
func withAlerts(p *policy.Policy, more []*policy.Alert) *policy.Policy {
	q := *p
	q.Alerts = slices.Concat(p.Alerts, more)
	return &q
}

// replace puts new rules in the place of those that there are. Points wait meanwhile, so that none is judged by neither.
func (e *Engine) replace(old *policy.Policy, now time.Time) {
	before := *e.shards.Load()
	for _, s := range before {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.replaced = true
	}
	running := map[string]*rule.Machine{}
	for _, s := range before {
		maps.Copy(running, s.machines)
	}
	byMeasurement := map[string][]*policy.Alert{}
	for _, a := range e.policy.Alerts {
		byMeasurement[a.From] = append(byMeasurement[a.From], a)
	}
	after := map[string]*shard{}
	for from, alerts := range byMeasurement {
		s := &shard{to: &e.arrivals, machines: map[string]*rule.Machine{}}
		var machines []*rule.Machine
		for _, a := range alerts {
			m := e.machine(a, running[a.Name], now)
			s.machines[a.Name] = m
			machines = append(machines, m)
		}
		s.set = rule.NewSet(alerts[0].Layout, machines...)
		after[from] = s
	}
	var gone []string
	if old == nil {
		gone = e.store.Alerts()
	} else {
		for _, a := range old.Alerts {
			gone = append(gone, a.Name)
		}
	}
	for _, name := range gone {
		if e.alerts[name] == nil {
			e.batch.DropAlert(name)
		}
	}
	e.shards.Store(&after)
}

// machine is the machine of an alert, with the states of the one that it had, or of those on disk.
func (e *Engine) machine(a *policy.Alert, running *rule.Machine, now time.Time) *rule.Machine {
	states := e.store.Instances(a.Name)
	if running != nil {
		states = running.States()
	}
	m, damaged := rule.RestoreMachine(a.Rule, now, e.started, states)
	for _, d := range damaged {
		if !errors.Is(d.Err, rule.ErrOtherRule) {
			e.log.Error("what was known of an alert's instance is damaged; it begins anew", "alert", a.Name, "instance", d.Key, "error", d.Err)
		}
		e.batch.PutInstance(a.Name, d.Key, nil)
	}
	return m
}

// reconcile makes the incidents those of the instances: both were written together, but the rules may be others now.
func (e *Engine) reconcile(now time.Time) {
	firing := map[[2]string]bool{}
	for _, a := range e.policy.Alerts {
		for _, st := range e.shard(a).instances(a.Name, now) {
			t := rule.Transition{
				Rule: a.Rule, Key: st.Key, Values: st.Values, From: st.State, To: st.State, Reason: rule.Bad, Level: st.Level, At: now, Fired: st.Fired,
				Bad: st.Bad, Of: st.Of, Recent: st.Recent,
			}
			switch {
			case st.State == rule.Pending:
				e.dispatch.Pend(&t)
			case st.State == rule.Firing:
				firing[[2]string{a.Name, st.Key}] = true
				e.dispatch.Adopt(&t, now)
			case st.Flapping:
				firing[[2]string{a.Name, st.Key}] = true
			}
		}
	}
	open, _ := e.dispatch.Incidents()
	for _, i := range open {
		if i.State.Open() && (i.Key != dispatch.QueryKey || e.alerts[i.Alert] == nil) && !firing[[2]string{i.Alert, i.Key}] {
			reason := dispatch.RuleRemoved
			if e.alerts[i.Alert] != nil {
				reason = dispatch.RuleChanged
			}
			e.dispatch.Close(i.ID, reason, now)
		}
	}
}
