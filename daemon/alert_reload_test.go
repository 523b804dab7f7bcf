package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/alert/incident"
	"github.com/vedette-monitor/vedette/daemon/console"
)

// ended are the alerts whose end a ledger was told of, in alphabetical order and as often as it was.
func (a *alarmed) toldOf(file, kind string) string {
	a.t.Helper()
	var names []string
	for _, l := range a.ledger(file) {
		for _, one := range l.Alerts {
			if one.Kind == kind {
				names = append(names, one.Alert)
			}
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

func TestAReloadKeepsChangesAndEndsWhatFires(t *testing.T) {
	t.Parallel()
	block := func(name, by, when string) string {
		return fmt.Sprintf("alert %q {\n  from     = \"alarm\"\n  by       = [%s]\n  when     = %s\n  severity = \"critical\"\n  summary  = \"${key} is bad\"\n}\n", name, by, when)
	}
	ledger := func(name, more string) string {
		return fmt.Sprintf("notifier \"ledger\" %q {\n  file = \"told-%s\"\n%s}\n", name, name, more)
	}
	// Notices of the channel off never arrive.
	off := ledger("off", "  hang = \"hang\"\n")
	routes := func(to string) string {
		return strings.Replace(fmt.Sprintf(keysRoute, to), `"key", "notifier"`, `"key"`, 1)
	}
	base := withEmbedded(alarmsPlugin() + "alerting {\n  hold    = \"0s\"\n  attempt = \"1s\"\n}\n" + ledger("ops", ""))
	a := newAlarmed(t, base+ledger("old", "")+off+routes("notifier.ledger.ops, notifier.ledger.old, notifier.ledger.off")+
		block("gone", `"key"`, "bad")+block("limit", `"key"`, "bad")+block("same", `"key"`, "bad")+block("shape", `"key"`, "bad"), 1)
	writeFile(t, a.path("hang"), nil)
	d := a.startReady()
	a.turn("k00", true)
	const all = "gone limit same shape"
	waitUntil(t, "two channels are told", patience, func() bool {
		return a.toldOf("told-ops", "KIND_FIRING") == all && a.toldOf("told-old", "KIND_FIRING") == all
	})
	waitUntil(t, "the third one has failed", patience, func() bool { return a.queue("ledger.off").LastError != "" })
	before := map[string]*incident.Incident{}
	for _, name := range strings.Fields(all) {
		before[name] = a.incidents(name)[0]
	}
	// No sample comes for a while, so that nothing but the reload decides.
	states, aside := a.path("states"), a.path("states-aside")
	if err := os.Rename(states, aside); err != nil {
		t.Fatal(err)
	}
	// The interval is a tenth of a second.
	last, since := uint64(0), time.Now()
	d.waitStatus("no samples come", func(st console.Status) bool {
		if now := st.Plugins[0].Points; now != last {
			last, since = now, time.Now()
		}
		return time.Since(since) > 3*time.Second
	})

	// One alert is gone, one judges otherwise, one tells other instances apart; a channel has another name, and one is gone.
	changed := base + ledger("new", "") + routes("notifier.ledger.ops, notifier.ledger.new") +
		block("limit", `"key"`, `bad && key != "k00"`) + block("same", `"key"`, "bad") + block("shape", `"key", "host"`, "bad")
	a.configure(changed)
	if out, errOut, code := a.run("reload"); code != 0 {
		t.Fatalf("reload, exit code %d:\n%s%s", code, out, errOut)
	}
	waitUntil(t, "what ended is told, and the new channel knows what fires", patience, func() bool {
		return a.toldOf("told-ops", "KIND_RESOLVED") == "gone shape" && a.toldOf("told-new", "KIND_FIRING") == "limit same"
	})
	for name, reason := range map[string]string{"gone": "rule removed", "shape": "rule changed", "limit": "", "same": ""} {
		now := a.incidents(name)
		if len(now) != 1 || now[0].ID != before[name].ID || now[0].State.Open() != (reason == "") || reason != "" && now[0].Reason != reason {
			t.Errorf("%s is %+v", name, now)
		}
	}
	rows, err := a.query(`SELECT incident, reason FROM records.alert_event WHERE "to" = 'resolved'`)
	if err != nil || len(rows) != 2 {
		t.Errorf("InfluxDB has %v, %v", rows, err)
	}
	// What waits for the channel that is gone is not lost, and can be seen. A notice that was under way when the plugin was started anew may
	// have arrived: the end of its incident waits behind it then, and is not put into it.
	under := 0
	for _, n := range a.outbox().Waiting {
		if n.Channel == "ledger.off" && n.MayRepeat {
			under++
		}
	}
	if q := a.queue("ledger.off"); q.Depth < 4 || q.Depth > 4+under {
		t.Errorf("for the channel that is gone %d notices wait, %d of them may have arrived", q.Depth, under)
	}

	// Samples come again, and the next ones decide.
	if err := os.Rename(aside, states); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, "the alert with another condition ends, and the one with other instances fires", patience, func() bool {
		return a.toldOf("told-ops", "KIND_RESOLVED") == "gone limit shape" && a.toldOf("told-ops", "KIND_FIRING") == all+" shape" &&
			a.toldOf("told-new", "KIND_RESOLVED") == "limit"
	})
	if now := a.incidents("same"); len(now) != 1 || now[0].ID != before["same"].ID || !now[0].State.Open() {
		t.Errorf("what did not change is %+v", now)
	}
	if a.toldOf("told-old", "KIND_FIRING") != all || a.toldOf("told-old", "KIND_RESOLVED") != "" {
		t.Error("a channel was told something under the name that it had")
	}

	// The channel comes back, and works: it hears of each once, as it is now.
	a.configure(changed + off)
	if err := os.Remove(a.path("hang")); err != nil {
		t.Fatal(err)
	}
	if out, errOut, code := a.run("reload"); code != 0 {
		t.Fatalf("reload, exit code %d:\n%s%s", code, out, errOut)
	}
	waitUntil(t, "what has waited arrives", patience, func() bool {
		return len(a.outbox().Waiting) == 0
	})
	begun := map[string]bool{}
	for _, l := range a.ledger("told-off") {
		for _, one := range l.Alerts {
			if l.MayRepeat && one.Kind == "KIND_FIRING" {
				begun[one.Alert] = one.Alert != "same"
			}
			if begun[one.Alert] {
				continue
			}
			if l.Late != (one.Kind == "KIND_RESOLVED") || l.Late != (one.Alert != "same") {
				t.Errorf("of %s it was told %s, late is %t", one.Alert, one.Kind, l.Late)
			}
		}
	}
	firing := strings.Fields(a.toldOf("told-off", "KIND_FIRING"))
	firing = slices.DeleteFunc(firing, func(name string) bool { return begun[name] })
	if ends := a.toldOf("told-off", "KIND_RESOLVED"); ends != "gone limit shape" || !slices.Equal(firing, []string{"same"}) {
		t.Errorf("it was told the ends of %s and the beginnings of %q", ends, firing)
	}
	a.turn("k00", false)
	waitUntil(t, "nothing fires", patience, a.settled)
}
