package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/alert"
	"github.com/vedette-monitor/vedette/daemon/alert/outbox"
	"github.com/vedette-monitor/vedette/daemon/app"
	"github.com/vedette-monitor/vedette/daemon/console"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// alarmsPlugin is the plugin whose samples are what the file states says, and that has channels ledger.
func alarmsPlugin() string {
	return fmt.Sprintf(`
plugin "alarms" {
  source   = %q
  interval = "100ms"
  states   = "states"
  env      = { GORACE = "atexit_sleep_ms=0" }
}
`, filepath.Join(programs, "tests", "alarms"))
}

// keysRoute tells of each key at once and by itself.
const keysRoute = `
receiver "ops" {
  step {
    to = [%s]
  }
}
route {
  to       = receiver.ops
  wait     = "0s"
  interval = "1s"
  group_by = ["alert", "key", "notifier"]
}
`

// keysAlert is an alert on keys that is decided by one sample.
const keysAlert = `
alert "bad" {
  from     = "alarm"
  by       = ["key"]
  when     = bad
  severity = "critical"
  summary  = "${key} is bad"
}
`

// outbox asks for what waits, and how the channels are.
func (s *site) outbox() alert.Letters {
	s.t.Helper()
	out, errOut, code := s.run("alert", "outbox", "-o", "json")
	var box alert.Letters
	if code != 0 || json.Unmarshal([]byte(out), &box) != nil {
		s.t.Fatalf("alert outbox, exit code %d:\n%s%s", code, out, errOut)
	}
	return box
}

func (s *site) queue(channel string) outbox.Stats {
	s.t.Helper()
	all := s.outbox().Queues
	i := slices.IndexFunc(all, func(q outbox.Stats) bool { return q.Channel == channel })
	if i < 0 {
		s.t.Fatalf("there is no channel %s in %+v", channel, all)
	}
	return all[i]
}

// when is when a ledger was told of a key, or zero.
func when(lines []toldLine, key, kind string) time.Time {
	for _, l := range lines {
		for _, one := range l.Alerts {
			if one.Key == key && one.Kind == kind {
				return l.At
			}
		}
	}
	return time.Time{}
}

