package view

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/mattn/go-runewidth"
)

var noon = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

func command(n int, text string) Row {
	return Row{Measurement: Commands, Time: noon.Add(time.Duration(n) * time.Second),
		Tags:   map[string]string{"host": "web", "user": "ann", "shell": "bash", "source": "hook"},
		Fields: map[string]any{"command": text, "cwd": "/srv/www", "tty": "pts/1"}}
}

func ended(r Row, exit, us int) Row {
	fields := map[string]any{"exit_code": json.Number(fmt.Sprint(exit)), "duration_us": json.Number(fmt.Sprint(us))}
	for name, v := range r.Fields {
		fields[name] = v
	}
	r.Fields, r.Update = fields, true
	return r
}

// shown is a view with a clock.
type shown struct {
	*View
	t   *testing.T
	out strings.Builder
	now time.Time
}

func show(t *testing.T, o Options) *shown {
	s := &shown{t: t, now: noon}
	o.Zone = time.UTC
	s.View = New(&s.out, o)
	s.View.day = noon.Format(time.DateOnly)
	return s
}

func (s *shown) add(rows ...Row) *shown {
	s.t.Helper()
	for _, r := range rows {
		if err := s.Add(r, s.now); err != nil {
			s.t.Fatal(err)
		}
	}
	return s
}

func (s *shown) after(d time.Duration) *shown {
	s.t.Helper()
	s.now = s.now.Add(d)
	if err := s.Release(s.now); err != nil {
		s.t.Fatal(err)
	}
	return s
}

func (s *shown) want(text string) {
	s.t.Helper()
	if err := s.Close(); err != nil {
		s.t.Fatal(err)
	}
	if got := s.out.String(); got != text {
		s.t.Errorf("it shows\n%q\nwant\n%q", got, text)
	}
}

func screen(columns int) Options { return Options{Width: func() int { return columns }} }

func TestACommandThatEndsAtOnceHasOneLine(t *testing.T) {
	const line = "2026-01-31 12:00:01  web   ann   pts/1     0    12ms  /srv/www  ls\n"
	a := command(1, "ls")
	show(t, Options{}).add(a).after(100 * time.Millisecond).add(ended(a, 0, 12_345)).after(time.Second).want(line)
	show(t, Options{}).add(ended(a, 0, 12_345)).want(line)
	show(t, screen(120)).add(a, ended(a, 0, 12_345)).want("12:00:01  web   ann   pts/1     0    12ms  /srv/www              ls\n")
}

func TestACommandThatRunsIsShownWithinAMoment(t *testing.T) {
	a := command(1, "sleep 9")
	s := show(t, Options{}).add(a)
	if due, ok := s.Due(); !ok || due.Sub(s.now) > 500*time.Millisecond {
		t.Errorf("it waits until %s", due)
	}
	s.after(held)
	if got := s.out.String(); got != "2026-01-31 12:00:01  web   ann   pts/1     …          /srv/www  sleep 9\n" {
		t.Errorf("it shows %q", got)
	}
	if _, ok := s.Due(); ok {
		t.Error("something still waits")
	}
	s.add(ended(a, 130, 9_000_000)).want("2026-01-31 12:00:01  web   ann   pts/1     …          /srv/www  sleep 9\n" +
		"2026-01-31 12:00:01  web   ann   pts/1   130    9.0s  /srv/www  sleep 9\n")
}

func TestRowsAreShownInTheOrderInWhichTheyCome(t *testing.T) {
	a, b := command(1, "slow"), command(2, "quick")
	show(t, Options{}).add(a, ended(b, 0, 1000)).after(held).want("2026-01-31 12:00:01  web   ann   pts/1     …          /srv/www  slow\n" +
		"2026-01-31 12:00:02  web   ann   pts/1     0     1ms  /srv/www  quick\n")
}

