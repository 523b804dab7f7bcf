package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"time"

	"github.com/vedette-monitor/vedette/plugins/shell-audit/chain"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/journal"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/text"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/view"
	"github.com/vedette-monitor/vedette/sdk"
)

// verification is what is to be verified: the first line of the input. From InfluxDB the rows follow, in the order of their links,
// and a last line that says that these were all.
type verification struct {
	Key     string    `json:"key"`
	Host    string    `json:"host"`
	Own     bool      `json:"own"`
	Journal bool      `json:"journal"`
	Kept    float64   `json:"kept"` // how long rows are kept, in seconds; 0 is for ever
	Since   time.Time `json:"since"`
}

// line is a row as it is handed over.
type line struct {
	Measurement string         `json:"measurement"`
	Time        time.Time      `json:"time"`
	Tags        map[string]any `json:"tags"`
	Fields      map[string]any `json:"fields"`
	End         bool           `json:"end"`
}

// errIncomplete says that whoever has the rows did not hand over all of them, and has said why.
var errIncomplete = &sdk.ExitError{Status: statusWrongUse}

func verifyChain(_ context.Context, call sdk.Call) error {
	c, err := configured(call)
	if err != nil {
		return wrongUse(err)
	}
	if ok, err := newArguments("verify").parse(call); !ok {
		return err
	}
	input := json.NewDecoder(call.Stdin)
	input.UseNumber() // a large integer stays what it is
	var v verification
	if err := input.Decode(&v); err != nil {
		return errIncomplete
	}
	key, err := v.key(c, call.Stderr)
	if err != nil {
		return wrongUse(err)
	}
	w := newWalk(inputRows(input))
	if v.Journal {
		w = newWalk(journalRows(c))
		w.journal = true
	}
	found, err := w.verify(key, v)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprint(call.Stdout, found.text); err != nil {
		return wrongUse(err)
	}
	if !found.whole {
		return &sdk.ExitError{Status: 1}
	}
	return nil
}

// key is the first key: that which was named, or that of this host, if it is still here.
func (v verification) key(c config, errOut io.Writer) (chain.Key, error) {
	if v.Key != "" {
		key, err := chain.ParseKey(v.Key)
		if err != nil {
			return key, fmt.Errorf("--key: %w", err)
		}
		return key, nil
	}
	const need = "verifying needs the first key of the chain, and nobody can without: what could verify could forge"
	if !v.Own {
		return chain.Key{}, fmt.Errorf("%s. Name the key of %s with --key FILE, or --key - for standard input", need, v.Host)
	}
	key, err := readFirstKey(c)
	if err != nil {
		return key, fmt.Errorf("%s. It is not at hand: %w. Name it with --key FILE, or --key - for standard input. If it is lost, begin a new chain: "+
			"move %s and %s away, and start the daemon", need, err, c.chain(), c.journal())
	}
	fmt.Fprintln(errOut, "This is verified with the key that is still on this host, with which its root could have forged all of it:\n"+
		"take it away with 'vedette audit key --take'.")
	return key, nil
}

// inputRows reads rows that are handed over.
func inputRows(input *json.Decoder) iter.Seq2[chain.Row, error] {
	return func(yield func(chain.Row, error) bool) {
		for {
			var l line
			if err := input.Decode(&l); err != nil {
				yield(chain.Row{}, errIncomplete)
				return
			}
			if l.End {
				return
			}
			row, err := rowOf(l.Measurement, l.Time.UnixNano(), l.Tags, l.Fields)
			if !yield(row, err) || err != nil {
				return
			}
		}
	}
}

// journalRows reads the rows of the journal of this host.
func journalRows(c config) iter.Seq2[chain.Row, error] {
	return func(yield func(chain.Row, error) bool) {
		r := journal.Read(c.journal(), 1)
		defer r.Close()
		for {
			e, err := r.Next()
			if errors.Is(err, io.EOF) {
				return
			}
			var row chain.Row
			if err == nil {
				var read entry
				read, err = parseEntry(e.Body)
				row = read.Row
			}
			var damage journal.Damage
			if errors.Is(err, os.ErrPermission) || errors.Is(err, os.ErrNotExist) {
				err = wrongUse(fmt.Errorf("reading the journal: %w", err))
			} else if err != nil && !errors.As(err, &damage) {
				err = fmt.Errorf("entry %d of the journal: %w", e.Seq, err)
			}
			if !yield(row, err) || err != nil {
				return
			}
		}
	}
}

// clockSlack is how far a row may be ahead of the time at which it was recorded.
const clockSlack = 2 * time.Second

// walk goes through rows, and knows which row a link is of.
type walk struct {
	next    func() (chain.Row, error, bool)
	stop    func()
	journal bool
	first   chain.Row // where it begins, which was read before
	foreign chain.Row // one without a link that came before that
	rows    map[uint64]chain.Row
	at      chain.Row // that of the link which is looked at
	held    chain.Row // that of the last link that holds
}