func TestASilentMailServerDelaysNobodyElseAndIsToldThroughAnother(t *testing.T) {
	t.Parallel()
	// Others deliver within a second, and an attempt ends after five; the deadlines here are five times that.
	const othersWithin, attempt, attemptsWithin = 5 * time.Second, 5.0, 25.0
	a := newAlarmed(t, withEmbedded(alarmsPlugin()+fmt.Sprintf(`
plugin "alert-notifier" {
  env = { GORACE = "atexit_sleep_ms=0" }
}
alerting {
  hold    = "0s"
  attempt = "5s"
}
notifier "email" "ops" {
  smtp     = %q
  tls      = "none"
  from     = "alert@example.com"
  to       = ["ops@example.com"]
  fallback = notifier.ledger.night
}
notifier "ledger" "ops" {
  file = "told"
}
notifier "ledger" "night" {
  file = "told-at-night"
}
`, silent(t))+fmt.Sprintf(keysRoute, "notifier.email.ops, notifier.ledger.ops")+keysAlert), 30)
	d := a.startReady()
	next := 0
	// tellAnother turns a key, and looks when the other channel has told it.
	tellAnother := func() {
		key := fmt.Sprintf("k%02d", next)
		next++
		begun := time.Now()
		a.turn(key, true)
		waitUntil(t, key+" is told", patience, func() bool { return !when(a.ledger("told"), key, "KIND_FIRING").IsZero() })
		if after := when(a.ledger("told"), key, "KIND_FIRING").Sub(begun); after > othersWithin {
			t.Errorf("the other channel has told %s after %s", key, after)
		}
	}
	for next < 3 || !a.queue("email.ops").Open {
		tellAnother()
		time.Sleep(2 * time.Second)
		if next == len(a.bad)-5 {
			t.Fatalf("the channel is %+v", a.queue("email.ops"))
		}
	}
	tellAnother()
	out, _, _ := a.run("notifier", "list")
	if !strings.Contains(out, "failing for") {
		t.Errorf("notifier list:\n%s", out)
	}
	if out, _, _ = a.run("alert", "outbox"); !strings.Contains(out, "failing for") || !strings.Contains(out, "email.ops") {
		t.Errorf("alert outbox:\n%s", out)
	}
	waitUntil(t, "the fallback is told", patience, func() bool { return !when(a.ledger("told-at-night"), "k00", "KIND_FIRING").IsZero() })
	ofNotifier := func(file string) bool {
		return slices.ContainsFunc(a.ledger(file), func(l toldLine) bool {
			return slices.ContainsFunc(l.Alerts, func(one toldAlert) bool { return one.Alert == "notifier_failing" })
		})
	}
	waitUntil(t, "somebody is told that the mail server is silent", 5*time.Minute, func() bool { return ofNotifier("told") })
	failing := a.incidents("notifier_failing")
	if len(failing) != 1 || failing[0].Tags["notifier"] != "email.ops" || failing[0].Told["email.ops"] != nil || ofNotifier("told-at-night") {
		t.Errorf("the incidents are %+v", failing)
	}
	for _, n := range a.outbox().Waiting {
		for _, item := range n.Items {
			if item.Incident.Alert == "notifier_failing" && n.Channel == "email.ops" {
				t.Error("the channel is told that it fails")
			}
		}
	}
	waitUntil(t, "the attempts are in InfluxDB", patience, func() bool {
		rows, err := a.query("SELECT latency_ms, outcome FROM records.notify_attempt WHERE notifier = 'email.ops'")
		if err != nil || len(rows) < 3 {
			return false
		}
		for _, r := range rows {
			// A channel ends a little before the daemon gives it up, so that its word is heard, and leaves time for goodbyes.
			if ms, _ := r["latency_ms"].Float(); r["outcome"].String() != "temporary" || ms < attempt*600 || ms > attemptsWithin*1000 {
				t.Errorf("an attempt took %f ms and was %s", ms, r["outcome"])
			}
		}
		return true
	})
	for _, p := range d.waitReady().Plugins {
		if p.Restarts > 0 {
			t.Errorf("the plugin %s was restarted", p.Name)
		}
	}

	// By now everything has happened of which there are points.
	if _, errOut, code := a.run("silence", "add", "key=k00", "-m", "known"); code != 0 {
		t.Errorf("exit code %d: %s", code, errOut)
	}
	if _, errOut, code := a.run("alert", "ack", failing[0].ID, "--for", "1h"); code != 0 {
		t.Errorf("exit code %d: %s", code, errOut)
	}
	a.wantPointsAsDeclared("alert_event", "alert_active", "alert_eval", "alert_silence", "notify_attempt", "notify_outcome", "notify_queue")
}

// wantPointsAsDeclared holds that the points of measurements are in InfluxDB, and have the tags and fields that are declared. Incidents and
// notices are fields: a series for each would be too many.
func (s *site) wantPointsAsDeclared(names ...string) {
	s.t.Helper()
	declared := app.Measurements()
	out, err := exec.Command(filepath.Join(programs, "alert-notifier"), "describe").Output()
	var manifest wire.Manifest
	if err == nil {
		err = json.Unmarshal(out, &manifest)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	declared = append(declared, manifest.Measurements...)
	columns := func(what string, m wire.Measurement) map[string]string {
		found, place := map[string]string{}, m.Name
		if m.Record {
			place = "records." + m.Name
		}
		rows, err := s.query(fmt.Sprintf("SHOW %s KEYS FROM %s", what, place))
		if err != nil {
			s.t.Errorf("%s: %v", m.Name, err)
		}
		for _, r := range rows {
			found[r[strings.ToLower(what)+"Key"].String()] = r["fieldType"].String()
		}
		return found
	}
	for _, name := range names {
		m := declared[slices.IndexFunc(declared, func(m wire.Measurement) bool { return m.Name == name })]
		waitUntil(s.t, name+" is in InfluxDB", 2*time.Minute, func() bool { return len(columns("FIELD", m)) > 0 })
		// What every point has from its vantage point, and an event from the by of its alert.
		tags := map[string]bool{"host": true, "isp": true, "idc": true}
		if name == "alert_event" {
			for _, by := range []string{"key", "notifier", "plugin", "lane", "by_alert"} {
				tags[by] = true
			}
		}
		for _, t := range m.Tags {
			tags[t.Name] = true
		}
		for tag := range columns("TAG", m) {
			if !tags[tag] || strings.Contains(tag, "incident") || tag == "id" {
				s.t.Errorf("%s has the tag %s", name, tag)
			}
		}
		types := map[string]string{}
		for _, f := range m.Fields {
			types[f.Name] = map[wire.Type]string{wire.TypeInt: "integer", wire.TypeFloat: "float", wire.TypeString: "string", wire.TypeBool: "boolean"}[f.Type]
		}
		for field, typ := range columns("FIELD", m) {
			if types[field] != typ {
				s.t.Errorf("%s has the field %s of type %s, and is declared with %q", name, field, typ, types[field])
			}
		}
	}
}

// beats is a server outside that a heartbeat calls.
type beats struct {
	*httptest.Server
	mu    sync.Mutex
	calls []time.Time
}

const beatSecret = "heartbeat0secret"

func newBeats(t *testing.T) *beats {
	t.Helper()
	b := &beats{}
	b.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path != "/ping/"+beatSecret {
			t.Errorf("it was called with %s %s", r.Method, r.URL.Path)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.calls = append(b.calls, time.Now())
	}))
	t.Cleanup(b.Close)
	return b
}

