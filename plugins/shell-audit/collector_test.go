package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/vedette-monitor/vedette/plugins/shell-audit/chain"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/journal"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/record"
	"github.com/vedette-monitor/vedette/sdk"
	"github.com/vedette-monitor/vedette/sdk/sdktest"
)

// waitAtMost bounds every wait for something that should happen.
const waitAtMost = 20 * time.Second

func waitFor(t *testing.T, what string, met func() bool) {
	t.Helper()
	for deadline := time.Now().Add(waitAtMost); !met(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// place is where a collector works, one after the other.
type place struct {
	t      *testing.T
	config config
}

func newPlace(t *testing.T, change ...func(*config)) *place {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("the collector needs root: run this test as root")
	}
	root, err := os.MkdirTemp("", "vedette-audit-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(root, 0o711); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = exec.Command("chattr", "-R", "-a", "-i", root).Run()
		if err := os.RemoveAll(root); err != nil {
			t.Error(err)
		}
	})
	c, err := sdk.Decode[config](nil)
	if err != nil {
		t.Fatal(err)
	}
	c.Kernel = "off" // there may be others on this machine
	c.Directory, c.Spool, c.Socket = sdk.Path(root+"/audit"), sdk.Path(root+"/spool/audit"), sdk.Path(root+"/run/audit.sock")
	for _, f := range change {
		f(&c)
	}
	return &place{t, c}
}

// collecting is a collector under way.
type collecting struct {
	*collector
	t     *testing.T
	out   stream
	stop  context.CancelFunc
	ended chan error
}

// stream is a daemon that takes all, unless it is away.
type stream struct {
	sdktest.Recorder
	mu   sync.Mutex
	away bool
}

