package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/plugins/alert-notifier/bed"
	"github.com/vedette-monitor/vedette/sdk"
	"github.com/vedette-monitor/vedette/sdk/sdktest"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// programDir holds the program of all tests that need one.
var programDir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "alert-notifier")
	if err != nil {
		panic(err)
	}
	programDir = dir
	status := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(status)
}

var build = sync.OnceValue(func() error {
	out, err := exec.Command("go", "build", "-race", "-o", filepath.Join(programDir, "alert-notifier"), ".").CombinedOutput()
	if err != nil {
		return errors.New(string(out))
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		return err
	}
	// Conform examines what lies beside a program.
	return os.WriteFile(filepath.Join(programDir, "README.md"), readme, 0o600)
})

// built is the program.
func built(t testing.TB) string {
	t.Helper()
	if err := build(); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(programDir, "alert-notifier")
}

func TestItKeepsTheContract(t *testing.T) { sdktest.Conform(t, built(t), "") }

func TestEachTypeSaysWhatItsProviderTakes(t *testing.T) {
	p := plugin()
	m, err := p.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range m.Channels {
		got = append(got, fmt.Sprintf("%s %s %d pages=%v syncs=%v", c.Name, c.Limit, c.MaxBytes, c.Pages, c.Syncs))
		for _, a := range c.Config.Attributes {
			secret := slices.Contains([]string{"password", "secret", "token", "bearer_token", "routing_key", "url", "body", "proxy", "headers", "environment"}, a.Name) && (a.Name != "url" || c.Name != "pagerduty")
			if secret != a.Sensitive {
				t.Errorf("%s: %s is sensitive: %v", c.Name, a.Name, a.Sensitive)
			}
			if strings.HasSuffix(a.Name, "_file") && a.Type != wire.TypePath {
				t.Errorf("%s: %s is a %s", c.Name, a.Name, a.Type)
			}
		}
	}
	want := []string{
		"email  0 pages=false syncs=false", "webhook  0 pages=false syncs=false", "dingtalk 18/1m 20000 pages=false syncs=false", "wecom 18/1m 4096 pages=false syncs=false",
		"feishu 90/1m 20000 pages=false syncs=false", "slack 1/1s 12000 pages=false syncs=false", "telegram 18/1m 4096 pages=false syncs=false",
		"pagerduty 100/1m 524288 pages=true syncs=false", "sms 1/1m 0 pages=true syncs=false", "alertmanager  0 pages=false syncs=true", "syslog  0 pages=false syncs=false", "exec  0 pages=false syncs=false",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the types are\n%s\nand should be\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestADaemonTellsThroughItsChannelsAndGetsAPointOfEachAttempt(t *testing.T) {
	h := sdktest.Start(t, plugin(), sdktest.Options{})
	s := (&mailServer{answers: map[string]func(string) string{"RCPT": func(line string) string {
		if strings.Contains(line, "grey") {
			return "450 4.7.1 greylisted"
		}
		return "250 ok"
	}}}).start(t)
	p := provide(t, says(200, `{"errcode":310000,"errmsg":"keywords not in content"}`))
	configs := map[string]object{
		"email.ops": mailTo(s.address, "ops@example.com", "grey@example.com"), "dingtalk.web": {"url": p.URL + "/robot/send?access_token=" + key},
		"alertmanager.ha": {"urls": []string{"http://127.0.0.1:" + bed.FreePort(t)}},
	}
	req := &wire.ConfigureChannelsRequest{}
	for name, c := range configs {
		raw, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		typ, _, _ := strings.Cut(name, ".")
		req.Channels = append(req.Channels, &wire.Channel{Name: name, Type: typ, Config: raw})
	}
	ctx := within(t, patience)
	if answer, err := h.Notifier().ConfigureChannels(ctx, req); err != nil || len(answer.Problems) > 0 {
		t.Fatal(answer, err)
	}
	n := firing()
	n.Channel = "email.ops"
	report, err := h.Notifier().Notify(ctx, n)
	if err != nil || len(report.Deliveries) != 2 || report.Deliveries[1].Outcome != sdk.Temporary || report.ThreadState["message_id"] == "" {
		t.Fatalf("the report is %v, %v", report, err)
	}
	n.Channel, n.Attempt = "dingtalk.web", 2
	if report, err = h.Notifier().Notify(ctx, n); err != nil || report.Deliveries[0].Outcome != sdk.PermanentConfig {
		t.Fatalf("the report is %v, %v", report, err)
	}
	if d, err := h.Notifier().Sync(ctx, &wire.SyncRequest{Channel: "alertmanager.ha", Active: n.Alerts}); err != nil || d.Outcome != sdk.Temporary {
		t.Fatalf("the delivery is %v, %v", d, err)
	}
	points := h.Points(4)
	h.Stop()
	times := map[int64]bool{}
	for _, point := range points {
		times[point.Time] = true
		for _, f := range point.Fields {
			switch {
			case f.Key == "latency_ms":
				if v, _ := f.Any().(float64); v <= 0 || v > float64(patience.Milliseconds()) {
					t.Errorf("a latency is %v ms", f.Any())
				}
				f.Value = &wire.Field_Float{Float: 1}
			case f.Key == "bytes":
				f.Value = &wire.Field_Int{Int: 1}
			case f.Key == "recipient_hash" && strings.Contains(sdktest.Line(point), "alertmanager"), f.Key == "error" && strings.Contains(fmt.Sprint(f.Any()), "refused"):
				f.Value = &wire.Field_String_{String_: "…"} // has a port
			}
		}
	}
	if len(times) != 4 {
		t.Errorf("4 points have %d times", len(times))
	}
	sdktest.Golden(t, "testdata/points.golden", points)
}

func TestPointsOfOneSeriesHaveTimesOfTheirOwn(t *testing.T) {
	// As if the clock had been set back.
	c := clock{last: time.Now().Add(time.Hour)}
	for range 1000 {
		before := c.last
		if next := c.next(); !next.After(before) {
			t.Fatalf("after %v comes %v", before, next)
		}
	}
}

func TestTheDaemonHearsWhatBecameOfAnAttemptBeforeItsTimeIsOver(t *testing.T) {
	h := sdktest.Start(t, plugin(), sdktest.Options{})
	silent := listen(t, hang)
	configs := map[string]object{"email.x": mailTo(silent), "wecom.x": {"url": "http://" + silent}, "exec.x": {"command": []string{script(t, "sleep 600 & sleep 600")}}, "alertmanager.x": {"urls": []string{"http://" + silent}}}
	req := &wire.ConfigureChannelsRequest{}
	for name, c := range configs {
		raw, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		typ, _, _ := strings.Cut(name, ".")
		req.Channels = append(req.Channels, &wire.Channel{Name: name, Type: typ, Config: raw})
	}
	if answer, err := h.Notifier().ConfigureChannels(within(t, patience), req); err != nil || len(answer.Problems) > 0 {
		t.Fatal(answer, err)
	}
	var calls sync.WaitGroup
	for name := range configs {
		calls.Go(func() {
			n := firing()
			n.Channel = name
			report, err := h.Notifier().Notify(within(t, 3*time.Second), n)
			if err != nil || len(report.Deliveries) != 1 || report.Deliveries[0].Code != "timeout" {
				t.Errorf("%s: the daemon hears %v, %v", name, report, err)
			}
		})
	}
	calls.Go(func() {
		if d, err := h.Notifier().Sync(within(t, 3*time.Second), &wire.SyncRequest{Channel: "alertmanager.x"}); err != nil || d.Code != "timeout" {
			t.Errorf("the daemon hears %v, %v", d, err)
		}
	})
	calls.Go(func() {
		if d, err := h.Notifier().Check(within(t, 3*time.Second), &wire.CheckRequest{Channel: "email.x"}); err != nil || d.Code != "timeout" {
			t.Errorf("the daemon hears %v, %v", d, err)
		}
	})
	calls.Wait()
}

func TestAProblemOfAChannelSaysWhereItIs(t *testing.T) {
	h := sdktest.Start(t, plugin(), sdktest.Options{})
	answer, err := h.Notifier().ConfigureChannels(within(t, patience), &wire.ConfigureChannelsRequest{Channels: []*wire.Channel{
		{Name: "webhook.x", Type: "webhook", Config: []byte(`{"url": "` + key + `", "method": "POST", "content_type": "application/json"}`)},
	}})
	if err != nil || len(answer.Problems) != 1 || strings.Join(answer.Problems[0].Path, ".") != "webhook.x.url" || strings.Contains(answer.String(), key) {
		t.Errorf("the answer is %v, %v", answer, err)
	}
}