func TestTheLastLineOfAScreenIsCompletedInPlaceAndAnotherIsNot(t *testing.T) {
	a, b := command(1, "vim"), command(2, "make")
	show(t, screen(120)).add(a).after(held).add(ended(a, 0, 5_000_000)).want("12:00:01  web   ann   pts/1     …          /srv/www              vim" +
		"\r\x1b[2K12:00:01  web   ann   pts/1     0    5.0s  /srv/www              vim\n")
	show(t, screen(120)).add(a).after(held).add(b).after(held).add(ended(a, 1, 65_000_000)).want("12:00:01  web   ann   pts/1     …          /srv/www              vim\n" +
		"12:00:02  web   ann   pts/1     …          /srv/www              make\n" +
		"12:00:00  ↳ exit 1 after 1m05s: vim\n")
}

func TestWhatIsKnownIsNotShownAgain(t *testing.T) {
	a, b := command(1, "a"), command(2, "b")
	done := ended(a, 0, 1000)
	show(t, Options{}).add(done, b).after(held).add(done, a, b, b).after(held).want("2026-01-31 12:00:01  web   ann   pts/1     0     1ms  /srv/www  a\n" +
		"2026-01-31 12:00:02  web   ann   pts/1     …          /srv/www  b\n")
	other := ended(a, 0, 1000)
	other.Tags = map[string]string{"host": "db", "user": "ann", "shell": "bash", "source": "hook"}
	show(t, Options{}).add(done, other).want("2026-01-31 12:00:01  web   ann   pts/1     0     1ms  /srv/www  a\n" +
		"2026-01-31 12:00:01  db    ann   pts/1     0     1ms  /srv/www  a\n")
}

func TestMemoryOfWhatIsKnownIsBounded(t *testing.T) {
	s := show(t, Options{})
	for n := range 2*remembered + 7 {
		s.add(ended(command(n, "x"), 0, 1))
	}
	if len(s.known) != remembered || len(s.oldest) != remembered {
		t.Errorf("%d rows are known", len(s.known))
	}
	before := s.out.Len()
	s.add(ended(command(2*remembered, "x"), 0, 1))
	if s.out.Len() != before {
		t.Error("one of the newest is shown again")
	}
}

func TestEventsAndLossesAreShown(t *testing.T) {
	event := Row{Measurement: "shell_event", Time: noon, Tags: map[string]string{"host": "web", "user": "ann", "kind": "drop"},
		Fields: map[string]any{"detail": "the disk was full\n", "count": json.Number("7"), "tty": "pts/1"}}
	show(t, Options{}).add(event, Row{Lost: 3}).want("2026-01-31 12:00:00  web   ann   pts/1                          ! drop: the disk was full\\n (7 times)\n" +
		"… 3 more were not shown, because they came faster than they were taken\n")
}

func TestAProgramIsToldFromWhatWasTyped(t *testing.T) {
	ran := ended(command(1, "ls -l"), 0, 1000)
	ran.Tags = map[string]string{"host": "web", "user": "ann", "source": "exec"}
	show(t, Options{}).add(ran).want("2026-01-31 12:00:01  web   ann   pts/1     0     1ms  /srv/www  » ls -l\n")
}

func TestAScreenIsToldWhichDayItIs(t *testing.T) {
	yesterday := command(-24*3600, "a")
	show(t, screen(60)).add(ended(yesterday, 0, 1), ended(command(1, "b"), 0, 1)).want("— 2026-01-30 —\n12:00:00  web   ann   pts/1     0     1µs  a\n— 2026-01-31 —\n12:00:01  web   ann   pts/1     0     1µs  b\n")
}

// hostile are rows of somebody who may write to InfluxDB.
func hostile() []Row {
	var rows []Row
	for i, text := range []string{"\x1b[2J\x1b[31mred", "a\nb\rc", "\u202egpj.exe", "\x9b31m", "\xff\xfe", strings.Repeat("网", 5000), strings.Repeat("x\x1b]0;", 2000), `clean \x1b[2J\\`} {
		r := command(i, text)
		for _, name := range []string{"cwd", "tty", "exit_code", "duration_us", "truncated"} {
			r.Fields[name] = text
		}
		r.Tags = map[string]string{"host": text, "user": text, "kind": text}
		event := r
		event.Measurement = "shell_event"
		event.Fields = map[string]any{"detail": text, "count": text}
		rows = append(rows, r, event, command(100+i, text), Row{Measurement: text, Time: noon, Fields: map[string]any{text: text}})
	}
	return rows
}

