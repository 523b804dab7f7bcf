package outbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/vedette-monitor/vedette/daemon/alert/incident"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

var noon = time.Date(2026, 3, 3, 12, 0, 0, 0, time.UTC)

// kept is what an outbox wants to be kept, as a file would have it.
type kept struct {
	notices, dead map[string][]byte
	channels      map[string]json.RawMessage
}

func newKept() *kept {
	return &kept{map[string][]byte{}, map[string][]byte{}, map[string]json.RawMessage{}}
}

func mustJSON(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return text
}

func (k *kept) PutNotice(n *incident.Notice)      { k.notices[n.ID] = mustJSON(n) }
func (k *kept) DeleteNotice(id string)            { delete(k.notices, id) }
func (k *kept) PutDead(n *incident.Notice)        { k.dead[n.ID] = mustJSON(n) }
func (k *kept) DeleteDead(id string)              { delete(k.dead, id) }
func (k *kept) PutChannel(name string, state any) { k.channels[name] = mustJSON(state) }

// box is an outbox with a clock that is turned by hand.
type box struct {
	*Outbox
	t    *testing.T
	now  time.Time
	kept *kept
	all  []Channel
}

func newBox(t *testing.T, all ...Channel) *box {
	b := &box{t: t, now: noon, kept: newKept(), all: all}
	b.restart()
	return b
}

// restart makes the outbox anew of what was kept.
func (b *box) restart() {
	decode := func(texts map[string][]byte) (list []*incident.Notice) {
		for _, text := range texts {
			n := new(incident.Notice)
			if err := json.Unmarshal(text, n); err != nil {
				b.t.Fatal(err)
			}
			list = append(list, n)
		}
		return list
	}
	b.Outbox = New(b.kept, decode(b.kept.notices), decode(b.kept.dead), b.kept.channels)
	b.Configure(Options{FallbackAfter: 5 * time.Minute, Expire: 24 * time.Hour}, b.all)
}

func (b *box) notice(channel, id string, kind wire.Kind, incidents ...string) *incident.Notice {
	n := &incident.Notice{ID: id, Channel: channel, Thread: "thread-" + id, Kind: kind, Created: b.now}
	for _, i := range incidents {
		n.Items = append(n.Items, incident.Item{Incident: incident.Incident{ID: i, Alert: i, Severity: "critical"}, Kind: kind})
	}
	return n
}

func (b *box) put(channel, id string) *incident.Notice {
	return b.Put(b.notice(channel, id, wire.Kind_KIND_FIRING, id))
}

// next is the id of the notice that has to go now, or "" with the time to wait.
func (b *box) next(channel string) (*incident.Notice, time.Duration) { return b.Next(channel, b.now) }

func (b *box) mustNext(channel, id string) *incident.Notice {
	b.t.Helper()
	n, wait := b.next(channel)
	if n == nil || id != "" && n.ID != id {
		b.t.Fatalf("next is %v, after %s, want %s", n, wait, id)
	}
	return n
}

func outcome(all ...*wire.Delivery) Result { return Result{Deliveries: all, Reached: true} }

func delivery(o wire.Outcome, recipient string) *wire.Delivery {
	return &wire.Delivery{Outcome: o, Recipient: recipient, Message: "as told"}
}

var (
	delivered = outcome(delivery(wire.Outcome_OUTCOME_DELIVERED, ""))
	later     = outcome(delivery(wire.Outcome_OUTCOME_TEMPORARY, ""))
)

func (b *box) settle(n *incident.Notice, r Result) []End { return b.Settle(n, r, b.now) }

