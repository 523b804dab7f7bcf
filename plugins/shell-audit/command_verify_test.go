package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/plugins/shell-audit/chain"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/journal"
)

// recorded is a chain of two epochs with its rows as they are in InfluxDB, and as they are in the journal.
type recorded struct {
	key      chain.Key
	rows     []chain.Row // in the order of their first links
	journal  []entry
	dir      string
	start    time.Time
	checksAt int // of the first checkpoint in rows
}

func recordSome(t *testing.T, start time.Time) *recorded {
	t.Helper()
	dir := t.TempDir()
	c, key, err := chain.Create(filepath.Join(dir, "chain"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	r := &recorded{key: key, dir: dir, start: start}
	at := start
	link := func(kind chain.Kind, row chain.Row, seq, mac string) chain.Row {
		row.Sort()
		head, err := c.Add(kind, row.Canonical(nil, kind))
		if err != nil {
			t.Fatal(err)
		}
		row.Fields = append(slices.Clone(row.Fields), chain.Int(seq, int64(head.Seq)), chain.String(mac, head.MAC.String()))
		row.Sort()
		r.journal = append(r.journal, entry{Row: row, Head: head})
		return row
	}
	command := func(text string) chain.Row {
		at = at.Add(time.Second)
		row := chain.Row{Measurement: chain.Commands, Time: at.UnixNano(),
			Tags:   []chain.Value{chain.String("user", "ann"), chain.String("shell", "bash"), chain.String("source", "hook")},
			Fields: []chain.Value{chain.String("command", text), chain.Int("timestamp", at.UnixNano())}}
		return link(chain.Start, row, chain.FieldSeq, chain.FieldMAC)
	}
	end := func(row chain.Row) chain.Row {
		row.Fields = append(slices.Clone(row.Fields), chain.Int("exit_code", 0), chain.Int("duration_us", 9_007_199_254_740_993))
		return link(chain.End, row, chain.FieldEndSeq, chain.FieldEndMAC)
	}
	evolve := func() {
		at = at.Add(time.Second)
		row, err := c.Evolve(at, c.Head().Seq)
		if err != nil {
			t.Fatal(err)
		}
		r.rows = append(r.rows, row)
		r.journal = append(r.journal, entry{Row: row, Head: c.Head()})
	}
	long := command("sleep 100") // 1
	r.rows = append(r.rows, end(command("ls \x1b[2J")))
	r.rows = slices.Insert(r.rows, 0, long)
	r.checksAt = len(r.rows)
	evolve() // 4
	r.rows = append(r.rows, end(command("id")), end(command("w")))
	r.rows[0] = end(long) // 9
	evolve()              // 10
	r.rows = append(r.rows, command("vim"))
	return r
}

// input are the lines that vedette hands over.
func (r *recorded) input(t *testing.T, v verification, rows []chain.Row) string {
	t.Helper()
	var b strings.Builder
	e := json.NewEncoder(&b)
	v.Host = "web"
	lines := []any{v}
	for _, row := range rows {
		tags := mapOf(row.Tags)
		tags["host"], tags["isp"] = "web", "ct"
		lines = append(lines, map[string]any{"measurement": row.Measurement, "time": time.Unix(0, row.Time).UTC(), "tags": tags, "fields": mapOf(row.Fields)})
	}
	for _, l := range append(lines, map[string]bool{"end": true}) {
		if err := e.Encode(l); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func with(row chain.Row, v chain.Value) chain.Row {
	row.Fields = slices.Clone(row.Fields)
	i := slices.IndexFunc(row.Fields, func(f chain.Value) bool { return f.Name == v.Name })
	if i < 0 {
		row.Fields = append(row.Fields, v)
	} else {
		row.Fields[i] = v
	}
	return row
}

func without(row chain.Row, names ...string) chain.Row {
	row.Fields = slices.DeleteFunc(slices.Clone(row.Fields), func(f chain.Value) bool { return slices.Contains(names, f.Name) })
	return row
}

func TestVerifyingNamesTheFirstGap(t *testing.T) {
	start := time.Now().Add(-time.Hour)
	r := recordSome(t, start)
	sinceSecond := verification{Since: start.Add(2 * time.Second)}
	// The rows from the checkpoint on, with that of a command which ends behind it.
	behind := append([]chain.Row{r.rows[r.checksAt], r.rows[0]}, r.rows[r.checksAt+1:]...)
	const year = 365 * 24 * 3600.0
	change := func(f func(rows []chain.Row) []chain.Row) []chain.Row { return f(slices.Clone(r.rows)) }
	for name, tc := range map[string]struct {
		rows   []chain.Row
		v      verification
		status int
		want   []string
	}{
		"whole": {r.rows, verification{}, 0, []string{"Whole: links 1 to 11 of web in InfluxDB hold"}},
		"a row deleted": {slices.Delete(slices.Clone(r.rows), 3, 4), verification{}, 1,
			[]string{"GAP: links 5 to 6 are missing, between the new key at", "and the command of ann ‘w’ at", "links 1 to 4 of web in InfluxDB hold"}},
		"a command altered": {change(func(rows []chain.Row) []chain.Row {
			rows[3] = with(rows[3], chain.String("command", "true"))
			return rows
		}), verification{}, 1,
			[]string{"GAP: link 5 is altered: the command of ann ‘true’", "links 1 to 4 of"}},
		"an exit status altered": {change(func(rows []chain.Row) []chain.Row { rows[3] = with(rows[3], chain.Int("exit_code", 1)); return rows }), verification{}, 1,
			[]string{"GAP: link 6 is altered", "‘id’"}},
		"a number altered by one": {change(func(rows []chain.Row) []chain.Row {
			rows[3] = with(rows[3], chain.Int("duration_us", 9_007_199_254_740_992))
			return rows
		}), verification{}, 1, []string{"GAP: link 6 is altered"}},
		"a field added": {change(func(rows []chain.Row) []chain.Row { rows[3] = with(rows[3], chain.String("note", "x")); return rows }), verification{}, 1, []string{"GAP: link 5 is altered"}},
		"an end taken away": {change(func(rows []chain.Row) []chain.Row {
			rows[3] = without(rows[3], "exit_code", "duration_us", chain.FieldEndSeq, chain.FieldEndMAC)
			return rows
		}), verification{}, 1, []string{"GAP: link 6 is missing, between the command of ann ‘id’"}},
		"a row without a link": {slices.Insert(slices.Clone(r.rows), 3, without(r.rows[3], chain.FieldSeq, chain.FieldMAC, chain.FieldEndSeq, chain.FieldEndMAC)), verification{}, 1,
			[]string{"GAP: what comes behind link 4 is none of the chain: the command of ann ‘id’", "has no link"}},
		"a row added before the first": {change(func(rows []chain.Row) []chain.Row {
			return slices.Insert(rows, 0, without(rows[3], chain.FieldSeq, chain.FieldMAC, chain.FieldEndSeq, chain.FieldEndMAC))
		}), verification{}, 1, []string{"GAP: what comes behind link 1 is none of the chain", "has no link"}},
		"a row that can do something to a terminal": {change(func(rows []chain.Row) []chain.Row { rows[1] = with(rows[1], chain.Int("exit_code", 7)); return rows }), verification{}, 1,
			[]string{`‘ls \x1b[2J’`}},
		"another key": {r.rows, verification{Key: chain.Key{1}.String()}, 1, []string{"GAP: link 1 is not of this key's chain"}},
		"since then":  {behind, sinceSecond, 0, []string{"Whole: links 5 to 11", "behind link 4, where the chain has a new key: what was before was not looked at"}},
		"a row that pretends to be from before": {append(slices.Clone(behind), func() chain.Row {
			forged := r.rows[1]
			forged.Time = start.Add(time.Minute).UnixNano()
			return forged
		}()), sinceSecond, 1, []string{"has link 2, which was given before link 4 at"}},
		"since before the beginning":    {r.rows, verification{Since: start.Add(-time.Hour)}, 0, []string{"Whole: links 1 to 11"}},
		"the oldest gone for their age": {r.rows[r.checksAt:], verification{Kept: 3600}, 1, []string{"GAP: link 9 is missing"}},
		"the oldest gone, and a command that ends later is not": {behind, verification{Kept: 3600}, 0,
			[]string{"Whole: links 5 to 11", "not kept any more"}},
		"the oldest deleted": {behind, verification{Kept: year}, 1,
			[]string{"GAP: the chain begins behind link 4", "say --since 20", "Whole: links 5 to 11"}},
		"nothing at all": {nil, verification{}, 2, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.v.Key == "" {
				tc.v.Key = r.key.String()
			}
			s := call(t, "verify", nil, r.input(t, tc.v, tc.rows))
			if s.status != tc.status {
				t.Errorf("exit status %d, want %d", s.status, tc.status)
			}
			for _, want := range tc.want {
				if !strings.Contains(s.out, want) {
					t.Errorf("it does not say %q", want)
				}
			}
			if t.Failed() || strings.Contains(s.out, "\x1b") {
				t.Errorf("it said %q\n%s", s.err, s.out)
			}
		})
	}
}

func TestVerifyingNeedsAllRows(t *testing.T) {
	r := recordSome(t, time.Now())
	whole := r.input(t, verification{Key: r.key.String()}, r.rows)
	for n := 0; n < len(whole)-1; n += 97 {
		if s := call(t, "verify", nil, whole[:n]); s.status != 2 || s.out != "" {
			t.Fatalf("of %d bytes of %d it makes %+v", n, len(whole), s)
		}
	}
}

func TestVerifyingSaysWhatToDoWithoutAKey(t *testing.T) {
	r := recordSome(t, time.Now())
	config := map[string]any{"directory": r.dir}
	if s := call(t, "verify", config, r.input(t, verification{}, r.rows)); s.status != 2 || !strings.Contains(s.err, "Name the key of web with --key FILE") {
		t.Errorf("of another host: %+v", s)
	}
	own := verification{Own: true}
	if s := call(t, "verify", config, r.input(t, own, r.rows)); s.status != 2 || !strings.Contains(s.err, "was taken from this host") {
		t.Errorf("of this host: %+v", s)
	}
	if s := call(t, "verify", config, r.input(t, verification{Key: "abc"}, r.rows)); s.status != 2 || !strings.Contains(s.err, "--key: this is no key") {
		t.Errorf("with what is no key: %+v", s)
	}
	if err := replace(filepath.Join(r.dir, "first.key"), []byte(r.key.String()+"\n")); err != nil {
		t.Fatal(err)
	}
	if s := call(t, "verify", config, r.input(t, own, r.rows)); s.status != 0 || !strings.Contains(s.errOut, "still on this host") {
		t.Errorf("with the key that is still there: %+v", s)
	}
}

func TestTheJournalIsVerifiedLinkByLink(t *testing.T) {
	for _, lost := range []int{-1, 5} {
		t.Run(fmt.Sprint("lost ", lost), func(t *testing.T) {
			r := recordSome(t, time.Now())
			j, _, err := journal.Open(filepath.Join(r.dir, "journal"), journal.Options{})
			if err != nil {
				t.Fatal(err)
			}
			for i, e := range r.journal {
				body, err := e.marshal()
				if err == nil && i != lost {
					_, err = j.Append('R', time.Now(), body)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			s := call(t, "verify", map[string]any{"directory": r.dir}, r.input(t, verification{Key: r.key.String(), Own: true, Journal: true}, nil))
			if want := "Whole: links 1 to 11 of web in the journal hold"; lost < 0 && (s.status != 0 || !strings.Contains(s.out, want)) {
				t.Errorf("%+v", s)
			}
			since := verification{Key: r.key.String(), Own: true, Journal: true, Since: r.start.Add(2 * time.Second)}
			if s := call(t, "verify", map[string]any{"directory": r.dir}, r.input(t, since, nil)); lost < 0 && (s.status != 0 || !strings.Contains(s.out, "Whole: links 5 to 11")) {
				t.Errorf("since the second second: %+v", s)
			}
			if want := "GAP: link 6 is missing"; lost >= 0 && (s.status != 1 || !strings.Contains(s.out, want)) {
				t.Errorf("%+v", s)
			}
		})
	}
}
