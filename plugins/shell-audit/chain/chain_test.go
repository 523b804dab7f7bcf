package chain

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// log is a journal in memory: rows in the order of their links, of which those up to synced survive a crash.
type log struct {
	rows []Row
	tail Point
}

func begin(t testing.TB) (*Chain, Key, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "chain")
	c, key, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c, key, path
}

func command(time int64, text string) Row {
	return Row{
		Measurement: Commands, Time: time,
		Tags:   []Value{String("user", "anna"), String("shell", "bash"), String("source", "hook")},
		Fields: []Value{String("command", text), Int("history_id", 7), Bool("truncated", false), Float("x", 1.5)},
	}
}

// start links a row, end its end; as the plugin does.
func (l *log) start(t testing.TB, c *Chain, r Row) int {
	t.Helper()
	kind := Start
	if r.Measurement != Commands {
		kind = Whole
	}
	p, err := c.Add(kind, r.Canonical(nil, kind))
	if err != nil {
		t.Fatal(err)
	}
	r.Fields = append(r.Fields, Int(FieldSeq, int64(p.Seq)), String(FieldMAC, p.MAC.String()))
	l.rows, l.tail = append(l.rows, r), p
	return len(l.rows) - 1
}

func (l *log) end(t testing.TB, c *Chain, i int, exit int64) {
	t.Helper()
	r := &l.rows[i]
	r.Fields = append(r.Fields, Int("exit_code", exit), Int("duration_us", 1234))
	p, err := c.Add(End, r.Canonical(nil, End))
	if err != nil {
		t.Fatal(err)
	}
	r.Fields = append(r.Fields, Int(FieldEndSeq, int64(p.Seq)), String(FieldEndMAC, p.MAC.String()))
	l.tail = p
}

func (l *log) evolve(t testing.TB, c *Chain, time_ int64) {
	t.Helper()
	row, err := c.Evolve(time.Unix(0, time_), l.tail.Seq)
	if err != nil {
		t.Fatal(err)
	}
	l.rows, l.tail = append(l.rows, row), c.Head()
}

