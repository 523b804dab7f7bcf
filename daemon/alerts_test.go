package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/alert"
	"github.com/vedette-monitor/vedette/daemon/soak"
)

// alarmed is a site whose samples are what its file says, and that writes down what it is told.
type alarmed struct {
	*site
	bad map[string]bool
}

// alarmsBlocks are the blocks of the plugin and of a channel ledger.ops.
func alarmsBlocks(rest string) string {
	return withEmbedded(fmt.Sprintf(`
alerting {
  hold = "0s"
}
plugin "alarms" {
  source   = %q
  interval = "100ms"
  states   = "states"
}
notifier "ledger" "ops" {
  file  = "told"
  delay = 0.02
  fail  = 0.1
  hang  = "hang"
}
receiver "ops" {
  step {
    to = [notifier.ledger.ops]
  }
}
`, filepath.Join(programs, "tests", "alarms")) + rest)
}

// simpleAlert fires with the second bad sample and resolves with the second good one.
const simpleAlert = `
alert "bad" {
  from = "alarm"
  by   = ["key"]
  when = bad
  fire {
    bad = 2
  }
  recover {
    good = 2
  }
  severity = "critical"
  summary  = "${key} is bad"
}
route {
  to       = receiver.ops
  wait     = "0s"
  interval = "1s"
  group_by = ["alert", "key"]
}
`

func newAlarmed(t *testing.T, config string, keys int) *alarmed {
	t.Helper()
	a := &alarmed{newSite(t, config), map[string]bool{}}
	for i := range keys {
		a.bad[fmt.Sprintf("k%02d", i)] = false
	}
	a.write()
	return a
}

// write writes the states as the plugin reads them.
func (a *alarmed) write() {
	a.t.Helper()
	var words []string
	for key, bad := range a.bad {
		if bad {
			key += "!"
		}
		words = append(words, key)
	}
	if err := os.WriteFile(a.path("states.new"), []byte(strings.Join(words, " ")), 0o600); err != nil {
		a.t.Fatal(err)
	}
	if err := os.Rename(a.path("states.new"), a.path("states")); err != nil {
		a.t.Fatal(err)
	}
}

// turn makes a key bad or good.
func (a *alarmed) turn(key string, bad bool) {
	a.bad[key] = bad
	a.write()
}

// toldLine is a line of the ledger.
type toldLine struct {
	ID, Kind, Title string
	Attempt         int
	Late, MayRepeat bool
	At              time.Time
	Alerts          []toldAlert
	Omitted         int
}

type toldAlert struct{ Incident, Alert, Key, Kind, Summary, Ended string }

// ledger reads what was told, from the file of a channel.
func (a *alarmed) ledger(file string) []toldLine {
	a.t.Helper()
	text, err := os.ReadFile(a.path(file))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		a.t.Fatal(err)
	}
	var lines []toldLine
	for line := range strings.Lines(string(text)) {
		var l toldLine
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			// The last one may have been cut off by a kill.
			continue
		}
		lines = append(lines, l)
	}
	return lines
}

// story is what was told of a key, without repetitions of the same notice.
func (a *alarmed) story(key string) string {
	var words []string
	seen := map[string]bool{}
	for _, l := range a.ledger("told") {
		for _, one := range l.Alerts {
			if one.Key != key || seen[l.ID+one.Incident+one.Kind] {
				continue
			}
			seen[l.ID+one.Incident+one.Kind] = true
			words = append(words, strings.ToLower(strings.TrimPrefix(one.Kind, "KIND_")))
		}
	}
	return strings.Join(words, " ")
}

// alerts asks the daemon what fires; the second is false if it does not answer.
func (a *alarmed) alerts() (l alert.Listing, answers bool) {
	a.t.Helper()
	out, _, code := a.run("alert", "list", "--state", "all", "-o", "json")
	if code == 3 {
		return l, false
	}
	if err := json.Unmarshal([]byte(out), &l); err != nil {
		a.t.Fatalf("alert list: %v\n%s", err, out)
	}
	return l, true
}

// settled reports whether nothing fires and nothing is on its way.
func (a *alarmed) settled() bool {
	a.t.Helper()
	l, answers := a.alerts()
	if !answers || len(l.Pending) > 0 {
		return false
	}
	for _, i := range l.Incidents {
		if i.State.Open() || i.Outstanding() {
			return false
		}
		for _, told := range i.Told {
			// It has ended, and is told so when its group is due.
			if told.State.Open() {
				return false
			}
		}
	}
	out, _, code := a.run("alert", "outbox", "-o", "json")
	var box alert.Letters
	return code == 0 && json.Unmarshal([]byte(out), &box) == nil && len(box.Waiting) == 0
}