// Flush implements sdk.Stream.
func (s *stream) Flush(ctx context.Context) error {
	for {
		s.mu.Lock()
		away := s.away
		s.mu.Unlock()
		if !away {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}

func (s *stream) set(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
}

func (p *place) start() *collecting {
	p.t.Helper()
	c, err := newCollector(p.config, sdk.Env{Logger: hclog.NewNullLogger()})
	if err != nil {
		p.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &collecting{collector: c, t: p.t, stop: stop, ended: make(chan error, 1)}
	go func() { r.ended <- c.Stream(ctx, &r.out) }()
	p.t.Cleanup(r.end)
	waitFor(p.t, "the collector to begin", func() bool { return len(r.rows(eventMeasurement.Name, "kind", "start")) > 0 })
	return r
}

func (r *collecting) end() {
	r.t.Helper()
	r.stop()
	select {
	case err := <-r.ended:
		if err != nil {
			r.t.Error(err)
		}
		r.ended <- nil
	case <-time.After(waitAtMost):
		r.t.Fatal("the collector does not end")
	}
}

// put writes a record as root does, who can write to every file.
func (p *place) put(uid int, records ...record.Record) {
	p.t.Helper()
	var text []byte
	for _, r := range records {
		var err error
		if text, err = r.Append(text); err != nil {
			p.t.Fatal(err)
		}
	}
	f, err := os.OpenFile(filepath.Join(string(p.config.Spool), "u", fmt.Sprint(uid, ".log")), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		p.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(text); err != nil {
		p.t.Fatal(err)
	}
}

// at is the n-th of moments just now.
func at(n int) record.Micros {
	return record.Micros(time.Now().Add(-100*time.Millisecond).UnixMicro() + int64(n))
}

func begun(seq int, command string) record.Record {
	return record.Record{Kind: record.Start, Shell: "bash", PID: 4_000_001, Birth: 1, Seq: int64(seq), History: int64(seq), Started: at(seq), Cwd: "/",
		Exit: record.NoExitCode, Command: command, Full: int64(len(command))}
}

func finished(of record.Record, exit int) record.Record {
	of.Kind, of.Seq, of.Command, of.Cwd, of.Full, of.Exit, of.Ended = record.End, of.Seq+1, "", "", 0, exit, of.Started+500
	return of
}

// rows are the points of a measurement with this tag or field, as tags and fields.
func (r *collecting) rows(measurement, name string, value any) []map[string]any {
	r.t.Helper()
	var all []map[string]any
	for _, p := range r.out.Points() {
		m := map[string]any{"time": p.Time, "update": p.Update}
		for _, tag := range p.Tags {
			m[tag.Key] = tag.Value
		}
		for _, f := range p.Fields {
			m[f.Key] = f.Any()
		}
		if p.Measurement == measurement && m[name] == value {
			all = append(all, m)
		}
	}
	return all
}

func TestTheEndOfACommandCompletesItsRowAlsoAfterARestart(t *testing.T) {
	p := newPlace(t)
	c := p.start()
	c.admitted(0)
	first, second := begun(1, "sleep 1"), begun(3, "sleep 2")
	p.put(0, first, second, finished(first, 3))
	waitFor(t, "the first end", func() bool { return len(c.rows(chain.Commands, "exit_code", int64(3))) > 0 })
	c.end()
	p.put(0, finished(second, 4))
	c = p.start()
	waitFor(t, "the second end", func() bool { return len(c.rows(chain.Commands, "exit_code", int64(4))) > 0 })
	row := c.rows(chain.Commands, "exit_code", int64(4))[0]
	if row["command"] != "sleep 2" || row["update"] != true || row["duration_us"] != int64(500) || row["timestamp"] != int64(second.Started)*1000 || row["user"] != "root" {
		t.Errorf("got %v", row)
	}
	if again := c.rows(chain.Commands, "command", "sleep 1"); len(again) > 0 {
		t.Errorf("what was delivered was sent again: %v", again)
	}
}

// admitted waits until a user can leave records.
func (r *collecting) admitted(uid int) {
	r.t.Helper()
	path := filepath.Join(string(r.config.Spool), "u", fmt.Sprint(uid, ".log"))
	waitFor(r.t, "the file of a user", func() bool {
		_, err := os.Stat(path)
		return err == nil
	})
}

func TestWhatTheDaemonHasNotAcknowledgedIsSentAgainAndIsTheSame(t *testing.T) {
	p := newPlace(t)
	c := p.start()
	c.admitted(0)
	c.out.set(true)
	p.put(0, begun(1, "one"), begun(2, "two"))
	waitFor(t, "both rows", func() bool { return len(c.rows(chain.Commands, "uid", int64(0))) == 2 })
	before := fmt.Sprint(c.rows(chain.Commands, "uid", int64(0)))
	c.end()
	c = p.start()
	waitFor(t, "both rows again", func() bool { return len(c.rows(chain.Commands, "uid", int64(0))) == 2 })
	if after := fmt.Sprint(c.rows(chain.Commands, "uid", int64(0))); after != before {
		t.Errorf("first\n%s\nand then\n%s", before, after)
	}
}

func TestTimesAreBelievedWithinReasonAndNoTwoCommandsMeet(t *testing.T) {
	p := newPlace(t)
	c := p.start()
	c.admitted(0)
	same := begun(1, "a")
	other := begun(2, "b")
	other.Started = same.Started
	future, past := begun(3, "future"), begun(4, "past")
	future.Started = record.Micros(time.Now().Add(time.Hour).UnixMicro())
	past.Started = record.Micros(time.Now().Add(-24 * time.Hour).UnixMicro())
	began := time.Now().UnixNano()
	p.put(0, same, other, future, past)
	waitFor(t, "all rows", func() bool { return len(c.rows(chain.Commands, "uid", int64(0))) == 4 })
	rows := map[any]map[string]any{}
	times := map[any]bool{}
	for _, r := range c.rows(chain.Commands, "uid", int64(0)) {
		rows[r["command"]] = r
		times[r["time"]] = true
	}
	if len(times) != 4 || rows["a"]["timestamp"] != int64(same.Started)*1000 || rows["b"]["timestamp"] != int64(same.Started)*1000+1 {
		t.Errorf("got %v", rows)
	}
	for _, name := range []string{"future", "past"} {
		if got := rows[name]["timestamp"].(int64); got < began || got > time.Now().UnixNano() {
			t.Errorf("%s is at %v", name, time.Unix(0, got))
		}
	}
	waitFor(t, "an event", func() bool { return len(c.rows(eventMeasurement.Name, "kind", "skew")) > 0 })

	// Nor is a shell believed of which nothing is known, as after a restart: what lay in the spool before was read then.
	c.end()
	unknown := begun(1, "unknown")
	unknown.PID, unknown.Started = 4_000_077, past.Started
	p.put(0, unknown)
	c = p.start()
	waitFor(t, "the row", func() bool { return len(c.rows(chain.Commands, "command", "unknown")) > 0 })
	if got := c.rows(chain.Commands, "command", "unknown")[0]["timestamp"].(int64); got < began {
		t.Errorf("it is at %v", time.Unix(0, got))
	}
}

func TestRowsAreNotDrawnIntoTheFutureAfterTheClockWasSetBack(t *testing.T) {
	now := time.Now()
	row := chain.Row{Measurement: chain.Commands}
	l := &ledger{memory: newMemory()}
	l.memory.Last[seriesOf(row)] = now.Add(time.Hour).UnixNano()
	got := l.timeOf(row, now, now)
	if off := time.Duration(got - now.UnixNano()); off < 0 || off > time.Microsecond {
		t.Errorf("a row of now is %v off", off)
	}
	l.memory.Last[seriesOf(row)] = got
	if next := l.timeOf(row, now, now); next != got+1 {
		t.Errorf("the next one is %d ns behind", next-got)
	}
}

func TestWhatCanNotBeKeptIsCountedAndTold(t *testing.T) {
	p := newPlace(t, func(c *config) { c.JournalSize = 1 << 20 })
	c := p.start()
	c.admitted(0)
	c.out.set(true)
	long := strings.Repeat("x", 10_000)
	for n := range 200 {
		p.put(0, begun(n+1, fmt.Sprint(n, long)))
	}
	waitFor(t, "the journal to be full", func() bool { return len(c.rows(chain.Commands, "uid", int64(0))) > 20 })
	// What comes over the socket meanwhile can not wait in the spool.
	conn, err := net.Dial("unixpacket", string(p.config.Socket))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	stop := time.Now().Add(2 * time.Second)
	for n := 0; time.Now().Before(stop); n++ {
		// Each is an event of its own.
		if _, err := fmt.Fprintf(conn, "1 C raw bash x%d 1 1 1 1 1 1 0 0 0\n\x00", n); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	c.out.set(false)
	waitFor(t, "all rows", func() bool { return len(c.rows(chain.Commands, "uid", int64(0))) == 200 })
	waitFor(t, "what was missed to be told", func() bool {
		for _, r := range c.rows(eventMeasurement.Name, "kind", "drop") {
			if strings.Contains(fmt.Sprint(r["detail"]), "had no room") && r["count"].(int64) > 0 {
				return true
			}
		}
		return false
	})
}

func TestNoiseIsToldAndCostsNoRecord(t *testing.T) {
	p := newPlace(t)
	c := p.start()
	c.admitted(0)
	p.put(0, begun(1, "before"))
	f, err := os.OpenFile(filepath.Join(string(p.config.Spool), "u", "0.log"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString("noise\x1b[2J\x00\x00\x001 S raw bash torn")
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	p.put(0, begun(2, "after"))
	waitFor(t, "both", func() bool { return len(c.rows(chain.Commands, "uid", int64(0))) == 2 })
	waitFor(t, "an event", func() bool { return len(c.rows(eventMeasurement.Name, "kind", "drop")) > 0 })
	for _, r := range c.rows(eventMeasurement.Name, "kind", "drop") {
		if strings.ContainsAny(fmt.Sprint(r), "\x1b\x00") {
			t.Errorf("got %q", r)
		}
	}
}

func TestAFastUserWaitsAndLosesNothing(t *testing.T) {
	p := newPlace(t, func(c *config) { c.Rate, c.Burst = 200, 20 })
	c := p.start()
	c.admitted(0)
	var many []record.Record
	for n := range 100 {
		many = append(many, begun(n+1, fmt.Sprint("n", n)))
	}
	p.put(0, many...)
	waitFor(t, "an event", func() bool { return len(c.rows(eventMeasurement.Name, "kind", "throttle")) > 0 })
	if n := len(c.rows(chain.Commands, "uid", int64(0))); n == len(many) {
		t.Error("all were taken before it was told that they come too fast")
	}
	waitFor(t, "all rows", func() bool { return len(c.rows(chain.Commands, "uid", int64(0))) == len(many) })
}

func TestAFullJournalLosesNothing(t *testing.T) {
	p := newPlace(t, func(c *config) { c.JournalSize = 1 << 20 })
	c := p.start()
	c.admitted(0)
	c.out.set(true)
	long := strings.Repeat("x", 10_000)
	const many = 300
	for n := range many {
		p.put(0, begun(n+1, fmt.Sprint(n, long)))
	}
	// It takes what it has room for, and no more.
	waitFor(t, "the journal to be full", func() bool { return len(c.rows(chain.Commands, "uid", int64(0))) > 20 })
	c.out.set(false)
	waitFor(t, "all rows", func() bool { return len(c.rows(chain.Commands, "uid", int64(0))) == many })
	c.end()
	links := map[any]bool{}
	for _, measurement := range []string{chain.Commands, eventMeasurement.Name, chain.Checkpoints} {
		for _, r := range c.rows(measurement, "update", false) {
			links[r["chain_seq"]] = true
		}
	}
	for seq := range int64(len(links)) {
		if !links[seq+1] {
			t.Errorf("link %d of %d is missing", seq+1, len(links))
		}
	}
}

// verifyJournal verifies what is left in the journal, as far back as an epoch goes.
func verifyJournal(t *testing.T, p *place) (chain.Point, error) {
	t.Helper()
	text, err := os.ReadFile(p.config.firstKey())
	if err != nil {
		t.Fatal(err)
	}
	key, err := chain.ParseKey(string(text))
	if err != nil {
		t.Fatal(err)
	}
	r := journal.Read(p.config.journal(), 1)
	defer r.Close()
	var from chain.Trusted
	from.Key = key
	return chain.Verify(from, func(yield func(chain.Link, error) bool) {
		for {
			e, err := r.Next()
			if err != nil {
				return
			}
			read, err := parseEntry(e.Body)
			if err != nil {
				t.Fatal(err)
			}
			links, err := read.Row.Links()
			if err != nil || len(links) == 0 {
				t.Fatalf("%v, %v", links, err)
			}
			if !yield(links[len(links)-1], nil) {
				return
			}
		}
	}, nil)
}

func TestNoRecordOfAUserSpoilsTheChain(t *testing.T) {
	p := newPlace(t)
	c := p.start()
	c.admitted(0)
	var all []record.Record
	seq := 0
	for _, kind := range []record.Kind{record.Start, record.End, record.Complete, record.Hello, record.Lost} {
		for _, exit := range []int{record.NoExitCode, 0, 255} {
			for _, ended := range []int64{-1, 0, 1} { // before, at and after its start
				for _, started := range []record.Micros{0, at(seq)} {
					seq++
					r := begun(seq, "ls")
					r.Kind, r.Exit, r.Started, r.Ended = kind, exit, started, max(0, started+record.Micros(ended))
					if kind == record.End {
						r.Command, r.Cwd, r.Full = "", "", 0
					}
					all = append(all, r)
				}
			}
		}
	}
	p.put(0, all...)
	waitFor(t, "the last one", func() bool { return len(c.rows(eventMeasurement.Name, "seq", int64(seq))) > 0 })
	c.end()
	if point, err := verifyJournal(t, p); err != nil {
		t.Errorf("the chain holds up to %d: %v", point.Seq, err)
	}
}

func TestTheChainOfAllThatHappenedHolds(t *testing.T) {
	p := newPlace(t)
	for round := range 3 {
		c := p.start()
		c.admitted(0)
		one := begun(round*10+1, "ls")
		p.put(0, one, finished(one, 0))
		waitFor(t, "the row", func() bool { return len(c.rows(chain.Commands, "exit_code", int64(0))) == 1 })
		c.end()
	}
	point, err := verifyJournal(t, p)
	if err != nil || point.Seq != 3*4 { // a start, a command with its end, a stop
		t.Errorf("the chain holds up to %d: %v", point.Seq, err)
	}
}

func TestMistakesOfTheConfigurationAreFoundWithTheirPlaces(t *testing.T) {
	c := config{Redact: []string{"ok", "("}}
	var problem *sdk.Problem
	if err := c.Validate(); !errors.As(err, &problem) || strings.Join(problem.Path, "/") != "redact/1" {
		t.Errorf("got %v at %v", err, problem)
	}
	c = config{Socket: sdk.Path("/" + strings.Repeat("x", 107))}
	if err := c.Validate(); !errors.As(err, &problem) || strings.Join(problem.Path, "/") != "socket" {
		t.Errorf("got %v at %v", err, problem)
	}
}

func TestInventedShellsTakeNoMemoryAndNoSeries(t *testing.T) {
	p := newPlace(t, func(c *config) { c.Rate, c.Burst = 1e6, 1_000_000 })
	c := p.start()
	c.admitted(0)
	long := strings.Repeat("x", 5_000)
	const many = 2000
	for n := range many {
		r := begun(n+1, long)
		r.PID, r.Shell = 4_000_000+n, fmt.Sprint("sh", n)
		p.put(0, r)
	}
	waitFor(t, "all rows", func() bool { return len(c.rows(chain.Commands, "uid", int64(0))) == many })
	names := map[any]bool{}
	for _, r := range c.rows(chain.Commands, "uid", int64(0)) {
		names[r["shell"]] = true
	}
	c.end()
	if len(names) != 1 || !names["other"] {
		t.Errorf("%d names of shells", len(names))
	}
	if n := len(c.shells); n > mostShells {
		t.Errorf("%d shells are known", n)
	}
	if n := c.ledger.memory.bytes[0]; n > openBytes {
		t.Errorf("%d bytes of open commands", n)
	}
}

func TestWhatIsSentOverAnothersConnectionIsToldAndMakesNoRow(t *testing.T) {
	p := newPlace(t)
	c := p.start()
	conn, err := net.Dial("unixpacket", string(p.config.Socket))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	text, err := begun(1, "forged").Append(nil) // of a process that is not this one
	if err == nil {
		_, err = conn.Write(text)
	}
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, "an event", func() bool { return len(c.rows(eventMeasurement.Name, "kind", "credential_mismatch")) > 0 })
	if rows := c.rows(chain.Commands, "uid", int64(0)); len(rows) > 0 {
		t.Errorf("rows %v", rows)
	}
}