func each(rows []Row) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for _, r := range rows {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func verify(key Key, rows []Row, checkpoints ...Point) (Point, error) {
	return Verify(Trusted{Key: key}, InOrder(each(rows), 0), checkpoints)
}

// session is a chain of 13 links in three epochs, with commands that overlap.
func session(t testing.TB) (l log, key Key, checkpoints []Point) {
	t.Helper()
	c, key, _ := begin(t)
	l.start(t, c, Row{Measurement: "shell_event", Time: 1, Tags: []Value{String("kind", "start")}, Fields: []Value{Int("count", 1)}})
	a := l.start(t, c, command(2, "sleep 10"))
	b := l.start(t, c, command(3, "ls"))
	l.end(t, c, b, 0)
	l.evolve(t, c, 4) // 5
	checkpoints = append(checkpoints, c.Head())
	d := l.start(t, c, command(5, "cat"))
	l.end(t, c, a, 130)
	l.end(t, c, d, 1)
	l.start(t, c, command(6, "kill -9 $$"))
	l.evolve(t, c, 7) // 10
	l.start(t, c, command(8, "one"))
	l.start(t, c, command(9, "two"))
	l.start(t, c, Row{Measurement: "shell_event", Time: 10, Tags: []Value{String("kind", "stop")}, Fields: []Value{Int("count", 1)}})
	return l, key, append(checkpoints, c.Head())
}

func TestAChainHoldsFromRowsInWhichStartAndEndHaveMerged(t *testing.T) {
	l, key, checkpoints := session(t)
	at, err := verify(key, l.rows, checkpoints...)
	if err != nil || at != checkpoints[1] || at.Seq != 13 || at.Epoch != 2 {
		t.Fatalf("%+v, %v", at, err)
	}
	// As InfluxDB gives them back: fields in another order, with tags of the daemon.
	for i := range l.rows {
		slices.Reverse(l.rows[i].Fields)
		slices.Reverse(l.rows[i].Tags)
		l.rows[i].Tags = append(l.rows[i].Tags, String("host", "web1"), String("isp", "ct"))
	}
	if at, err := verify(key, l.rows, checkpoints...); err != nil || at != checkpoints[1] {
		t.Fatalf("%+v, %v", at, err)
	}
	// From a checkpoint on, behind which rows may begin anywhere.
	for _, rows := range [][]Row{l.rows, l.rows[1:]} {
		if at, err := Verify(Trusted{key, checkpoints[0]}, InOrder(each(rows), 5), checkpoints); err != nil || at.Seq != 13 {
			t.Fatalf("%+v, %v", at, err)
		}
	}
}

func TestVerifyNamesTheFirstGap(t *testing.T) {
	other := Key{1}
	set := func(i int, name string, v Value) func([]Row) []Row {
		return func(rows []Row) []Row {
			rows[i].Fields = slices.Clone(rows[i].Fields)
			for n := range rows[i].Fields {
				if rows[i].Fields[n].Name == name {
					rows[i].Fields[n] = v
				}
			}
			return rows
		}
	}
	without := func(from, to int) func([]Row) []Row {
		return func(rows []Row) []Row { return slices.Delete(rows, from, to) }
	}
	for name, tt := range map[string]struct {
		change     func([]Row) []Row
		key        *Key
		reason     Reason
		first, end uint64
	}{
		"another command":     {change: set(2, "command", String("command", "lt")), reason: Altered, first: 3, end: 4},
		"another exit status": {change: set(2, "exit_code", Int("exit_code", 1)), reason: Altered, first: 4, end: 5},
		"another end's link":  {change: set(1, FieldEndSeq, Int(FieldEndSeq, 8)), reason: Garbled, first: 7, end: 8},
		"another type":        {change: set(2, "history_id", Float("history_id", 7)), reason: Altered, first: 3, end: 4},
		"another time":        {change: func(r []Row) []Row { r[2].Time++; return r }, reason: Altered, first: 3, end: 4},
		"another user": {change: func(r []Row) []Row {
			r[2].Tags = []Value{String("user", "bob"), r[2].Tags[1], r[2].Tags[2]}
			return r
		}, reason: Altered, first: 3, end: 4},
		"a field more": {change: func(r []Row) []Row {
			r[5].Fields = append(r[5].Fields, String("tty", "x"))
			return r
		}, reason: Altered, first: 9, end: 10},
		"a wrong MAC":   {change: set(2, FieldMAC, String(FieldMAC, MAC{}.String())), reason: Altered, first: 3, end: 4},
		"no MAC at all": {change: set(2, FieldMAC, String(FieldMAC, "zz")), reason: Garbled, first: 3, end: 4},
		"a row deleted": {change: without(5, 6), reason: Missing, first: 9, end: 10},
		// The rows of an epoch and of the end of another command are gone: what is missing begins with the end's.
		"rows deleted":            {change: without(2, 5), reason: Missing, first: 3, end: 7},
		"the first row deleted":   {change: without(0, 1), reason: Missing, first: 1, end: 2},
		"an end deleted":          {change: func(r []Row) []Row { r[2].Fields = r[2].Fields[:6]; return r }, reason: Missing, first: 4, end: 5},
		"rows exchanged":          {change: func(r []Row) []Row { r[7], r[8] = r[8], r[7]; return r }, reason: Missing, first: 11, end: 12},
		"numbers exchanged":       {change: func(r []Row) []Row { r[7].Time, r[8].Time = r[8].Time, r[7].Time; return r }, reason: Altered, first: 11, end: 12},
		"a row twice":             {change: func(r []Row) []Row { return slices.Insert(r, 8, r[7]) }, reason: Order, first: 11, end: 12},
		"the end cut off":         {change: without(8, 10), reason: Cut, first: 12, end: 14},
		"everything cut off":      {change: without(0, 10), reason: Cut, first: 1, end: 14},
		"the key of another host": {key: &other, reason: WrongKey, first: 1, end: 2},
	} {
		l, key, checkpoints := session(t)
		if tt.key != nil {
			key = *tt.key
		}
		if tt.change != nil {
			l.rows = tt.change(l.rows)
		}
		_, err := verify(key, l.rows, checkpoints...)
		var gap Gap
		if !errors.As(err, &gap) || gap.Reason != tt.reason || gap.First != tt.first || gap.End != tt.end || gap.Verified.Seq != gap.First-1 && gap.Reason != Order {
			t.Errorf("%s: %v (%+v), want %s %d-%d", name, err, gap, tt.reason, tt.first, tt.end)
		}
	}
}

func TestAFlippedBitAnywhereIsFound(t *testing.T) {
	l, key, _ := session(t)
	var links []Link
	for link, err := range InOrder(each(l.rows), 0) {
		if err != nil {
			t.Fatal(err)
		}
		links = append(links, link)
	}
	for i := range links {
		for bit := range 8 * len(links[i].Bytes) {
			changed := slices.Clone(links)
			changed[i].Bytes = bytes.Clone(links[i].Bytes)
			changed[i].Bytes[bit/8] ^= 1 << (bit % 8)
			_, err := Verify(Trusted{Key: key}, func(yield func(Link, error) bool) {
				for _, link := range changed {
					if !yield(link, nil) {
						return
					}
				}
			}, nil)
			var gap Gap
			if !errors.As(err, &gap) || gap.First != links[i].Seq {
				t.Fatalf("bit %d of link %d: %v", bit, links[i].Seq, err)
			}
		}
	}
}

func TestAChainMadeAnewIsFoundByACheckpoint(t *testing.T) {
	l, key, checkpoints := session(t)
	checkpoints[1].MAC[0] ^= 1
	var gap Gap
	if _, err := verify(key, l.rows, checkpoints...); !errors.As(err, &gap) || gap.Reason != Forked || gap.First != 13 {
		t.Errorf("%v", err)
	}
	if _, err := Verify(Trusted{key, checkpoints[1]}, InOrder(each(nil), 13), []Point{{Seq: 13}}); !errors.As(err, &gap) || gap.Reason != Forked {
		t.Errorf("%v", err)
	}
	if _, err := verify(key, l.rows[:8]); err != nil {
		t.Errorf("without a checkpoint the end can not be missed, and yet: %v", err)
	}
}

func TestTheKeyOfThePastIsNotInTheFile(t *testing.T) {
	c, key, path := begin(t)
	var l log
	keys := []Key{key}
	for i := range 4 {
		l.start(t, c, command(int64(2*i), "ls"))
		l.evolve(t, c, int64(2*i+1))
		keys = append(keys, c.key)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for e, k := range keys {
			if is := bytes.Contains(b, k[:]); is != (e == len(keys)-1) {
				t.Errorf("in epoch %d the key of epoch %d is in the file: %v", i+1, e, is)
			}
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

func TestTheKeyEvolvesWhenItIsDue(t *testing.T) {
	c, _, _ := begin(t)
	var l log
	now := time.Now()
	if c.Due(now.Add(time.Hour)) {
		t.Error("an epoch without links is due to end")
	}
	l.start(t, c, command(1, "x"))
	if c.Due(now) || !c.Due(now.Add(2*EpochTime)) {
		t.Error("an epoch ends too early or too late")
	}
	for i := range LinksPerEpoch - 1 {
		l.start(t, c, command(int64(i), "x"))
	}
	if !c.Due(now) {
		t.Error("a full epoch is not due to end")
	}
	var err error
	for err == nil {
		_, err = c.Add(Whole, nil)
	}
	if !errors.Is(err, ErrEpochFull) || c.Head().Seq != mostLinks-1 {
		t.Errorf("after link %d: %v", c.Head().Seq, err)
	}
	if _, err := c.Evolve(now, c.Head().Seq-1); err == nil {
		t.Error("the key was wiped before what it has linked was durable")
	}
	if _, err := c.Evolve(now, c.Head().Seq); err != nil || c.Head().Seq != mostLinks || c.Due(now) {
		t.Errorf("%+v, %v", c.Head(), err)
	}
}

func TestKeysAndMACsAreReadAsTheyAreWritten(t *testing.T) {
	_, key, path := begin(t)
	s := key.String()
	if got, err := ParseKey(" " + s[:8] + " " + s[8:] + "\n"); err != nil || got != key {
		t.Errorf("%v", err)
	}
	digit := "0"
	if s[3] == '0' {
		digit = "1"
	}
	for _, bad := range []string{"", s[1:], s + "00", s[:3] + digit + s[4:], strings.Repeat("z", len(s))} {
		if _, err := ParseKey(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	m := MAC(key)
	if got, err := ParseMAC(m.String()); err != nil || got != m {
		t.Errorf("%v", err)
	}
	for _, bad := range []string{"", m.String()[1:], m.String() + "0", strings.Repeat("z", 64)} {
		if _, err := ParseMAC(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	if _, _, err := Create(path); err == nil {
		t.Error("a chain was overwritten")
	}
}

func BenchmarkAdd(b *testing.B) {
	c, _, _ := begin(b)
	row := command(1_760_000_000_000_000_000, "kubectl -n shop get pods -o wide | grep -v Running")
	for i := range 12 {
		row.Fields = append(row.Fields, Int(fmt.Sprint("field", i), int64(i)))
	}
	buf := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		c.begun = c.at.Seq
		if _, err := c.Add(Start, row.Canonical(buf[:0], Start)); err != nil {
			b.Fatal(err)
		}
	}
}
