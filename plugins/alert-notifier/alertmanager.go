package main

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vedette-monitor/vedette/plugins/alert-notifier/notice"
	"github.com/vedette-monitor/vedette/sdk"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// postedAtOnce bounds the alerts of a request.
const postedAtOnce = 500

// ownValidity is how long alerts of a notice are active that nothing posts again.
const ownValidity = 5 * time.Minute

type alertmanagerConfig struct {
	URLs            []string          `hcl:"urls" min:"1" doc:"Addresses of the Alertmanagers of a cluster. All are told; one that has taken the alerts is enough."`
	Labels          map[string]string `hcl:"labels,optional" doc:"Labels that every alert gets, such as cluster."`
	Username        string            `hcl:"username,optional" doc:"User of basic authorization."`
	Password        string            `hcl:"password,optional" sensitive:"true" doc:"The user's password."`
	PasswordFile    sdk.Path          `hcl:"password_file,optional" doc:"A file that holds the password instead."`
	BearerToken     string            `hcl:"bearer_token,optional" sensitive:"true" doc:"A token that is sent as authorization."`
	BearerTokenFile sdk.Path          `hcl:"bearer_token_file,optional" doc:"A file that holds the token instead."`
	webConfig
}

// alertmanager keeps Alertmanagers in the state that the daemon knows.
type alertmanager struct {
	gateway *gateway
	servers []*server
	labels  map[string]string
}

// server is one of them.
type server struct {
	url *url.URL

	mu sync.Mutex
	// held are the alerts that it may hold. Those that are not active any more are ended at once, and not only when their time
	// is over.
	held map[string]posted
}

// posted is an alert as an Alertmanager takes it.
type posted struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
}

// key tells alerts apart as Alertmanager does.
func (p posted) key() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(p.Labels)) {
		parts = append(parts, fmt.Sprintf("%q=%q", name, p.Labels[name]))
	}
	return strings.Join(parts, ",")
}

// syncChannel is a channel that keeps state.
type syncChannel struct {
	*channel
	cluster *alertmanager
}

func newAlertmanager(c alertmanagerConfig, env sdk.Env) (*syncChannel, error) {
	g, err := newGateway(gatewayConfig{
		Method: http.MethodPost, ContentType: "application/json", Username: c.Username, Password: c.Password, PasswordFile: c.PasswordFile,
		BearerToken: c.BearerToken, BearerTokenFile: c.BearerTokenFile, webConfig: c.webConfig,
	})
	if err != nil {
		return nil, err
	}
	a := &alertmanager{gateway: g, labels: c.Labels}
	for _, text := range c.URLs {
		u, err := address(text)
		if err != nil {
			return nil, at("urls", err)
		}
		a.servers = append(a.servers, &server{url: u, held: map[string]posted{}})
	}
	if len(a.servers) == 0 {
		return nil, at("urls", errNone)
	}
	return &syncChannel{newChannel("alertmanager", a, env), a}, nil
}

// Sync implements sdk.Syncer.
func (s *syncChannel) Sync(ctx context.Context, active []*sdk.Alert, validFor time.Duration) sdk.Delivery {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	now := time.Now()
	current := map[string]posted{}
	for _, raw := range active {
		p := s.cluster.alert(notice.NewAlert(raw, wire.Kind_KIND_FIRING), now, now.Add(validFor))
		current[p.key()] = p
	}
	var best sdk.Delivery
	first := true
	for d := range s.cluster.each(func(at *server) sdk.Delivery { return s.cluster.sync(ctx, at, current, now) }) {
		d = tidy(d)
		s.log.add(attempt{kind: "sync", took: time.Since(now), Delivery: d})
		if first || worse(best.Outcome, d.Outcome) {
			best, first = d, false
		}
	}
	return best
}

// each does something with every server at once, so that one that hangs delays no other, and yields what becomes of it, the
// quickest first.
func (a *alertmanager) each(do func(*server) sdk.Delivery) iter.Seq[sdk.Delivery] {
	return func(yield func(sdk.Delivery) bool) {
		done := make(chan sdk.Delivery, len(a.servers))
		for _, s := range a.servers {
			go func() {
				d := do(s)
				d.Recipient = s.url.Host
				done <- d
			}()
		}
		going := true
		for range a.servers {
			if d := <-done; going {
				going = yield(d)
			}
		}
	}
}

// sync posts what is active and what is not any more.
func (a *alertmanager) sync(ctx context.Context, s *server, current map[string]posted, now time.Time) sdk.Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []posted
	for _, key := range slices.Sorted(maps.Keys(current)) {
		list = append(list, current[key])
	}
	for _, key := range slices.Sorted(maps.Keys(s.held)) {
		if _, ok := current[key]; !ok && s.held[key].EndsAt.After(now) {
			ended := s.held[key]
			ended.EndsAt = now
			list = append(list, ended)
		}
	}
	d := a.post(ctx, s.url, list)
	if d.Outcome == sdk.Delivered {
		s.held = maps.Clone(current)
	} else {
		// It may have taken some of them.
		maps.Copy(s.held, current)
	}
	return d
}