func TestADeliveredNoticeIsGone(t *testing.T) {
	b := newBox(t, Channel{Name: "mail"})
	b.put("mail", "a")
	n := b.mustNext("mail", "a")
	if again, _ := b.next("mail"); again != nil {
		t.Fatalf("%s goes while %s is under way", again.ID, n.ID)
	}
	ends := b.settle(n, delivered)
	if len(ends) != 1 || !ends[0].Delivered || ends[0].More {
		t.Errorf("the ends are %+v", ends)
	}
	if len(b.kept.notices) != 0 || len(b.Waiting()) != 0 {
		t.Errorf("%d notices are kept, %d wait", len(b.kept.notices), len(b.Waiting()))
	}
}

func TestWhatFailsIsTriedAgainLaterAndLater(t *testing.T) {
	b := newBox(t, Channel{Name: "mail"})
	b.put("mail", "a")
	var waits []time.Duration
	for range 8 {
		n, wait := b.next("mail")
		if n == nil {
			b.now = b.now.Add(wait)
			n = b.mustNext("mail", "a")
		}
		if ends := b.settle(n, later); len(ends) != 0 {
			t.Fatalf("the ends are %+v", ends)
		}
		waits = append(waits, max(n.NotBefore.Sub(b.now), b.queues["mail"].state.NotBefore.Sub(b.now)))
		b.now = b.now.Add(waits[len(waits)-1])
	}
	for i, wait := range waits {
		if bound := min(firstRetry<<i, lastRetry); wait <= 0 || wait > bound {
			t.Errorf("wait %d is %s, above %s", i, wait, bound)
		}
	}
	if n := b.mustNext("mail", "a"); n.Attempts != 9 || n.MayRepeat {
		t.Errorf("the notice is %+v", n)
	}
}

func TestTheProvidersWordOnWhenToTryAgainHolds(t *testing.T) {
	b := newBox(t, Channel{Name: "robot"})
	b.put("robot", "a")
	b.put("robot", "b")
	d := delivery(wire.Outcome_OUTCOME_TEMPORARY, "")
	d.RetryAfter = durationpb.New(7 * time.Minute)
	b.settle(b.mustNext("robot", "a"), outcome(d))
	for _, after := range []time.Duration{0, 6 * time.Minute, 59 * time.Second} {
		b.now = b.now.Add(after)
		if n, _ := b.next("robot"); n != nil {
			t.Fatalf("%s goes %s after it was told to wait for 7 minutes", n.ID, b.now.Sub(noon))
		}
	}
	b.now = b.now.Add(time.Second)
	b.mustNext("robot", "")
}

func TestNoMoreIsSentThanTheProviderTakesAlsoAfterARestart(t *testing.T) {
	b := newBox(t, Channel{Name: "robot", Limit: 3, Per: time.Minute})
	for i := range 9 {
		b.put("robot", fmt.Sprint("n", i))
	}
	var sent []time.Time
	for len(sent) < 6 {
		n, wait := b.next("robot")
		if n == nil {
			if wait <= 0 {
				t.Fatal("nothing goes, and nothing is waited for")
			}
			b.now = b.now.Add(min(wait, 10*time.Second))
			if len(sent) == 3 {
				b.restart()
			}
			continue
		}
		sent = append(sent, b.now)
		b.settle(n, delivered)
		b.now = b.now.Add(time.Second)
	}
	for i := 3; i < len(sent); i++ {
		if d := sent[i].Sub(sent[i-3]); d < time.Minute {
			t.Errorf("4 notices went within %s", d)
		}
	}
}

func TestABacklogBecomesOneDigestThatCountsAll(t *testing.T) {
	b := newBox(t, Channel{Name: "robot"})
	for i := range 25 {
		b.put("robot", fmt.Sprint("n", i))
	}
	n := b.mustNext("robot", "")
	if n.Kind != wire.Kind_KIND_DIGEST || len(n.Items) != 25 || len(b.Waiting()) != 1 || len(b.kept.notices) != 1 {
		t.Errorf("a %s of %d alerts, %d wait, %d are kept", n.Kind, len(n.Items), len(b.Waiting()), len(b.kept.notices))
	}
	b.settle(n, delivered)
	b.put("robot", "late")
	if n := b.mustNext("robot", "late"); n.Kind != wire.Kind_KIND_FIRING {
		t.Errorf("the next is a %s", n.Kind)
	}
}

