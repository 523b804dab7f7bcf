package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/plugins/alert-notifier/bed"
	"github.com/vedette-monitor/vedette/sdk"
	"github.com/vedette-monitor/vedette/sdk/sdktest"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// startAlertmanager starts a real one, which make builds, and returns its address.
func startAlertmanager(t *testing.T) string {
	t.Helper()
	binary := os.Getenv("VEDETTE_ALERTMANAGER")
	if binary == "" {
		binary = "../../.tools/alertmanager"
	}
	if _, err := os.Stat(binary); err != nil {
		t.Fatalf("%v; make .tools/alertmanager builds it", err)
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "config.yml")
	if err := os.WriteFile(config, []byte("route:\n  receiver: none\nreceivers:\n- name: none\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	address := "127.0.0.1:" + bed.FreePort(t)
	cmd := exec.Command(binary, "--config.file="+config, "--storage.path="+dir, "--web.listen-address="+address, "--cluster.listen-address=", "--log.level=warn")
	bed.Serve(t, cmd, func() bool {
		res, err := http.Get("http://" + address + "/-/ready")
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == 200
	})
	return "http://" + address
}

// until waits for a condition.
func until(t testing.TB, what string, met func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !met(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// heldAlert is an alert as an Alertmanager tells of it.
type heldAlert struct {
	Labels, Annotations map[string]string
	StartsAt, EndsAt    time.Time
	GeneratorURL        string
	Status              struct{ State string }
	Receivers           []struct{ Name string }
}

// active are the alerts that an Alertmanager takes for active, by their names.
func active(t testing.TB, url string) map[string]heldAlert {
	t.Helper()
	res, err := http.Get(url + "/api/v2/alerts")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var list []heldAlert
	if err := json.Unmarshal(body, &list); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	alerts := map[string]heldAlert{}
	for _, a := range list {
		alerts[a.Labels["alertname"]] = a
	}
	return alerts
}

func names(alerts map[string]heldAlert) []string {
	list := []string{}
	for name := range alerts {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

func TestAnAlertmanagerHoldsWhatIsActiveAndNothingElse(t *testing.T) {
	url := startAlertmanager(t)
	c := open(t, "alertmanager", object{"urls": []string{url}, "labels": object{"cluster": "bj"}})
	syncer := c.Channel.(sdk.Syncer)
	if d := c.Check(within(t, patience)); d.Outcome != sdk.Delivered {
		t.Fatalf("the check is %+v", d)
	}
	started := time.Now().Add(-10 * time.Minute).Truncate(time.Millisecond).UTC()
	alert := func(name string) *sdk.Alert {
		a := firing().Alerts[0]
		a.Name, a.Incident, a.FiredAt = name, "INC-"+name, nil
		a.FiredAt = stamp(started.Sub(night))
		a.Tags["odd name.中"] = "电信\n\u202eline"
		return a
	}
	sync := func(names ...string) {
		t.Helper()
		var list []*sdk.Alert
		for _, name := range names {
			list = append(list, alert(name))
		}
		if d := syncer.Sync(within(t, patience), list, 4*time.Minute); d.Outcome != sdk.Delivered || d.Recipient == "" {
			t.Fatalf("it is %+v", d)
		}
	}
	sync("one", "two")
	until(t, "two alerts are active", func() bool { return len(active(t, url)) == 2 })
	one := active(t, url)["one"]
	wantLabels := map[string]string{"alertname": "one", "severity": "critical", "incident": "INC-one", "team": "web", "target": "shop", "isp": "ct", "cluster": "bj", "odd_name__": "电信 \uFFFDline"}
	for name, want := range wantLabels {
		if one.Labels[name] != want {
			t.Errorf("the label %s is %q, want %q", name, one.Labels[name], want)
		}
	}
	if len(one.Labels) != len(wantLabels) || one.Annotations["summary"] != "shop answers slowly over ct" || one.Annotations["description"] == "" || one.GeneratorURL != "https://chronograf.example.com/d?site=shop" {
		t.Errorf("the alert is %+v", one)
	}
	if !one.StartsAt.Equal(started) || time.Until(one.EndsAt) < 3*time.Minute || time.Until(one.EndsAt) > 4*time.Minute {
		t.Errorf("it is from %v until %v, and should be from %v", one.StartsAt, one.EndsAt, started)
	}
	sync("one", "two") // again, as every minute
	if got := names(active(t, url)); !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("active are %q", got)
	}
	sync("two")
	until(t, "the one that is over has ended at once", func() bool { return slices.Equal(names(active(t, url)), []string{"two"}) })
	sync()
	until(t, "all have ended", func() bool { return len(active(t, url)) == 0 })

	var many []string
	for i := range 1200 {
		many = append(many, fmt.Sprintf("alert-%d", i))
	}
	sync(many...)
	until(t, "more alerts than a request has are active", func() bool { return len(active(t, url)) == 1200 })
	for _, p := range c.points.Points() {
		if line := sdktest.Line(p); !strings.HasPrefix(line, "notify_attempt,code=200,notifier=alertmanager.test,outcome=delivered,type=alertmanager ") || !strings.Contains(line, `kind="sync"`) {
			t.Errorf("a point is %s", line)
		}
	}
}

func TestAnAlertmanagerTakesNotices(t *testing.T) {
	url := startAlertmanager(t)
	c := open(t, "alertmanager", object{"urls": []string{url}})
	n := firing()
	n.Alerts[0].FiredAt = nil
	if d := c.one(t, n); d.Outcome != sdk.Delivered {
		t.Fatalf("it is %+v", d)
	}
	test := &sdk.Notice{Id: "t-1", Kind: wire.Kind_KIND_TEST, Title: "hello"}
	if d := c.one(t, test); d.Outcome != sdk.Delivered {
		t.Fatalf("it is %+v", d)
	}
	until(t, "both are active", func() bool { return slices.Equal(names(active(t, url)), []string{"notice", "site_slow"}) })
	for name, a := range active(t, url) {
		if a.StartsAt.After(time.Now()) || time.Since(a.StartsAt) > time.Hour {
			t.Errorf("%s starts at %v", name, a.StartsAt)
		}
	}
	if got := active(t, url)["notice"].Annotations["summary"]; got != "[TEST] hello" {
		t.Errorf("the test says %q", got)
	}
	n.Kind, n.Alerts[0].State = wire.Kind_KIND_RESOLVED, wire.Kind_KIND_RESOLVED
	if d := c.one(t, n); d.Outcome != sdk.Delivered {
		t.Fatalf("it is %+v", d)
	}
	until(t, "it is resolved", func() bool { return slices.Equal(names(active(t, url)), []string{"notice"}) })
}

func TestOneAlertmanagerOfAClusterIsEnough(t *testing.T) {
	url := startAlertmanager(t)
	silent := "http://" + listen(t, hang)
	c := open(t, "alertmanager", object{"urls": []string{silent, url}})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if d := c.Channel.(sdk.Syncer).Sync(ctx, firing().Alerts, time.Minute); d.Outcome != sdk.Delivered || "http://"+d.Recipient != url {
		t.Errorf("it is %+v", d)
	}
	outcomes := map[string]bool{}
	for _, p := range c.points.Points() {
		for _, tag := range p.Tags {
			if tag.Key == "outcome" {
				outcomes[tag.Value] = true
			}
		}
	}
	if !outcomes["delivered"] || !outcomes["unknown"] {
		t.Errorf("the points tell of %v", outcomes)
	}
	refused := provide(t, says(400, `"bad labels"`))
	c = open(t, "alertmanager", object{"urls": []string{refused.URL, strings.Replace(url, "http", "https", 1)}})
	if d := c.Channel.(sdk.Syncer).Sync(within(t, patience), firing().Alerts, time.Minute); d.Outcome != sdk.PermanentRecipient {
		t.Errorf("it is %+v", d)
	}
}