func TestNothingThatIsShownDoesAnythingToATerminal(t *testing.T) {
	for _, columns := range []int{0, 1, 10, 40, 80, 200} {
		o := Options{}
		if columns > 0 {
			o = screen(columns)
		}
		s := show(t, o)
		rows := hostile()
		s.add(rows...).after(held)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(s.out.String(), "\n"), "\n")
		if len(lines) > len(rows)+1 { // and the day
			t.Errorf("%d columns: %d rows have %d lines", columns, len(rows), len(lines))
		}
		for _, line := range lines {
			for _, r := range line {
				if !unicode.IsPrint(r) {
					t.Errorf("%d columns: a line has %q: %.200q", columns, r, line)
					break
				}
			}
			if w := runewidth.StringWidth(line); columns > 0 && w > columns {
				t.Errorf("%d columns: a line takes %d: %.200q", columns, w, line)
			}
		}
	}
}

func TestColoursEndWithTheirLine(t *testing.T) {
	for _, columns := range []int{20, 60, 79, 80, 100} {
		o := screen(columns)
		o.Colour = true
		event := Row{Measurement: "shell_event", Time: noon, Tags: map[string]string{"host": "web", "user": "ann", "kind": "no_hook"}, Fields: map[string]any{"detail": strings.Repeat("long ", 40)}}
		s := show(t, o).add(ended(command(1, strings.Repeat("ls ", 50)), 1, 1), event, Row{Lost: 2})
		for line := range strings.Lines(s.out.String()) {
			if n := strings.Count(line, "\x1b["); n%2 != 0 || n > 0 && strings.LastIndex(line, "\x1b[0m") < strings.LastIndex(line, "\x1b[") {
				t.Errorf("%d columns: %q", columns, line)
			}
			if w := width(strings.TrimSuffix(line, "\n")); w > columns {
				t.Errorf("%d columns: %d are taken by %q", columns, w, line)
			}
		}
	}
}

func TestJSONIsWhatCameAndSafe(t *testing.T) {
	r := command(1, "\x1b[2J\u202e网\u009b")
	r.Fields["chain_seq"] = json.Number("9007199254740993")
	s := show(t, Options{JSON: true}).add(r, ended(r, 0, 1))
	lines := strings.Split(strings.TrimSpace(s.out.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines", len(lines))
	}
	for i, line := range lines {
		if strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("a line can do something: %q", line)
		}
		d := json.NewDecoder(strings.NewReader(line))
		d.UseNumber()
		var got Row
		if err := d.Decode(&got); err != nil || got.Text("command") != r.Text("command") || got.Text("chain_seq") != "9007199254740993" || got.Update != (i == 1) || !got.Time.Equal(r.Time) {
			t.Errorf("%v, %+v", err, got)
		}
	}
}

func TestDurationsAreReadAtAGlance(t *testing.T) {
	for us, want := range map[string]string{
		"0": "0µs", "999": "999µs", "1000": "1ms", "999999": "999ms", "1000000": "1.0s", "59949999": "59.9s", "60000000": "1m00s", "3599000000": "59m59s",
		"3600000000": "1h00m", "86400000000": "1d00h", "9223372036854775807": ">99d", "-1": "", "": "", "x": "",
	} {
		if got := duration(us); got != want || runewidth.StringWidth(got) > 6 {
			t.Errorf("%s µs are %q, want %q", us, got, want)
		}
	}
}

func FuzzSafe(f *testing.F) {
	f.Add("\x1b[2J")
	f.Add(`a\x1b\\`)
	f.Fuzz(func(t *testing.T, s string) {
		got := Safe(s)
		if strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q becomes %q", s, got)
		}
		if again := Safe(got); again != got {
			t.Errorf("%q becomes %q, and then %q", s, got, again)
		}
	})
}