func TestWhatWaitsForTheLimitForAMinuteIsPutTogether(t *testing.T) {
	b := newBox(t, Channel{Name: "sms", Limit: 1, Per: 90 * time.Second})
	b.put("sms", "a")
	b.settle(b.mustNext("sms", "a"), delivered)
	b.put("sms", "b")
	b.put("sms", "c")
	for range 91 {
		if n, _ := b.next("sms"); n != nil {
			if n.Kind != wire.Kind_KIND_DIGEST || len(n.Items) != 2 {
				t.Errorf("a %s of %d alerts", n.Kind, len(n.Items))
			}
			return
		}
		b.now = b.now.Add(time.Second)
	}
	t.Error("nothing goes")
}

func TestLaterNoticesOfAThreadJoinTheOneThatWaits(t *testing.T) {
	b := newBox(t, Channel{Name: "mail"})
	blocking := b.put("mail", "other")
	b.mustNext("mail", "other")
	firing := b.notice("mail", "n1", wire.Kind_KIND_FIRING, "i1", "i2")
	b.Put(firing)
	resolved := b.notice("mail", "n2", wire.Kind_KIND_RESOLVED, "i1")
	resolved.Thread = firing.Thread
	if got := b.Put(resolved); got != firing {
		t.Fatalf("it waits as %s", got.ID)
	}
	if len(firing.Items) != 2 || firing.Kind != wire.Kind_KIND_FIRING || !firing.Late() || !firing.Items[0].Late || firing.Items[0].Kind != wire.Kind_KIND_RESOLVED {
		t.Errorf("the notice is %+v", firing)
	}
	b.settle(blocking, delivered)
	b.mustNext("mail", "n1")
	// One that is under way is not changed any more.
	more := b.notice("mail", "n3", wire.Kind_KIND_RESOLVED, "i2")
	more.Thread = firing.Thread
	if got := b.Put(more); got != more {
		t.Error("it joined a notice that is under way")
	}
}

func TestARepeatTakesThePlaceOfARepeat(t *testing.T) {
	b := newBox(t, Channel{Name: "mail"})
	for i := range 3 {
		n := b.notice("mail", fmt.Sprint("n", i), wire.Kind_KIND_REPEAT, "i1")
		n.Thread = "t"
		b.Put(n)
	}
	if w := b.Waiting(); len(w) != 1 || len(w[0].Items) != 1 || w[0].Kind != wire.Kind_KIND_REPEAT {
		t.Errorf("there wait %+v", w)
	}
}

func TestAnAttemptThatACrashCutOffMayHaveArrived(t *testing.T) {
	b := newBox(t, Channel{Name: "mail"})
	b.put("mail", "a")
	b.mustNext("mail", "a")
	b.restart()
	n := b.mustNext("mail", "a")
	if !n.MayRepeat || n.Attempts != 2 {
		t.Errorf("the notice is %+v", n)
	}
	b.restart()
	b.put("mail", "b")
	// It is not put together with others: its receiver is to take it for what it has.
	same := b.notice("mail", "c", wire.Kind_KIND_RESOLVED, "a")
	same.Thread = n.Thread
	if b.Put(same) != same {
		t.Error("another notice joined one that may have arrived")
	}
}

