package rule

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func down(t testing.TB, change func(*QuorumSpec)) *trial {
	t.Helper()
	q := QuorumSpec{Tag: Name{Text: "isp"}, Need: 2, Of: []string{"ct", "cu", "cm"}, Fresh: 3 * time.Minute}
	if change != nil {
		change(&q)
	}
	return try(t, Spec{Name: "down", By: names("target"), When: parse(t, "!available"), Fire: Fire{Bad: 2, Of: 3}, Quorum: &q})
}

// minutes gives the verdicts of lines for minutes in a row: "ct=bb.g" is bad, bad, nothing, good; x is a point that says that its
// own line is down, and ? one that says nothing.
func (tr *trial) minutes(from int, lines ...string) {
	for minute := 0; ; minute++ {
		at, any := time.Duration(from+minute)*time.Minute, false
		for _, line := range lines {
			isp, script, _ := strings.Cut(line, "=")
			if minute >= len(script) {
				continue
			}
			any = true
			if c := script[minute]; c != '.' {
				v := values{"target": "shop", "isp": isp, "http_code": 0, "available": c == 'g'}
				switch c {
				case 'x':
					v["vantage_ok"] = false
				case '?':
					delete(v, "available")
				}
				tr.see(at, v)
			}
		}
		if !any {
			return
		}
		tr.tick(at)
	}
}

func TestAQuorum(t *testing.T) {
	tests := []struct {
		name   string
		change func(*QuorumSpec)
		lines  []string
		story  string
	}{
		{"one line alone never fires", nil, []string{"ct=bbbbbbbb", "cu=gggggggg", "cm=gggggggg"}, "00:00 pending"},
		{"two do, and one of them recovers", nil, []string{"ct=bbbbbbb", "cu=gbbbggg", "cm=ggggggg"}, "00:00 pending, 02:00 firing, 04:00 pending"},
		{"silence of two never resolves", nil, []string{"ct=bbb", "cu=bbb", "cm=ggggggggggggggg"}, "00:00 pending, 01:00 firing"},
		{"silence of all never resolves", nil, []string{"ct=bbb...........", "cu=bbb", "cm=ggg"}, "00:00 pending, 01:00 firing"},
		{"silence of one that was bad does not", nil, []string{"ct=bbb", "cu=bbbbbbbbbbbbb", "cm=ggggggggggggg"}, "00:00 pending, 01:00 firing"},
		{"but the other's recovery does", nil, []string{"ct=bbb", "cu=bbbbbbbbbggg", "cm=gggggggggggg"}, "00:00 pending, 01:00 firing, 09:00 pending"},
		{"too few with a vote do not resolve", nil, []string{"ct=bbb", "cu=bbbbbbggggg"}, "00:00 pending, 01:00 firing"},
		{"a line that is not listed has no vote", nil, []string{"ct=bbbb", "xx=bbbb"}, "00:00 pending"},
		{"any line has one where none is", func(q *QuorumSpec) { q.Of = nil }, []string{"ct=bbbb", "xx=bbbb"}, "00:00 pending, 01:00 firing"},
		{"a line that is down itself has none", nil, []string{"ct=bbbb", "cu=xxxx"}, "00:00 pending"},
		{"and does not resolve", nil, []string{"ct=bbbbbbbbbb", "cu=bbxxxxxxxx", "cm=gggggggggg"}, "00:00 pending, 01:00 firing"},
		{"one that says nothing is as silent", nil, []string{"ct=bbbbbbbbbb", "cu=bb????????", "cm=gggggggggg"}, "00:00 pending, 01:00 firing, 06:00 broken"},
		{"missing is bad", func(q *QuorumSpec) { q.MissingIsBad = true }, []string{"ct=bbbbbb", "cu=gg", "cm=gggggg"}, "00:00 pending, 05:00 firing"},
		{"missing is bad after there was time to be heard", func(q *QuorumSpec) { q.MissingIsBad = true }, []string{"ct=gggggg"}, "04:00 firing"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			tr := down(t, tc.change)
			tr.minutes(0, tc.lines...)
			tr.want(tc.story)
		})
	}
}

func TestAQuorumSaysHowManyOfHowMany(t *testing.T) {
	tr := down(t, nil)
	tr.minutes(0, "ct=bbb", "cu=bbb", "cm=ggg")
	if fired := tr.out[1]; fired.Bad != 2 || fired.Of != 3 {
		t.Errorf("%d of %d", fired.Bad, fired.Of)
	}
}

func TestAQuorumSaysSinceWhenEnoughSamplesAreBad(t *testing.T) {
	missingIsBad := func(q *QuorumSpec) { q.MissingIsBad = true }
	for _, tc := range []struct {
		name   string
		change func(*QuorumSpec)
		lines  []string
		want   string
	}{
		{"it is the older of two", nil, []string{"ct=bbbb", "cu=bb.b", "cm=gggg"}, "03:00"},
		{"of which one was not heard of again", nil, []string{"ct=bbbb", "cu=bbb.", "cm=gggg"}, "02:00"},
		{"one of the two is about to recover", nil, []string{"ct=bbbb", "cu=bbbg", "cm=gggg"}, ""},
		{"a third makes up for it", nil, []string{"ct=bbbb", "cu=bbbg", "cm=bbbb"}, "03:00"},
		{"who is missing is so by the clock", missingIsBad, []string{"ct=gggggbb", "cu=gg", "cm=ggggggg"}, "06:00"},
		{"it does not fire", nil, []string{"ct=bbb", "cu=ggg", "cm=ggg"}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tr := down(t, tc.change)
			tr.minutes(0, tc.lines...)
			got := ""
			if at := tr.machine.Instances(tr.machine.wall)[0].BadAt; !at.IsZero() {
				got = clock(at)
			}
			if got != tc.want {
				t.Errorf("enough are bad since %q, want %q", got, tc.want)
			}
		})
	}
}

func TestVotersThatAreGoneAreForgottenAndNotTooManyAreKnown(t *testing.T) {
	tr := try(t, Spec{Name: "down", By: names("target"), When: parse(t, "!available"), Forget: time.Hour, Quorum: &QuorumSpec{Tag: Name{Text: "isp"}, Need: 2, Fresh: time.Minute}})
	for i := range mostVoters + 10 {
		tr.see(time.Duration(i)*time.Millisecond, values{"target": "shop", "isp": fmt.Sprint("line", i), "available": true})
	}
	if n := len(tr.machine.instances[0].voters); n != mostVoters || tr.machine.Stats().Refused != 10 {
		t.Errorf("there are %d voters, %d were refused", n, tr.machine.Stats().Refused)
	}
	tr.see(50*time.Minute, values{"target": "shop", "isp": "line0", "available": true})
	tr.tick(61 * time.Minute)
	if voters := tr.machine.instances[0].voters; len(voters) != 1 || voters[0].name != "line0" {
		t.Errorf("%d voters are left", len(voters))
	}
}