// since counts the calls since a moment, until another.
func (b *beats) since(begin, end time.Time) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, at := range b.calls {
		if at.After(begin) && at.Before(end) {
			n++
		}
	}
	return n
}

// waitFor waits for calls from now on.
func (b *beats) waitFor(t *testing.T, n int) {
	t.Helper()
	begun := time.Now()
	waitUntil(t, fmt.Sprintf("%d heartbeats have come", n), patience, func() bool { return b.since(begun, time.Now()) >= n })
}

// block is the block of a heartbeat through ledger.ops.
func (b *beats) block(s *site) string {
	s.secrets = append(s.secrets, beatSecret)
	return fmt.Sprintf(`
heartbeat "outside" {
  url   = "%s/ping/%s"
  every = "5s"
  via   = [notifier.ledger.ops]
}
`, b.URL, beatSecret)
}

func TestAHeartbeatStopsWhileANotifierHangsAndGoesOnAfterwards(t *testing.T) {
	t.Parallel()
	b := newBeats(t)
	a := newAlarmed(t, "", 1)
	// Nothing keeps it quiet, and what others wait for it does not.
	a.configure(withEmbedded(alarmsPlugin() + `
alerting {
  hold    = "0s"
  attempt = "5s"
}
notifier "ledger" "ops" {
  file = "told"
}
` + fmt.Sprintf(strings.Replace(keysRoute, `"0s"`, `"1h"`, 1), "notifier.ledger.ops") + keysAlert + b.block(a.site)))
	d := a.startReady()
	if _, errOut, code := a.run("silence", "add", `severity != ""`, "-m", "everything"); code != 0 {
		t.Fatalf("exit code %d: %s", code, errOut)
	}
	b.waitFor(t, 3)
	before := d.waitReady().Plugins[0]
	hold(t, before.Pid)
	// What is under way may arrive.
	stopped := time.Now().Add(time.Second)
	var after console.Plugin
	d.waitStatus("the plugin was started anew", func(st console.Status) bool {
		after = st.Plugins[0]
		return after.Pid != before.Pid && after.State == "ready"
	})
	now := time.Now()
	if n := b.since(stopped, now.Add(-6*time.Second)); n > 0 || now.Sub(stopped) < 10*time.Second {
		t.Errorf("%d heartbeats were sent within the %s in which the notifier did not answer", n, now.Sub(stopped))
	}
	b.waitFor(t, 2)
	if n := strings.Count(d.out.String(), "a heartbeat could not be sent"); n != 1 {
		t.Errorf("it is logged %d times that it fails", n)
	}
	if out, _, _ := a.run("alert", "list", "--state", "all"); !strings.Contains(out, "Nothing fires") {
		t.Errorf("alert list:\n%s", out)
	}
	if box := a.outbox(); len(box.Dead)+len(box.Waiting) > 0 {
		t.Errorf("of heartbeats the outbox has %+v", box)
	}
	if rows, err := a.query("SELECT * FROM records.notify_outcome"); err != nil || len(rows) > 0 {
		t.Errorf("of heartbeats InfluxDB has %v, %v", rows, err)
	}
}