// alert is an alert as Alertmanager takes it. Its labels tell it from all others, so the incident is one of them.
func (a *alertmanager) alert(n *notice.Alert, now, until time.Time) posted {
	labels := maps.Clone(a.labels)
	if labels == nil {
		labels = map[string]string{}
	}
	for _, l := range n.Labels {
		labels[labelName(l.Name)] = l.Value
	}
	for name, value := range map[string]string{"alertname": n.Name, "severity": n.Severity, "incident": n.Incident} {
		if value != "" {
			labels[name] = value
		}
	}
	if labels["alertname"] == "" {
		labels["alertname"] = "vedette"
	}
	p := posted{Labels: labels, Annotations: map[string]string{}, StartsAt: n.FiredAt, EndsAt: until, GeneratorURL: n.Link}
	for name, value := range map[string]string{"summary": n.Summary, "description": n.Detail, "reason": n.Reason, "values": notice.Spark(n.Recent)} {
		if value != "" {
			p.Annotations[name] = value
		}
	}
	// Without a start Alertmanager would take the end for it.
	if p.StartsAt.IsZero() || p.StartsAt.After(p.EndsAt) {
		p.StartsAt = now
	}
	if p.EndsAt.Before(p.StartsAt) {
		p.EndsAt = p.StartsAt
	}
	return p
}

// labelName is a name that every Alertmanager takes.
func labelName(name string) string {
	var b strings.Builder
	for i, r := range name {
		if r != '_' && (r|0x20 < 'a' || r|0x20 > 'z') && (i == 0 || r < '0' || r > '9') {
			r = '_'
		}
		b.WriteRune(r)
	}
	return b.String()
}

// post posts alerts, many at once. Alertmanager takes all of a request or none.
func (a *alertmanager) post(ctx context.Context, u *url.URL, list []posted) sdk.Delivery {
	at := strings.TrimSuffix(u.String(), "/") + "/api/v2/alerts"
	p, err := parsePlace(at)
	if err != nil {
		return sdk.Delivery{Outcome: sdk.PermanentConfig, Message: err.Error()}
	}
	whole := sdk.Delivery{Outcome: sdk.Delivered, Code: "200"}
	bytes := 0
	chunks := slices.Collect(slices.Chunk(list, postedAtOnce))
	if len(chunks) == 0 {
		chunks = [][]posted{{}} // which shows whether it is there
	}
	for _, chunk := range chunks {
		body := encode(chunk)
		whole = a.gateway.send(ctx, p, nil, body, "sync", nil)
		if bytes += len(body); whole.Outcome != sdk.Delivered {
			break
		}
	}
	whole.Bytes = bytes
	return whole
}

func (a *alertmanager) recipients() []string {
	var hosts []string
	for _, s := range a.servers {
		hosts = append(hosts, s.url.Host)
	}
	return hosts
}

// Check implements transport: it asks each for its status.
func (a *alertmanager) Check(ctx context.Context) sdk.Delivery {
	get := *a.gateway
	get.method = http.MethodGet
	worst := sdk.Delivery{Outcome: sdk.Delivered}
	for d := range a.each(func(s *server) sdk.Delivery {
		p, err := parsePlace(strings.TrimSuffix(s.url.String(), "/") + "/api/v2/status")
		if err != nil {
			return sdk.Delivery{Outcome: sdk.PermanentConfig, Message: err.Error()}
		}
		return get.send(ctx, p, nil, nil, "check", nil)
	}) {
		if worst.Recipient == "" || worse(d.Outcome, worst.Outcome) {
			worst = d
		}
	}
	return worst
}

// deliver posts the alerts of a notice, as the daemon does not: it keeps the whole state by Sync.
func (a *alertmanager) deliver(ctx context.Context, n *notice.Notice, to []string, done func(sdk.Delivery)) map[string]string {
	now := time.Now()
	alerts := n.Alerts
	if len(alerts) == 0 {
		alerts = []*notice.Alert{{Incident: notice.Line(n.ID), Name: "notice", Summary: n.Subject(), Detail: n.Text, State: n.Kind}}
	}
	var list []posted
	for _, alert := range alerts {
		until := now.Add(ownValidity)
		if alert.State == wire.Kind_KIND_RESOLVED {
			if until = now; !alert.ResolvedAt.IsZero() {
				until = alert.ResolvedAt
			}
		}
		list = append(list, a.alert(alert, now, until))
	}
	told := *a
	told.servers = slices.DeleteFunc(slices.Clone(a.servers), func(s *server) bool { return !slices.Contains(to, s.url.Host) })
	for d := range told.each(func(s *server) sdk.Delivery { return a.post(ctx, s.url, list) }) {
		done(d)
	}
	return nil
}

var _ sdk.Syncer = (*syncChannel)(nil)
