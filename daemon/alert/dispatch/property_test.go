package dispatch

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/alert/calendar"
	"github.com/vedette-monitor/vedette/daemon/alert/incident"
	"github.com/vedette-monitor/vedette/daemon/alert/outbox"
	"github.com/vedette-monitor/vedette/daemon/alert/policy"
	"github.com/vedette-monitor/vedette/daemon/alert/rule"
	"github.com/vedette-monitor/vedette/daemon/alert/store"
	"github.com/vedette-monitor/vedette/daemon/soak"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// disk is what a dispatcher and its outbox want to be kept. What is written between two commits is lost in a crash.
type disk struct {
	written, pending map[string][]byte
}

func newDisk() *disk { return &disk{map[string][]byte{}, map[string][]byte{}} }

func (d *disk) put(kind, id string, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	d.pending[kind+" "+id] = text
}
func (d *disk) del(kind, id string) { d.pending[kind+" "+id] = nil }

func (d *disk) PutNotice(n *incident.Notice)      { d.put("notice", n.ID, n) }
func (d *disk) DeleteNotice(id string)            { d.del("notice", id) }
func (d *disk) PutDead(n *incident.Notice)        { d.put("dead", n.ID, n) }
func (d *disk) DeleteDead(id string)              { d.del("dead", id) }
func (d *disk) PutChannel(name string, state any) { d.put("channel", name, state) }
func (d *disk) PutIncident(i *incident.Incident)  { d.put("incident", i.ID, i) }
func (d *disk) DeleteIncident(id string)          { d.del("incident", id) }
func (d *disk) PutSilence(s *incident.Silence)    { d.put("silence", s.ID, s) }
func (d *disk) DeleteSilence(id string)           { d.del("silence", id) }

func (d *disk) commit() {
	for key, text := range d.pending {
		if text == nil {
			delete(d.written, key)
		} else {
			d.written[key] = text
		}
	}
	clear(d.pending)
}

func (d *disk) crash() { clear(d.pending) }