func newWalk(rows iter.Seq2[chain.Row, error]) *walk {
	w := &walk{rows: map[uint64]chain.Row{}}
	w.next, w.stop = iter.Pull2(rows)
	return w
}

// all are the rows, each with a link.
func (w *walk) all(yield func(chain.Row, error) bool) {
	w.note(w.first)
	if !yield(w.first, nil) {
		return
	}
	if w.foreign.Measurement != "" {
		w.at = w.foreign
		yield(w.foreign, unlinked(w.foreign))
		return
	}
	for {
		row, err, ok := w.next()
		if !ok {
			return
		}
		if err == nil && seqOf(row, chain.FieldSeq) == 0 {
			w.at = row
			err = unlinked(row)
		}
		if first := seqOf(w.first, chain.FieldSeq); err == nil && !w.journal && seqOf(row, chain.FieldSeq) < first && row.Time > w.first.Time+int64(clockSlack) {
			w.at = row
			err = fmt.Errorf("%s has link %d, which was given before link %d at %s: it was not recorded then", describe(row), seqOf(row, chain.FieldSeq), first, clock(w.first.Time))
		}
		if err == nil {
			w.note(row)
		}
		if !yield(row, err) {
			return
		}
	}
}

func unlinked(row chain.Row) error {
	return fmt.Errorf("%s has no link: it was not recorded by this audit", describe(row))
}

// note remembers of which row the links are that are still to come.
func (w *walk) note(row chain.Row) {
	start, end := seqOf(row, chain.FieldSeq), seqOf(row, chain.FieldEndSeq)
	if end > 0 {
		w.rows[end] = row
	}
	if end == 0 || !w.journal {
		w.rows[start] = row
	}
}

// links are those of the rows, in their order.
func (w *walk) links(after uint64) iter.Seq2[chain.Link, error] {
	from := chain.InOrder(w.all, after)
	if w.journal {
		from = w.journalLinks(after)
	}
	return func(yield func(chain.Link, error) bool) {
		for l, err := range from {
			if err == nil {
				w.at = w.rows[l.Seq]
				delete(w.rows, l.Seq)
			}
			if !yield(l, err) {
				return
			}
			w.held = w.at
		}
	}
}

// journalLinks are those of a journal, which has a row for each link: its last.
func (w *walk) journalLinks(after uint64) iter.Seq2[chain.Link, error] {
	return func(yield func(chain.Link, error) bool) {
		for row, err := range w.all {
			var links []chain.Link
			if err == nil {
				links, err = row.Links()
			}
			if err != nil {
				yield(chain.Link{}, err)
				return
			}
			l := links[len(links)-1]
			if l.Seq > after && !yield(l, nil) {
				return
			}
		}
	}
}

// begin finds where the verification begins: at the first link, or at the first checkpoint since then. What comes before that is not
// needed: the links of InfluxDB's rows begin there, and in a journal each row has its own.
func (w *walk) begin(key chain.Key, since time.Time) (chain.Trusted, error) {
	from := int64(0)
	if !since.IsZero() {
		from = since.UnixNano()
	}
	first := true
	for {
		row, err, ok := w.next()
		if !ok {
			return chain.Trusted{}, wrongUse(errors.New("there is nothing to verify: neither the first link nor a checkpoint of the chain"))
		}
		if err != nil {
			return chain.Trusted{}, err
		}
		if seqOf(row, chain.FieldSeq) == 0 {
			if w.foreign.Measurement == "" && row.Time >= from {
				w.foreign = row
			}
			continue
		}
		at, isCheckpoint := checkpoint(row)
		if row.Time < from || !isCheckpoint && (!first || seqOf(row, chain.FieldSeq) != 1) {
			first = false
			continue
		}
		w.first = row
		if isCheckpoint {
			return chain.Trusted{Key: key, Point: at}, nil
		}
		return chain.Trusted{Key: key}, nil
	}
}

// checkpoint is the point of a row that begins an epoch.
func checkpoint(row chain.Row) (chain.Point, bool) {
	if row.Measurement != chain.Checkpoints {
		return chain.Point{}, false
	}
	mac, err := chain.ParseMAC(field(row, chain.FieldMAC).Text())
	seq, epoch := seqOf(row, chain.FieldSeq), field(row, "epoch").Integer()
	return chain.Point{Seq: seq, Epoch: uint64(max(epoch, 0)), MAC: mac}, err == nil && seq > 0 && epoch > 0
}

// finding is what came out.
type finding struct {
	whole bool
	text  string
}

