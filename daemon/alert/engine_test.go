package alert

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/vedette-monitor/vedette/daemon/alert/expression"
	"github.com/vedette-monitor/vedette/daemon/alert/policy"
	"github.com/vedette-monitor/vedette/daemon/alert/rule"
	"github.com/vedette-monitor/vedette/daemon/config"
	"github.com/vedette-monitor/vedette/daemon/point"
	"github.com/vedette-monitor/vedette/daemon/point/pointtest"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

const patience = 20 * time.Second

func waitFor(t testing.TB, what string, met func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !met(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

var quality = wire.Measurement{
	Name: "quality", Tags: []wire.TagSchema{{Name: "target"}},
	Fields: []wire.FieldSchema{{Name: "time", Type: "float"}, {Name: "ok", Type: "bool"}},
}

func parse(t testing.TB, text string) hcl.Expression {
	t.Helper()
	expr, diags := hclsyntax.ParseExpression([]byte(text), "alerts.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return expr
}

// policyOf is a policy of alerts on quality, by target, each told to mail.
func policyOf(t testing.TB, change func(*policy.Policy, *expression.Layout), conditions ...string) *policy.Policy {
	t.Helper()
	layout := expression.NewLayout(quality)
	p := &policy.Policy{
		Labels:   []string{"target"},
		Settings: policy.Settings{Zone: time.UTC, Language: "en", Attempt: 30 * time.Second, FallbackAfter: time.Minute, Expire: time.Hour},
	}
	for i, text := range conditions {
		r, diags := rule.Compile(layout, rule.Spec{Name: fmt.Sprint("alert", i), By: []rule.Name{{Text: "target"}}, When: parse(t, text)})
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		p.Alerts = append(p.Alerts, &policy.Alert{Name: r.Name, Rule: r, From: quality.Name, Layout: layout})
	}
	p.Route = &policy.Route{Place: "route", To: &policy.Receiver{Name: "ops", Steps: []policy.Step{{To: []string{"log.mail"}}}}, GroupBy: []string{"alert", "target"}}
	if change != nil {
		change(p, layout)
	}
	return p
}

// post is a notifier that keeps what it is given.
type post struct {
	mu   sync.Mutex
	told []string
	last []string      // what each notice had as the state of its thread
	hold chan struct{} // closed to let attempts go on
}

func (p *post) Notify(ctx context.Context, req *wire.NotifyRequest) (*wire.NotifyResponse, error) {
	if p.hold != nil {
		select {
		case <-p.hold:
		case <-ctx.Done():
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = append(p.last, req.ThreadState["last"])
	d := &wire.Delivery{Outcome: wire.Outcome_OUTCOME_DELIVERED}
	for _, a := range req.Alerts {
		p.told = append(p.told, strings.ToLower(strings.TrimPrefix(a.State.String(), "KIND_"))+" "+a.Name+" "+a.Tags["target"])
	}
	return &wire.NotifyResponse{Deliveries: []*wire.Delivery{d}, ThreadState: map[string]string{"last": req.Id}}, nil
}

func (p *post) Sync(context.Context, *wire.SyncRequest) (*wire.Delivery, error) {
	return &wire.Delivery{Outcome: wire.Outcome_OUTCOME_DELIVERED}, nil
}

func (p *post) Check(context.Context, *wire.CheckRequest) (*wire.Delivery, error) {
	return &wire.Delivery{Outcome: wire.Outcome_OUTCOME_DELIVERED}, nil
}

func (p *post) all() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.told)
}

func (p *post) states() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.last)
}

// bench is an engine that runs.
type bench struct {
	*Engine
	t      testing.TB
	post   *post
	mu     sync.Mutex
	points []string
	stop   func()
}

func start(t testing.TB, path string, p *policy.Policy, to *post) *bench {
	t.Helper()
	b := &bench{t: t, post: to}
	var err error
	b.Engine, err = New(Options{
		Path: path, Logger: hclog.NewNullLogger(), Evaluator: "here",
		Emit: func(points [][]byte, done func()) {
			b.mu.Lock()
			for _, raw := range points {
				p := new(point.Point)
				if err := p.Unmarshal(raw); err != nil {
					t.Error(err)
				}
				b.points = append(b.points, string(p.AppendLine(nil)))
			}
			b.mu.Unlock()
			done()
		},
		Notifier: func(string) Notifier { return to },
		Query:    func(context.Context, string, string, time.Time) ([]*point.Point, error) { return nil, nil },
		Feeds:    func(string) ([]string, bool) { return nil, true },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Apply(p, []config.Notifier{{Type: "log", Name: "mail", Plugin: "log"}}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	b.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(b.stop)
	return b
}

// see gives a point, and returns when what follows from it is kept.
func (b *bench) see(target string, seconds float64) (follows bool) {
	b.t.Helper()
	p := pointtest.Of(b.t, quality.Name, time.Now(), map[string]any{"target": target, "time": seconds, "ok": true}, func(key string) bool { return key == "target" })
	if !b.Observe(p) {
		return false
	}
	kept := make(chan struct{})
	b.Settle(func() { close(kept) })
	select {
	case <-kept:
	case <-time.After(patience):
		b.t.Fatal("what follows is not kept")
	}
	return true
}

func (b *bench) pointsOf(measurement string) (lines []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, line := range b.points {
		if strings.HasPrefix(line, measurement+",") {
			lines = append(lines, line)
		}
	}
	return lines
}

func TestWhatFiresIsToldAndRecordedAndItsEndToo(t *testing.T) {
	to := new(post)
	b := start(t, filepath.Join(t.TempDir(), "state.db"), policyOf(t, nil, "time > 2"), to)
	if b.see("shop", 1) {
		t.Error("something follows from a good sample")
	}
	if !b.see("shop", 3) {
		t.Error("nothing follows from a bad one")
	}
	waitFor(t, "the alarm", func() bool { return len(to.all()) == 1 })
	b.see("shop", 1)
	waitFor(t, "its end", func() bool { return len(to.all()) == 2 })
	if got := strings.Join(to.all(), "; "); got != "firing alert0 shop; resolved alert0 shop" {
		t.Errorf("told: %s", got)
	}
	waitFor(t, "the points", func() bool { return len(b.pointsOf("notify_outcome")) == 2 && len(b.pointsOf("alert_event")) == 2 })
	if line := b.pointsOf("alert_event")[0]; !strings.Contains(line, "evaluator=here") || !strings.Contains(line, "to=firing") || !strings.Contains(line, "target=shop") || !strings.Contains(line, "value=3") {
		t.Errorf("the point is %s", line)
	}
}

func TestARestartTellsNothingAnewAndForgetsNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	to := new(post)
	b := start(t, path, policyOf(t, nil, "time > 2"), to)
	b.see("shop", 3)
	waitFor(t, "the alarm", func() bool { return len(to.all()) == 1 })
	// What it has arrived is kept as well.
	waitFor(t, "its arrival", func() bool { return len(b.pointsOf("notify_outcome")) == 1 })
	b.stop()
	b = start(t, path, policyOf(t, nil, "time > 2"), to)
	b.see("other", 3)
	waitFor(t, "another alarm", func() bool { return len(to.all()) >= 2 })
	b.see("shop", 1)
	waitFor(t, "the end of the first", func() bool { return len(to.all()) >= 3 })
	if got := strings.Join(to.all(), "; "); got != "firing alert0 shop; firing alert0 other; resolved alert0 shop" {
		t.Errorf("told: %s", got)
	}
}

func TestARuleThatIsGoneEndsItsIncidentsAndOneThatChangedWaitsForSamples(t *testing.T) {
	to := new(post)
	b := start(t, filepath.Join(t.TempDir(), "state.db"), policyOf(t, nil, "time > 2", "time > 1"), to)
	b.see("shop", 3)
	waitFor(t, "both alarms", func() bool { return len(to.all()) == 2 })
	reload := func(p *policy.Policy) {
		t.Helper()
		if err := b.Apply(p, []config.Notifier{{Type: "log", Name: "mail", Plugin: "log"}}); err != nil {
			t.Fatal(err)
		}
	}
	// The second one is gone, and the first one judges otherwise.
	reload(policyOf(t, nil, "time > 5"))
	waitFor(t, "the end of the one that is gone", func() bool { return len(to.all()) == 3 })
	if got := to.all()[2]; got != "resolved alert1 shop" {
		t.Errorf("told: %s", got)
	}
	b.see("shop", 6)
	b.see("shop", 4)
	waitFor(t, "the end of the first", func() bool { return len(to.all()) == 4 })
	if got := to.all()[3]; got != "resolved alert0 shop" {
		t.Errorf("told: %s", got)
	}
}

func TestNothingIsToldBeforeTheHoldIsOver(t *testing.T) {
	to := new(post)
	p := policyOf(t, func(p *policy.Policy, _ *expression.Layout) { p.Settings.Hold = 3 * time.Second }, "time > 2")
	begun := time.Now()
	b := start(t, filepath.Join(t.TempDir(), "state.db"), p, to)
	b.see("shop", 3)
	waitFor(t, "the alarm", func() bool { return len(to.all()) == 1 })
	if after := time.Since(begun); after < 3*time.Second {
		t.Errorf("it was told after %s", after)
	}
}

func TestAHeartbeatGoesTheWholeWay(t *testing.T) {
	// The server's side is in the end-to-end tests; here it is that its point is judged like any other.
	p := policyOf(t, func(p *policy.Policy, _ *expression.Layout) {
		p.Heartbeats = []*policy.Heartbeat{{Name: "hc", URL: "http://127.0.0.1:1/secret", Every: time.Hour}}
	}, "time > 2")
	b := start(t, filepath.Join(t.TempDir(), "state.db"), p, new(post))
	waitFor(t, "its point", func() bool { return len(b.pointsOf(policy.HeartbeatPoints)) == 1 })
	beat := pointtest.Of(t, policy.HeartbeatPoints, time.Now(), map[string]any{"heartbeat": "hc", "beat": 1}, func(key string) bool { return key == "heartbeat" })
	if !b.Observe(beat) {
		t.Error("nothing follows from its point")
	}
	if len(b.pointsOf("alert_event")) != 0 {
		t.Error("it is in the history of alerts")
	}
}

func TestQuiescingWaitsForWhatIsOnItsWayAndLetsNothingElseGo(t *testing.T) {
	to := &post{hold: make(chan struct{})}
	b := start(t, filepath.Join(t.TempDir(), "state.db"), policyOf(t, nil, "time > 2"), to)
	b.see("shop", 3)
	under := func() (n int) {
		if err := b.do(t.Context(), func(time.Time) { n = b.underWay }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	waitFor(t, "the attempt", func() bool { return under() == 1 })
	quiet := make(chan struct{})
	go func() {
		b.Quiesce(patience)
		close(quiet)
	}()
	b.see("other", 3)
	select {
	case <-quiet:
		t.Error("it did not wait")
	default:
	}
	close(to.hold)
	select {
	case <-quiet:
	case <-time.After(patience):
		t.Fatal("it waits although nothing is on its way")
	}
	if got := to.all(); len(got) != 1 {
		t.Errorf("told: %v", got)
	}
}

// BenchmarkObserve is what a point costs on its way: four rules, from which nothing follows.
func BenchmarkObserve(b *testing.B) {
	e := start(b, filepath.Join(b.TempDir(), "state.db"), policyOf(b, nil, "time > 2", "time > 3 || !ok", "!ok", "time > 5 && ok"), new(post))
	p := pointtest.Of(b, quality.Name, time.Now(), map[string]any{"target": "shop", "time": 0.5, "ok": true}, func(key string) bool { return key == "target" })
	b.ReportAllocs()
	for b.Loop() {
		p.Time++
		e.Observe(p)
	}
}

func TestNothingIsToldOrAcknowledgedThatCanNotBeKept(t *testing.T) {
	to := new(post)
	b := start(t, filepath.Join(t.TempDir(), "state.db"), policyOf(t, nil, "time > 2"), to)
	b.see("shop", 3)
	waitFor(t, "the alarm", func() bool { return len(to.all()) == 1 })
	// No write works any more.
	if err := b.store.Close(); err != nil {
		t.Fatal(err)
	}
	p := pointtest.Of(t, quality.Name, time.Now(), map[string]any{"target": "other", "time": 3.0, "ok": true}, func(key string) bool { return key == "target" })
	settled := make(chan struct{}, 1)
	if !b.Observe(p) {
		t.Error("nothing follows from a bad sample")
	}
	b.Settle(func() { settled <- struct{}{} })
	waitFor(t, "the engine to say so", func() bool {
		var l *Listing
		if err := b.do(t.Context(), func(now time.Time) { l, _ = b.list("", now) }); err != nil {
			t.Fatal(err)
		}
		return l.Problem != "" && len(l.Incidents) == 2
	})
	if len(settled) > 0 || len(to.all()) > 1 {
		t.Errorf("%d were acknowledged, told was %q", len(settled), to.all())
	}
}

func TestAThreadGetsBackWhatItsChannelWantsAndIsForgottenInTheEnd(t *testing.T) {
	to := new(post)
	path := filepath.Join(t.TempDir(), "state.db")
	b := start(t, path, policyOf(t, nil, "time > 2"), to)
	b.see("shop", 3)
	waitFor(t, "the alarm", func() bool { return len(to.all()) == 1 })
	waitFor(t, "its arrival", func() bool { return len(b.pointsOf("notify_outcome")) == 1 })
	b.stop()
	b = start(t, path, policyOf(t, nil, "time > 2"), to)
	b.see("shop", 1)
	waitFor(t, "its end", func() bool { return len(to.all()) == 2 })
	if got := to.states(); len(got) != 2 || got[0] != "" || got[1] == "" {
		t.Errorf("the notices had the states %q", got)
	}
	left := -1
	if err := b.do(t.Context(), func(now time.Time) {
		b.forgetThreads(now.Add(keptThread + time.Hour))
		left = len(b.threads)
	}); err != nil || left != 0 {
		t.Errorf("%d threads are left, %v", left, err)
	}
}