func (d *disk) contents(t *testing.T) *store.Contents {
	c := &store.Contents{Channels: map[string]json.RawMessage{}}
	for key, text := range d.written {
		kind, id, _ := strings.Cut(key, " ")
		var err error
		switch kind {
		case "notice", "dead":
			n := new(incident.Notice)
			err = json.Unmarshal(text, n)
			if kind == "notice" {
				c.Notices = append(c.Notices, n)
			} else {
				c.Dead = append(c.Dead, n)
			}
		case "incident":
			i := new(incident.Incident)
			err = json.Unmarshal(text, i)
			c.Incidents = append(c.Incidents, i)
		case "silence":
			s := new(incident.Silence)
			err = json.Unmarshal(text, s)
			c.Silences = append(c.Silences, s)
		case "channel":
			c.Channels[id] = text
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// world is a small one in which everything happens by chance: instances begin and end, silences come and go, channels fail, the
// daemon is killed before it has written what it decided, after that, and after something has arrived and before that is noted.
type world struct {
	t    *testing.T
	r    *rand.Rand
	now  time.Time
	disk *disk
	p    *policy.Policy
	d    *Dispatcher
	box  *outbox.Outbox
	// state is what the instances are, as it is on disk with the incidents: a crash takes it back.
	state, written map[string]rule.State
	heard          map[string]time.Time
	broken         map[string]bool
	// arrived are the deliveries by incident and channel, in their order, each notice once.
	arrived map[string][]string
	seen    map[string]bool
	story   []string
}

func (w *world) boot() {
	c := w.disk.contents(w.t)
	w.state = map[string]rule.State{}
	for key, s := range w.written {
		w.state[key] = s
	}
	w.box = outbox.New(w.disk, c.Notices, c.Dead, c.Channels)
	w.box.Configure(outbox.Options{FallbackAfter: 5 * time.Minute, Expire: 1000 * time.Hour}, []outbox.Channel{{Name: "mail", Fallback: "pager"}, {Name: "sms", Limit: 4, Per: 10 * time.Minute}, {Name: "pager"}})
	w.d = New(World{
		Look: func(_, key string, _ time.Time) (rule.Status, bool) {
			at, known := w.heard[key]
			return rule.Status{Heard: at, BadAt: at}, known
		},
		Unfed: func(string) string { return "" },
	}, w.disk, w.box, c.Incidents, c.Silences)
	w.d.Configure(w.p, map[string]Channel{"mail": {}, "sms": {Pages: true}, "pager": {}})
	for key, s := range w.state {
		if s == rule.Firing {
			w.d.Adopt(w.transition(key, rule.Firing, rule.Firing, rule.Bad), w.now)
		}
	}
	w.d.Release()
}

func (w *world) transition(key string, from, to rule.State, reason rule.Reason) *rule.Transition {
	alert, instance, _ := strings.Cut(key, "/")
	i := slices.IndexFunc(w.p.Alerts, func(a *policy.Alert) bool { return a.Name == alert })
	return &rule.Transition{Rule: w.p.Alerts[i].Rule, Values: []string{instance}, Key: instance, From: from, To: to, Reason: reason, At: w.now, Fired: w.now, Value: 2}
}

func (w *world) say(format string, args ...any) {
	w.story = append(w.story, w.now.Format("15:04:05 ")+fmt.Sprintf(format, args...))
}

// turn does what the engine does in one turn. With a chance the daemon dies at each place at which it can.
func (w *world) turn(deadly bool) {
	dies := func() bool { return deadly && w.r.IntN(40) == 0 }
	crash := func(when string) {
		w.say("the daemon dies %s", when)
		w.disk.crash()
		w.boot()
	}
	w.d.Settle(w.box.Tick(w.now), w.now)
	w.d.Plan(w.now)
	w.d.Flush()
	type flight struct{ n *incident.Notice }
	var launch []flight
	for _, channel := range []string{"mail", "pager", "sms"} {
		if n, _ := w.box.Next(channel, w.now); n != nil {
			launch = append(launch, flight{n})
		}
	}
	if dies() {
		crash("before it has written")
		return
	}
	w.disk.commit()
	w.written = map[string]rule.State{}
	for key, s := range w.state {
		w.written[key] = s
	}
	if dies() {
		crash("before anything goes")
		return
	}
	for _, f := range launch {
		outcome := wire.Outcome_OUTCOME_DELIVERED
		switch {
		case w.broken[f.n.Channel]:
			outcome = wire.Outcome_OUTCOME_TEMPORARY
		case w.r.IntN(20) == 0:
			outcome = wire.Outcome_OUTCOME_UNKNOWN
			w.arrive(f.n)
		default:
			w.arrive(f.n)
		}
		if dies() {
			crash("after something has arrived")
			return
		}
		w.d.Settle(w.box.Settle(f.n, outbox.Result{Deliveries: []*wire.Delivery{{Outcome: outcome, Message: "so"}}, Reached: true}, w.now), w.now)
	}
}

func (w *world) arrive(n *incident.Notice) {
	if w.seen[n.ID] {
		return
	}
	w.seen[n.ID] = true
	for _, item := range n.Items {
		word := incident.KindWord(item.Kind)
		if item.Late {
			word = "late"
		}
		key := item.Incident.ID + " " + n.Channel
		w.arrived[key] = append(w.arrived[key], word)
		w.say("%s: %s %s %s/%s", n.Channel, word, item.Incident.ID[:4], item.Incident.Alert, item.Incident.Key)
	}
}

func (w *world) flip(key string) {
	alert, instance, _ := strings.Cut(key, "/")
	from, to, reason := w.state[key], rule.Firing, rule.Bad
	if from == rule.Firing {
		to, reason = rule.OK, rule.Good
	}
	w.say("%s is %s", key, to)
	w.state[key] = to
	w.heard[instance] = w.now
	_ = alert
	w.d.Observe(w.transition(key, from, to, reason), w.now)
}

func TestSoakWhateverHappensEverybodyHearsWhatIsTrueAndNobodyHearsItTwice(t *testing.T) {
	runs := soak.Rounds(60, 5000)
	begin := uint64(time.Now().UnixNano())
	for seed := begin; seed < begin+uint64(runs); seed++ {
		if !chance(t, seed) {
			t.Fatalf("the seed is %d", seed)
		}
	}
}

func chance(t *testing.T, seed uint64) bool {
	w := &world{
		t: t, r: rand.New(rand.NewPCG(seed, seed)), now: noon, disk: newDisk(), written: map[string]rule.State{}, heard: map[string]time.Time{},
		broken: map[string]bool{}, arrived: map[string][]string{}, seen: map[string]bool{}, p: simple(t),
	}
	w.p.Alerts = append(w.p.Alerts, alert(t, "host_silent"))
	w.p.Route.Repeat = policy.Repeat{Every: []time.Duration{30 * time.Minute}}
	w.p.Inhibitions = []*policy.Inhibition{{Name: "silent", Source: match(t, `alert == "host_silent"`), Target: match(t, `alert != "host_silent"`), Equal: []string{"target"}}}
	w.p.Maintenance = []*policy.Maintenance{{Name: "m", Match: match(t, `target == "a"`), Windows: []*calendar.Window{{Zone: time.UTC, Start: 13 * time.Hour, Duration: 20 * time.Minute}}}}
	w.boot()
	keys := []string{"site_down/a", "site_down/b", "site_down/c", "host_silent/a"}
	for range 600 {
		w.now = w.now.Add(time.Duration(1+w.r.IntN(20)) * time.Second)
		for _, key := range keys {
			if _, instance, _ := strings.Cut(key, "/"); w.r.IntN(4) == 0 {
				w.heard[instance] = w.now
			}
		}
		switch w.r.IntN(30) {
		case 0, 1, 2:
			w.flip(keys[w.r.IntN(len(keys))])
		case 3:
			s := &incident.Silence{Match: fmt.Sprintf("target == %q", []string{"a", "b"}[w.r.IntN(2)]), Author: "li", Reason: "x", Until: w.now.Add(time.Duration(w.r.IntN(600)+1) * time.Second)}
			if _, err := w.d.Silence(s, false, w.now); err != nil {
				t.Fatal(err)
			}
			w.say("silence %s", s.Match)
		case 4:
			channel := []string{"mail", "sms", "pager"}[w.r.IntN(3)]
			w.broken[channel] = !w.broken[channel]
			w.say("%s is broken: %v", channel, w.broken[channel])
		case 5:
			if open, _ := w.d.Incidents(); len(open) > 0 {
				i := open[w.r.IntN(len(open))]
				if i.State.Open() {
					if _, err := w.d.Acknowledge(i.ID, incident.Ack{By: "li", At: w.now}); err != nil {
						t.Fatal(err)
					}
					w.say("ack %s", i.ID[:4])
				}
			}
		}
		w.turn(true)
	}
	// Everything ends, and everything works.
	clear(w.broken)
	for _, key := range keys {
		if w.state[key] == rule.Firing {
			w.flip(key)
		}
	}
	for range 3 * 360 {
		w.now = w.now.Add(10 * time.Second)
		w.turn(false)
	}
	return w.isTrue()
}

// isTrue holds what was told against what may be.
func (w *world) isTrue() bool {
	good := true
	fail := func(format string, args ...any) {
		good = false
		w.t.Errorf(format, args...)
	}
	if open, _ := w.d.Incidents(); len(open) > 0 {
		for _, i := range open {
			fail("%s of %s/%s is still followed: %s, told %s", i.ID[:4], i.Alert, i.Key, i.State, mustJSON(i.Told))
		}
	}
	if waiting := w.box.Waiting(); len(waiting) > 0 {
		fail("%d notices wait", len(waiting))
	}
	for key, words := range w.arrived {
		begun, ended := 0, 0
		for i, word := range words {
			switch word {
			case "firing", "escalation":
				begun++
			case "resolved":
				ended++
			case "late":
				begun, ended = begun+1, ended+1
			}
			if ended > 0 && i < len(words)-1 {
				fail("%s: after the end comes %q: %q", key, words[i+1], words)
			}
		}
		_, channel, _ := strings.Cut(key, " ")
		if begun != 1 || ended > 1 || ended == 0 && channel != "sms" {
			fail("%s: %q", key, words)
			id, _, _ := strings.Cut(key, " ")
			if i := w.d.Find(id); i != nil {
				for _, e := range i.Log {
					w.t.Logf("%s  %s", e.At.Format("15:04:05"), e.Text)
				}
			}
		}
	}
	if !good {
		for _, line := range w.story {
			w.t.Log(line)
		}
	}
	return good
}

func mustJSON(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return text
}
