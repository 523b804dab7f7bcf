// Package view shows rows of the audit to people as they come: a command when it starts, and how it ended when it has.
//
// What it promises, whatever is in the rows, for others may write to where they come from:
//
//   - Nothing that is shown does anything to a terminal or begins a line of its own.
//   - A row that comes again is not shown again, and neither is what is known of it already; of the newest rows, that is.
//   - Where a person looks, a row has one line of the screen: a command that ends while it is the last line is completed in
//     place, another gets a dim line. Elsewhere a command has one whole line when it starts, without its exit status,
//     and one when it has ended. One that has ended within a moment has just one.
package view

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// Row is a row of the audit, or a number of rows that are lost for whoever looks.
type Row struct {
	Measurement string            `json:"measurement,omitempty"`
	Time        time.Time         `json:"time,omitzero"`
	Tags        map[string]string `json:"tags,omitempty"`
	Fields      map[string]any    `json:"fields,omitempty"` // numbers as json.Number
	Update      bool              `json:"update,omitempty"`
	Lost        uint64            `json:"lost,omitempty"`
}

// Commands is the measurement of commands. All others are events.
const Commands = "shell_command"

// ended says that the row is that of a command which has ended, or of something that has no end.
func (r Row) ended() bool {
	if r.Measurement != Commands || r.Update {
		return true
	}
	for _, field := range []string{"exit_code", "duration_us", "end_chain_seq"} {
		if _, ok := r.Fields[field]; ok {
			return true
		}
	}
	return false
}

// Program says that the row is of a program that the kernel saw run, and not of what somebody typed.
func (r Row) Program() bool {
	return r.Measurement == Commands && (r.Tags["source"] == "exec" || r.Tags["source"] == "audit")
}

// Text is a field or, if there is none, a tag as text.
func (r Row) Text(name string) string {
	switch v := r.Fields[name].(type) {
	case nil:
		return r.Tags[name]
	case string:
		return v
	default:
		return fmt.Sprint(v)
	}
}

// key tells rows apart: as InfluxDB does, by series and time.
type key struct {
	measurement, host, user, shell, source, kind string
	time                                         int64
}

func (r Row) key() key {
	return key{r.Measurement, r.Tags["host"], r.Tags["user"], r.Tags["shell"], r.Tags["source"], r.Tags["kind"], r.Time.UnixNano()}
}

// Options say how to show rows.
type Options struct {
	// JSON shows the rows themselves, one a line.
	JSON bool
	// Width is that of the screen that a person looks at; nil if nobody does.
	Width  func() int
	Colour bool
	// Zone is that of the times.
	Zone *time.Location
}

const (
	// held is how long a command that has not ended waits to be shown: most have ended then, and need one line.
	held = 300 * time.Millisecond
	// remembered is how many rows are known when they come again.
	remembered = 20_000
)

// View shows rows. It is for one goroutine.
type View struct {
	out  io.Writer
	o    Options
	line line

	waiting []waiting // to be shown, in their order
	known   map[key]bool
	oldest  []key // of known, as a ring
	next    int

	open bool // the last line on the screen is that of a command that runs, and has no line break yet
	last key  // of that
	day  string
}

type waiting struct {
	row Row
	key key
	due time.Time
}

// New returns a view that writes to out.
func New(out io.Writer, o Options) *View {
	return &View{out: out, o: o, line: line{o: o}, known: map[key]bool{}}
}

// Add takes a row, and shows what is to be shown by now.
func (v *View) Add(r Row, now time.Time) error {
	if r.Lost > 0 {
		if err := v.Flush(); err != nil {
			return err
		}
		return v.lost(r)
	}
	k := r.key()
	ended, seen := v.known[k]
	if seen && (ended || !r.ended()) {
		return nil
	}
	v.remember(k, r.ended())
	if v.o.JSON {
		return v.writeJSON(r)
	}
	for i := range v.waiting {
		if v.waiting[i].key == k {
			v.waiting[i].row = r
			return v.Release(now)
		}
	}
	if seen {
		return v.complete(r, k, now)
	}
	v.waiting = append(v.waiting, waiting{r, k, now.Add(held)})
	return v.Release(now)
}

// remember knows a row from now on, and whether it has ended.
func (v *View) remember(k key, ended bool) {
	if _, ok := v.known[k]; !ok {
		if len(v.oldest) < remembered {
			v.oldest = append(v.oldest, k)
		} else {
			delete(v.known, v.oldest[v.next])
			v.oldest[v.next] = k
			v.next = (v.next + 1) % remembered
		}
	}
	v.known[k] = ended
}

// Release shows what has waited long enough.
func (v *View) Release(now time.Time) error {
	for len(v.waiting) > 0 {
		w := v.waiting[0]
		if !w.row.ended() && now.Before(w.due) {
			return nil
		}
		v.waiting = v.waiting[1:]
		if err := v.show(w.row, w.key); err != nil {
			return err
		}
	}
	return nil
}

// Due is when Release has something to do, unless a row comes before; false if nothing waits.
func (v *View) Due() (time.Time, bool) {
	if len(v.waiting) == 0 {
		return time.Time{}, false
	}
	return v.waiting[0].due, true
}

// Flush shows all that waits.
func (v *View) Flush() error {
	all := v.waiting
	v.waiting = nil
	for _, w := range all {
		if err := v.show(w.row, w.key); err != nil {
			return err
		}
	}
	return nil
}

// Close shows all that waits, and ends the last line.
func (v *View) Close() error {
	if err := v.Flush(); err != nil {
		return err
	}
	return v.write("")
}

// write writes text behind the last line, which it ends.
func (v *View) write(text string) error {
	if v.open {
		text, v.open = "\n"+text, false
	}
	_, err := io.WriteString(v.out, text)
	return err
}

// show shows a row in a line of its own.
func (v *View) show(r Row, k key) error {
	text := v.newDay(r) + v.line.of(r)
	if v.o.Width == nil || r.ended() {
		return v.write(text + "\n")
	}
	// The line break comes when something follows, so that the line can be completed in place.
	err := v.write(text)
	v.open, v.last = true, k
	return err
}

// complete shows how a command ended that was shown before.
func (v *View) complete(r Row, k key, now time.Time) error {
	switch {
	case v.o.Width == nil:
		return v.write(v.line.of(r) + "\n")
	case v.open && v.last == k:
		v.open = false
		_, err := io.WriteString(v.out, "\r\x1b[2K"+v.line.of(r)+"\n")
		return err
	}
	return v.write(v.line.ended(r, now) + "\n")
}

// newDay is a line with the day, where a person would not know it.
func (v *View) newDay(r Row) string {
	if v.o.Width == nil {
		return ""
	}
	day := r.Time.In(v.o.Zone).Format(time.DateOnly)
	before := v.day
	if before == "" {
		before = time.Now().In(v.o.Zone).Format(time.DateOnly)
	}
	if v.day = day; day == before {
		return ""
	}
	return v.line.dim("— "+day+" —") + "\n"
}

func (v *View) lost(r Row) error {
	if v.o.JSON {
		return v.writeJSON(r)
	}
	return v.write(v.line.dim(v.line.cut(fmt.Sprintf("… %d more were not shown, because they came faster than they were taken", r.Lost))) + "\n")
}

// writeJSON writes a row as it came. What could do something to a terminal is escaped, which changes no value.
func (v *View) writeJSON(r Row) error {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(r); err != nil {
		return err
	}
	_, err := io.WriteString(v.out, escapeJSON(b.String()))
	return err
}