func TestOnlyThoseWhoLackItAreToldAgain(t *testing.T) {
	b := newBox(t, Channel{Name: "mail", Fallback: "sms"}, Channel{Name: "sms"})
	b.put("mail", "a")
	ends := b.settle(b.mustNext("mail", "a"), outcome(
		delivery(wire.Outcome_OUTCOME_DELIVERED, "ann"), delivery(wire.Outcome_OUTCOME_TEMPORARY, "bob"), delivery(wire.Outcome_OUTCOME_PERMANENT_RECIPIENT, "eve")))
	if len(ends) != 1 || !ends[0].Delivered || !ends[0].More {
		t.Errorf("the ends are %+v", ends)
	}
	b.now = b.now.Add(time.Minute)
	n := b.mustNext("mail", "a")
	if !slices.Equal(n.Recipients, []string{"bob"}) {
		t.Errorf("it goes to %v", n.Recipients)
	}
	if ends = b.settle(n, outcome(delivery(wire.Outcome_OUTCOME_DELIVERED, "bob"))); len(ends) != 1 || !ends[0].Delivered || ends[0].More {
		t.Errorf("the ends are %+v", ends)
	}
}

func TestARecipientWhoRefusesForGoodIsADeadLetterAndTheFallbacks(t *testing.T) {
	b := newBox(t, Channel{Name: "mail", Fallback: "sms"}, Channel{Name: "sms"})
	b.put("mail", "a")
	ends := b.settle(b.mustNext("mail", "a"), outcome(delivery(wire.Outcome_OUTCOME_PERMANENT_RECIPIENT, "eve")))
	if len(ends) != 1 || ends[0].Delivered || ends[0].Fallback == nil || ends[0].Fallback.InPlaceOf != "mail" {
		t.Fatalf("the ends are %+v", ends)
	}
	if d := b.Dead(); len(d) != 1 || d[0].ID != "a" || len(b.kept.dead) != 1 {
		t.Errorf("dead are %+v", d)
	}
	b.mustNext("sms", "a.sms")
	// Some have it, and one never will: that is kept for people to see.
	b.put("mail", "b")
	ends = b.settle(b.mustNext("mail", "b"), outcome(delivery(wire.Outcome_OUTCOME_DELIVERED, "ann"), delivery(wire.Outcome_OUTCOME_PERMANENT_RECIPIENT, "eve")))
	if len(ends) != 1 || !ends[0].Delivered || ends[0].Fallback == nil || len(b.Dead()) != 2 {
		t.Errorf("the ends are %+v, %d are dead", ends, len(b.Dead()))
	}
}

func TestAChannelThatIsConfiguredWronglyIsTriedNowAndThenAndItsFallbackAtOnce(t *testing.T) {
	b := newBox(t, Channel{Name: "mail", Fallback: "sms"}, Channel{Name: "sms"})
	b.put("mail", "a")
	ends := b.settle(b.mustNext("mail", "a"), outcome(delivery(wire.Outcome_OUTCOME_PERMANENT_CONFIG, "")))
	if len(ends) != 1 || !ends[0].More || ends[0].Fallback == nil {
		t.Fatalf("the ends are %+v", ends)
	}
	if s := b.Stats(b.now)[0]; !s.Open || s.Channel != "mail" {
		t.Errorf("mail is %+v", s)
	}
	b.now = b.now.Add(4 * time.Minute)
	if n, _ := b.next("mail"); n != nil {
		t.Error("it is tried before 5 minutes")
	}
	b.now = b.now.Add(time.Minute)
	b.settle(b.mustNext("mail", "a"), delivered)
	if s := b.Stats(b.now)[0]; s.Open {
		t.Errorf("mail is %+v", s)
	}
	// A new configuration is tried at once.
	b.put("mail", "b")
	b.settle(b.mustNext("mail", "b"), outcome(delivery(wire.Outcome_OUTCOME_PERMANENT_CONFIG, "")))
	b.Configure(b.opts, b.all)
	b.now = b.now.Add(firstRetry)
	b.mustNext("mail", "b")
}