func (w *walk) verify(key chain.Key, v verification) (finding, error) {
	defer w.stop()
	from, err := w.begin(key, v.Since)
	if err != nil {
		return finding{}, err
	}
	last, err := chain.Verify(from, w.links(from.Point.Seq), nil)
	var f finding
	where := "InfluxDB"
	if w.journal {
		where = "the journal"
	}
	span := fmt.Sprintf("links %d to %d of %s in %s", from.Point.Seq+1, last.Seq, v.Host, where)
	var gap chain.Gap
	switch {
	case errors.As(err, &gap):
		var exit *sdk.ExitError
		if errors.As(gap.Err, &exit) {
			return f, exit
		}
		f.text = w.tell(gap, v)
		if last.Seq > from.Point.Seq {
			f.text += fmt.Sprintf("All is well up to there: %s hold, from %s to %s.\n", span, clock(w.first.Time), clock(w.held.Time))
		}
	case err != nil:
		return f, err
	case last.Seq == from.Point.Seq:
		f.whole, f.text = true, fmt.Sprintf("Nothing came after link %d of %s, at %s.\n", last.Seq, v.Host, clock(w.first.Time))
	default:
		f.whole, f.text = true, fmt.Sprintf("Whole: %s hold, from %s to %s.\n", span, clock(w.first.Time), clock(w.at.Time))
	}
	if from.Point.Seq > 0 {
		w.tellBeginning(&f, from.Point.Seq, v)
	}
	return f, nil
}

// tellBeginning says why the verification does not begin with the first link. That is well if it was asked for, or if the rows before
// are older than those that are kept.
func (w *walk) tellBeginning(f *finding, seq uint64, v verification) {
	if !v.Since.IsZero() {
		f.text += fmt.Sprintf("It begins behind link %d, where the chain has a new key: what was before was not looked at.\n", seq)
		return
	}
	// Rows go a piece at a time, of up to some weeks.
	const piece = 30 * 24 * time.Hour
	kept := time.Duration(v.Kept * float64(time.Second))
	oldest := time.Unix(0, w.first.Time)
	if w.journal || kept > 0 && time.Since(oldest) > kept-min(piece, kept/2) {
		f.text += fmt.Sprintf("It begins behind link %d, where the chain has a new key: what was before is not kept any more.\n", seq)
		return
	}
	text := fmt.Sprintf("GAP: the chain begins behind link %d at %s. What was before should still be kept, and is not there: it was deleted, or is elsewhere.\n"+
		"If that is known and well, say --since %s.\n", seq, clock(w.first.Time), oldest.UTC().Format(time.RFC3339))
	f.whole, f.text = false, text+f.text
}

// tell says in words where the chain does not hold.
func (w *walk) tell(g chain.Gap, v verification) string {
	links := fmt.Sprintf("link %d is", g.First)
	if g.End > g.First+1 {
		links = fmt.Sprintf("links %d to %d are", g.First, g.End-1)
	}
	here := describe(w.at)
	switch g.Reason {
	case chain.Missing:
		span := "before " + here
		if w.held.Time != 0 {
			span = fmt.Sprintf("between %s and %s", describe(w.held), here)
		}
		hint := "It was deleted, or has not arrived"
		if w.journal {
			hint = "It was deleted, or lost to damage of the disk"
		} else if v.Own {
			hint += "; --journal looks at what this host has itself"
		}
		return fmt.Sprintf("GAP: %s missing, %s. %s.\n", links, span, hint)
	case chain.Altered:
		return fmt.Sprintf("GAP: %s altered: %s is not as it was recorded, or a row before it was replaced.\n", links, here)
	case chain.WrongKey:
		return fmt.Sprintf("GAP: %s not of this key's chain: the key is another host's or another chain's, or %s was altered.\n", links, here)
	case chain.Order:
		return fmt.Sprintf("GAP: %s there twice, or out of order: %s.\n", links, here)
	case chain.Garbled:
		return fmt.Sprintf("GAP: what comes behind link %d is none of the chain: %s.\n", g.Verified.Seq, view.Safe(g.Err.Error()))
	}
	return fmt.Sprintf("GAP: %s.\n", g.Error())
}

// describe names a row for people.
func describe(r chain.Row) string {
	const longest = 80
	what := map[string]string{chain.Commands: "the command", eventMeasurement.Name: "the event", chain.Checkpoints: "the new key"}[r.Measurement]
	if what == "" {
		what = "a row of " + view.Safe(r.Measurement)
	}
	for _, tag := range r.Tags {
		if tag.Name == "user" && tag.Text() != "" {
			what += " of " + view.Safe(tag.Text())
		}
	}
	if command := field(r, "command").Text(); command != "" {
		what += " " + "‘" + text.Cut(view.Safe(command), longest) + "’"
	}
	return what + " at " + clock(r.Time)
}

func clock(ns int64) string { return time.Unix(0, ns).Format("2006-01-02 15:04:05.000000 MST") }

func field(r chain.Row, name string) chain.Value {
	if i := slices.IndexFunc(r.Fields, func(v chain.Value) bool { return v.Name == name }); i >= 0 {
		return r.Fields[i]
	}
	return chain.Value{}
}

// seqOf is the number of a link of a row; 0 if it has none.
func seqOf(r chain.Row, name string) uint64 {
	n, _ := field(r, name).Any().(int64)
	return uint64(max(n, 0))
}