func TestSoakNoNoticeIsLostWhateverIsKilled(t *testing.T) {
	kills := soak.Rounds(10, 100)
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, seed))
	t.Logf("the seed is %d", seed)
	const keys = 8
	a := newAlarmed(t, alarmsBlocks(simpleAlert), keys)
	d := a.startReady()
	for range kills {
		// Some begin to be bad and some end, while the daemon runs and while it does not.
		for range 10 {
			pause(random, 50*time.Millisecond, 250*time.Millisecond)
			key := fmt.Sprintf("k%02d", random.IntN(keys))
			a.turn(key, !a.bad[key])
		}
		d.kill()
		a.waitGone(patience)
		for range 2 {
			key := fmt.Sprintf("k%02d", random.IntN(keys))
			a.turn(key, !a.bad[key])
		}
		d = a.start()
		d.waitReady()
	}
	for key := range a.bad {
		a.bad[key] = false
	}
	a.write()
	waitUntil(t, "nothing fires and nothing is on its way", patience, a.settled)

	// What has happened is in InfluxDB, written with each decision; what was told is in the ledger.
	type incident struct{ fired, ended bool }
	known := map[string]*incident{}
	waitUntil(t, "all that has happened is in InfluxDB", patience, func() bool {
		rows, err := a.query(`SELECT incident, "to" FROM records.alert_event WHERE "alert" = 'bad' GROUP BY "to"`)
		if err != nil {
			return false
		}
		clear(known)
		open := 0
		for _, r := range rows {
			id, there := r["incident"].Text()
			if !there {
				continue
			}
			if known[id] == nil {
				known[id] = new(incident)
			}
			switch to, _ := r["to"].Text(); to {
			case "firing":
				known[id].fired = true
			case "resolved":
				known[id].ended = true
			}
		}
		for _, i := range known {
			if !i.ended {
				open++
			}
		}
		return len(known) > 0 && open == 0
	})
	beginnings, ends, notices := map[string]int{}, map[string]int{}, map[string]int{}
	repeated, omitted := 0, 0
	for _, l := range a.ledger("told") {
		if notices[l.ID]++; notices[l.ID] > 1 {
			repeated++
			if !l.MayRepeat {
				t.Errorf("the notice %s came again and did not say that it may be one that has arrived", l.ID)
			}
			continue
		}
		// Of what is put into a digest, as when much waits, those that it does not name are counted.
		omitted += l.Omitted
		for _, one := range l.Alerts {
			if one.Alert != "bad" {
				continue
			}
			if one.Kind == "KIND_RESOLVED" {
				ends[one.Incident]++
				// One that is late tells of the beginning too, if nobody knows of that.
				if l.Late && beginnings[one.Incident] == 0 {
					beginnings[one.Incident]++
				}
			} else {
				beginnings[one.Incident]++
			}
		}
	}
	// Of what ends before its group is due nobody is told. Of everything else there was a notice.
	l, _ := a.alerts()
	committed := map[string]bool{}
	for _, i := range l.Incidents {
		committed[i.ID] = len(i.Told) > 0
	}
	for id, i := range known {
		if !i.fired {
			t.Errorf("the incident %s has ended and never begun", id)
		}
		if _, remembered := committed[id]; !remembered {
			t.Errorf("the incident %s is in InfluxDB, and the daemon does not know it", id)
		}
		if lacks := committed[id] && (beginnings[id] == 0 || ends[id] == 0); lacks && omitted > 0 {
			omitted--
		} else if lacks {
			t.Errorf("of the incident %s %d beginnings and %d ends were told", id, beginnings[id], ends[id])
			for _, i := range l.Incidents {
				if i.ID == id {
					for _, e := range i.Log {
						t.Logf("%s %s", e.At.Format(time.RFC3339Nano), e.Text)
					}
				}
			}
		}
		if beginnings[id] > 1 || ends[id] > 1 {
			t.Errorf("of the incident %s %d beginnings and %d ends were told in different notices", id, beginnings[id], ends[id])
		}
	}
	for id := range beginnings {
		if known[id] == nil {
			t.Errorf("the incident %s was told, and is not in InfluxDB", id)
		}
	}
	if repeated > kills {
		t.Errorf("%d notices came again after %d kills, and one can be under way at each", repeated, kills)
	}
	t.Logf("%d kills, %d incidents, %d notices, %d came again", kills, len(known), len(notices), repeated)
}

func TestWhatBeginsAndEndsWhileTheDaemonIsDownIsToldAfterwards(t *testing.T) {
	a := newAlarmed(t, alarmsBlocks(simpleAlert), 3)
	d := a.startReady()
	a.turn("k00", true)
	waitUntil(t, "the first alarm is told", patience, func() bool { return a.story("k00") == "firing" })
	d.kill()
	a.waitGone(patience)
	a.bad["k00"], a.bad["k01"] = false, true
	a.write()
	a.startReady()
	waitUntil(t, "the end of one and the beginning of the other are told", patience, func() bool {
		return a.story("k00") == "firing resolved" && a.story("k01") == "firing"
	})
	a.turn("k01", false)
	waitUntil(t, "nothing fires", patience, a.settled)
	if got := a.story("k02"); got != "" {
		t.Errorf("of the one that was always well %q was told", got)
	}
}