func TestAFullDiskHoldsEverythingBackAndAllIsToldOnceThereIsRoom(t *testing.T) {
	t.Parallel()
	const keys = 400
	b := newBeats(t)
	a := newAlarmed(t, "", keys)
	a.configure(withEmbedded(alarmsPlugin() + `
alerting {
  hold = "0s"
}
notifier "ledger" "ops" {
  file = "told"
}
` + fmt.Sprintf(keysRoute, "notifier.ledger.ops") + keysAlert + b.block(a.site)))
	disk := a.path("data", "alerts")
	mountTmpfs(t, disk, "1m", nil)
	d := a.startReady()
	b.waitFor(t, 1)
	filler := filepath.Join(disk, "filler")
	f, err := os.Create(filler)
	if err != nil {
		t.Fatal(err)
	}
	for block := make([]byte, 64<<10); len(block) > 0; {
		if _, err := f.Write(block); err != nil {
			block = block[:len(block)/2]
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for key := range a.bad {
		a.bad[key] = true
	}
	a.write()
	waitUntil(t, "it is said that nothing can be kept", patience, func() bool {
		out, _, code := a.run("alert", "list")
		return code == 1 && strings.Contains(out, "PROBLEM: what becomes of alerts can not be kept")
	})
	full := time.Now().Add(time.Second)
	// All that decides about it has happened long before the heartbeat would have come three times.
	for time.Since(full) < 15*time.Second {
		if lines := a.ledger("told"); len(lines) > 0 {
			t.Fatalf("it was told %+v", lines)
		}
		time.Sleep(200 * time.Millisecond)
	}
	if n := b.since(full, time.Now()); n > 0 {
		t.Errorf("%d heartbeats came while nobody could be told", n)
	}
	if n := strings.Count(d.out.String(), "nothing is told and no such point is acknowledged until it can"); n != 1 {
		t.Errorf("it is logged %d times", n)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if out, err := mountAgain(disk, "64m"); err != nil {
		t.Fatalf("mount: %v: %s", err, out)
	}
	toldOf := func() (n int) {
		seen := map[string]bool{}
		for _, l := range a.ledger("told") {
			if !seen[l.ID] {
				seen[l.ID] = true
				n += len(l.Alerts) + l.Omitted
			}
		}
		return n
	}
	waitUntil(t, "all are told", patience, func() bool { return toldOf() >= keys })
	waitUntil(t, "nothing is on its way", patience, func() bool { return len(a.outbox().Waiting) == 0 })
	if n := toldOf(); n != keys {
		t.Errorf("%d were told, and %d are bad", n, keys)
	}
	for _, i := range a.incidents("bad") {
		if told := i.Told["ledger.ops"]; told == nil || !told.Heard || told.Times != 1 {
			t.Errorf("of %s was told %+v", i.Key, told)
		}
	}
	b.waitFor(t, 2)
}

func TestADamagedStateIsNotBegunAnew(t *testing.T) {
	t.Parallel()
	a := newAlarmed(t, withEmbedded(alarmsPlugin()+keysAlert), 3)
	a.startReady().end()
	state := a.path("data", "alerts", "state.db")
	sound, err := os.ReadFile(state)
	if err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func([]byte) []byte{
		"its beginning is lost": func(b []byte) []byte { clear(b[:8192]); return b },
		"it is cut off":         func(b []byte) []byte { return b[:len(b)/3] },
		"it is another file":    func([]byte) []byte { return []byte(strings.Repeat("no state at all\n", 4096)) },
	} {
		damaged := damage(slices.Clone(sound))
		writeFile(t, state, damaged)
		out, errOut, code := a.run("run")
		if said := out + errOut; code != 1 || !strings.Contains(said, "state.db") || !strings.Contains(said, "the alerts' state is damaged") ||
			!strings.Contains(said, "restore it from a copy, or move") || strings.Contains(said, "panic") {
			t.Errorf("%s: exit code %d:\n%s", name, code, said)
		}
		if now, err := os.ReadFile(state); err != nil || !slices.Equal(now, damaged) {
			t.Errorf("%s: the file was changed, %v", name, err)
		}
	}
	writeFile(t, state, sound)
	a.startReady()
}