func TestAfterThreeFailuresOneNoticeAtATimeTriesTheChannel(t *testing.T) {
	b := newBox(t, Channel{Name: "mail", Fallback: "sms"}, Channel{Name: "sms"})
	for i := range 10 {
		b.put("mail", fmt.Sprint("n", i))
	}
	attempts := 0
	for range 60 {
		if n, _ := b.next("mail"); n != nil {
			attempts++
			b.settle(n, later)
		}
		b.Tick(b.now)
		b.now = b.now.Add(time.Second)
	}
	// Each notice for itself would have made at least ten attempts in the first second.
	if attempts < breakAfter+1 || attempts > 12 {
		t.Errorf("there were %d attempts in a minute", attempts)
	}
	s := b.Stats(b.now)
	if !s[0].Open || s[0].Depth != 10 || s[0].Failing <= 0 {
		t.Errorf("mail is %+v", s[0])
	}
	if s[1].Depth != 10 {
		t.Errorf("the fallback has %d notices", s[1].Depth)
	}
	// The channel works again: the rest goes at once.
	b.now = b.now.Add(lastRetry)
	for range 10 {
		b.settle(b.mustNext("mail", ""), delivered)
	}
}

func TestWhatWaitsTooLongIsGivenUpAndCanBeTriedAgain(t *testing.T) {
	b := newBox(t, Channel{Name: "mail", Fallback: "sms"}, Channel{Name: "sms"})
	b.put("mail", "a")
	b.settle(b.mustNext("mail", "a"), later)
	b.now = b.now.Add(5 * time.Minute)
	if ends := b.Tick(b.now); len(ends) != 1 || !ends[0].More || ends[0].Fallback == nil {
		t.Fatalf("after five minutes the ends are %+v", ends)
	}
	if ends := b.Tick(b.now); len(ends) != 0 {
		t.Fatalf("the fallback has it twice: %+v", ends)
	}
	b.now = b.now.Add(24 * time.Hour)
	ends := b.Tick(b.now)
	given := slices.ContainsFunc(ends, func(e End) bool { return e.Notice.ID == "a" && !e.Delivered && !e.More && e.Fallback == nil })
	if !given || len(b.Dead()) == 0 || b.Dead()[0].Why == "" {
		t.Fatalf("after a day the ends are %+v", ends)
	}
	b.restart()
	if back := b.Retry("a", b.now); len(back) != 1 {
		t.Fatalf("%d notices are tried again", len(back))
	}
	b.settle(b.mustNext("mail", "a"), delivered)
	if back := b.Retry("", b.now); len(back) != 1 || back[0].Channel != "sms" {
		t.Errorf("of all %v are tried again", back)
	}
}

func TestANoticeCanBeDroppedUnlessItIsUnderWay(t *testing.T) {
	b := newBox(t, Channel{Name: "mail"})
	b.put("mail", "a")
	b.put("mail", "b")
	b.mustNext("mail", "a")
	if b.Drop("a") != nil {
		t.Error("one that is under way was dropped")
	}
	if b.Drop("b") == nil || len(b.Waiting()) != 1 {
		t.Error("one that waits was not dropped")
	}
	if b.Drop("c") != nil {
		t.Error("one that is not there was dropped")
	}
}

func TestACallThatFailsIsUnknownUnlessItReachedNobody(t *testing.T) {
	b := newBox(t, Channel{Name: "mail"})
	b.put("mail", "a")
	n := b.mustNext("mail", "a")
	b.settle(n, Result{Err: errors.New("the plugin is not ready")})
	if n.MayRepeat || n.LastOutcome != "OUTCOME_TEMPORARY" {
		t.Errorf("the notice is %+v", n)
	}
	b.now = b.now.Add(time.Minute)
	b.settle(b.mustNext("mail", "a"), Result{Err: errors.New("the plugin went away"), Reached: true})
	if !n.MayRepeat || n.LastOutcome != "OUTCOME_UNKNOWN" {
		t.Errorf("the notice is %+v", n)
	}
	b.now = b.now.Add(time.Minute)
	b.settle(b.mustNext("mail", "a"), outcome())
	if n.LastOutcome != "OUTCOME_UNKNOWN" {
		t.Errorf("an answer without a word on recipients is %s", n.LastOutcome)
	}
}

