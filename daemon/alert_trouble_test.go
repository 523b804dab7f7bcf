package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"github.com/vedette-monitor/vedette/daemon/console"
)

// troubled is a site whose channel ledger.ops has its ways to fail: while there is a file hang, deaf or mad.
func troubled(t *testing.T) *alarmed {
	t.Helper()
	return newAlarmed(t, withEmbedded(alarmsPlugin()+`
alerting {
  hold    = "0s"
  attempt = "1s"
}
notifier "ledger" "ops" {
  file = "told"
  hang = "hang"
  deaf = "deaf"
  mad  = "mad"
}
`+fmt.Sprintf(keysRoute, "notifier.ledger.ops")+keysAlert), 1)
}

// trouble makes it begin, or end.
func (a *alarmed) trouble(kind string, begins bool) {
	a.t.Helper()
	if begins {
		writeFile(a.t, a.path(kind), nil)
	} else {
		if err := os.Remove(a.path(kind)); err != nil {
			a.t.Fatal(err)
		}
	}
}

// wantOnce waits until a key was told, and holds that it was told once, and says that it may be a repetition.
func (a *alarmed) wantOnce(key string) {
	a.t.Helper()
	waitUntil(a.t, key+" is told", patience, func() bool { return a.story(key) != "" })
	waitUntil(a.t, "nothing is on its way", patience, func() bool { return len(a.outbox().Waiting) == 0 })
	lines := a.ledger("told")
	if len(lines) != 1 || lines[0].Attempt < 2 || !lines[0].MayRepeat {
		a.t.Errorf("it was told %+v", lines)
	}
}

func TestANoticeThatWasUnderWayWhenItsPluginDiedComesAgain(t *testing.T) {
	t.Parallel()
	a := troubled(t)
	d := a.startReady()
	a.trouble("deaf", true)
	a.turn("k00", true)
	waitUntil(t, "the notice is under way", patience, func() bool { return a.queue("ledger.ops").InFlight == 1 })
	pid := d.waitReady().Plugins[0].Pid
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, "it is known that the attempt failed", patience, func() bool {
		box := a.outbox()
		return len(box.Waiting) == 1 && box.Waiting[0].LastOutcome == "OUTCOME_UNKNOWN" || len(box.Waiting) == 1 && box.Waiting[0].Attempts > 1
	})
	a.trouble("deaf", false)
	a.wantOnce("k00")
}

func TestANotifierThatAnswersNothingIsStartedAnew(t *testing.T) {
	t.Parallel()
	a := troubled(t)
	d := a.startReady()
	pid := d.waitReady().Plugins[0].Pid
	a.trouble("deaf", true)
	a.turn("k00", true)
	d.waitStatus("the plugin was started anew", func(st console.Status) bool {
		return st.Plugins[0].Pid != pid && st.Plugins[0].State == "ready" && st.Plugins[0].Restarts > 0
	})
	if text := d.out.String(); !strings.Contains(text, "left 3 calls to its channels in a row without an answer") {
		t.Error("it is not logged why")
	}
	a.trouble("deaf", false)
	a.wantOnce("k00")

	// One that answers at its deadline does not hang.
	pid = d.waitReady().Plugins[0].Pid
	a.trouble("hang", true)
	a.turn("k00", false)
	waitUntil(t, "the breaker is open", patience, func() bool { return a.queue("ledger.ops").Open })
	if st := d.waitReady(); st.Plugins[0].Pid != pid {
		t.Error("a plugin was started anew although it has answered")
	}
	a.trouble("hang", false)
	waitUntil(t, "the end is told", patience, func() bool { return a.story("k00") == "firing resolved" })
}

func TestNonsenseOfANotifierIsTakenForNoAnswer(t *testing.T) {
	t.Parallel()
	a := troubled(t)
	d := a.startReady()
	a.trouble("mad", true)
	a.turn("k00", true)
	waitUntil(t, "an attempt was made", patience, func() bool { return a.queue("ledger.ops").LastError != "" })
	n := a.outbox().Waiting[0]
	if n.LastOutcome != "OUTCOME_UNKNOWN" || utf8.RuneCountInString(n.LastError) != 500 {
		t.Errorf("the outcome is %s, and the error has %d bytes", n.LastOutcome, len(n.LastError))
	}
	out, _, _ := a.run("alert", "outbox")
	if strings.ContainsAny(out+d.out.String(), "\x1b\u202e") {
		t.Error("what a plugin says is shown to a terminal as it is")
	}
	a.trouble("mad", false)
	a.wantOnce("k00")
}