func TestASlowChannelHoldsUpNoOther(t *testing.T) {
	b := newBox(t, Channel{Name: "mail"}, Channel{Name: "sms"})
	b.put("mail", "a")
	b.put("mail", "b")
	b.put("sms", "c")
	b.mustNext("mail", "a")
	b.mustNext("sms", "c")
}

func TestNoticesOfAChannelThatIsGoneWaitUntilItComesBackOrAreGivenUp(t *testing.T) {
	b := newBox(t, Channel{Name: "mail"})
	b.put("mail", "a")
	b.Configure(b.opts, nil)
	if n, _ := b.next("mail"); n != nil {
		t.Error("it goes to a channel that is gone")
	}
	b.Configure(b.opts, b.all)
	b.mustNext("mail", "a")
}

func TestWhatIsWorthNothingLaterIsDroppedAndSaysNothingOfTheNext(t *testing.T) {
	b := newBox(t, Channel{Name: "beat", Fleeting: true})
	for n := range 5 {
		b.put("beat", fmt.Sprint("n", n))
		ends := b.settle(b.mustNext("beat", fmt.Sprint("n", n)), later)
		if len(ends) != 1 || ends[0].Delivered || ends[0].More || len(b.Waiting()) != 0 || len(b.Dead()) != 0 {
			t.Fatalf("the ends are %+v, %d wait, %d were given up", ends, len(b.Waiting()), len(b.Dead()))
		}
	}
	if s := b.Stats(b.now)[0]; s.Open || s.LastError != "" {
		t.Errorf("the channel is %+v", s)
	}
}

func TestNonsenseOfAPluginIsNotBelievedAndCostsNoMoreThanItsOwnNotice(t *testing.T) {
	b := newBox(t, Channel{Name: "mail"})
	b.put("mail", "a")
	n := b.mustNext("mail", "a")
	d := delivery(99, "")
	d.Message, d.RetryAfter = strings.Repeat("告", 1<<20), durationpb.New(1000*time.Hour)
	if ends := b.settle(n, outcome(d)); len(ends) != 0 {
		t.Fatalf("the ends are %+v", ends)
	}
	if n.LastOutcome != "OUTCOME_UNKNOWN" || !n.MayRepeat || utf8.RuneCountInString(n.LastError) != 500 || !utf8.ValidString(n.LastError) {
		t.Errorf("it is %s with %d bytes of error", n.LastOutcome, len(n.LastError))
	}
	b.now = b.now.Add(time.Hour)
	b.settle(b.mustNext("mail", "a"), delivered)
}

func TestAClockThatWasSetBackHoldsNothingUp(t *testing.T) {
	b := newBox(t, Channel{Name: "mail", Limit: 2, Per: time.Minute})
	b.put("mail", "a")
	for range 4 {
		b.now = b.now.Add(lastRetry)
		b.settle(b.mustNext("mail", "a"), later)
	}
	b.now = b.now.Add(-3 * time.Hour)
	b.restart()
	b.mustNext("mail", "a")
}

func TestAClockThatWasSetForwardGivesNothingUp(t *testing.T) {
	b := newBox(t, Channel{Name: "mail", Fallback: "sms"}, Channel{Name: "sms"})
	n := b.notice("mail", "a", wire.Kind_KIND_FIRING, "a")
	// It was made before the clock was set, years ago by that.
	n.Created = b.now.AddDate(-50, 0, 0)
	b.Put(n)
	if ends := b.Tick(b.now); len(ends) != 0 {
		t.Fatalf("the ends are %+v", ends)
	}
	b.now = b.now.Add(4 * time.Minute)
	b.settle(b.mustNext("mail", "a"), later)
	// How long it has waited is known over a restart.
	b.restart()
	b.Tick(b.now)
	b.now = b.now.Add(time.Minute)
	if ends := b.Tick(b.now); len(ends) != 1 || ends[0].Fallback == nil {
		t.Errorf("after five minutes the ends are %+v", ends)
	}
}
