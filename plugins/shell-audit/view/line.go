package view

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"

	"github.com/mattn/go-runewidth"

	"github.com/vedette-monitor/vedette/plugins/shell-audit/text"
)

// Safe makes text that was cleaned before, or that somebody else may have stored, safe to show. What was cleaned stays as it is.
func Safe(s string) string {
	if !strings.Contains(s, `\`) {
		return text.Clean(s)
	}
	parts := strings.Split(s, `\`)
	for i := range parts {
		parts[i] = text.Clean(parts[i])
	}
	return strings.Join(parts, `\`)
}

// escapeJSON escapes in JSON what is not plainly seen.
func escapeJSON(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r == '\n' || r < 0x7f || unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	return b.String()
}

// line makes lines of rows. Columns become as wide as what has come so far.
type line struct {
	o                Options
	host, user, term int
}

// running stands where the exit status of a command that runs will be.
const running = "…"

// of is the line of a row, without a line break.
func (l *line) of(r Row) string {
	if r.Measurement != Commands {
		return l.event(r)
	}
	exit, took := running, ""
	if r.ended() {
		exit, took = l.cell(r, "exit_code"), duration(r.Text("duration_us"))
		if exit == "" {
			exit = "-"
		}
	}
	command := Safe(r.Text("command"))
	if r.Program() {
		command = "» " + command
	}
	if r.Text("truncated") == "true" {
		command += " …"
	}
	paint := func(s string) string { return s }
	const narrow = 80 // there a colour could be cut in two
	if exit != "0" && exit != "-" && exit != running && l.o.Width != nil && l.o.Width() >= narrow {
		paint = func(s string) string { return l.in("31", s) }
	}
	return l.fit(l.head(r), []string{paint(right(exit, 4)), right(took, 6)}, l.cell(r, "cwd"), command)
}

// event is the line of an event: what happened in the place of a command.
func (l *line) event(r Row) string {
	what := "! " + Safe(r.Text("kind")) + ": " + Safe(r.Text("detail"))
	if n := r.Text("count"); n != "" && n != "1" {
		what += " (" + Safe(n) + " times)"
	}
	return l.in("33", l.fit(l.head(r), []string{right("", 4), right("", 6)}, "", what))
}

// ended is the line of how a command ended that has a line further above.
func (l *line) ended(r Row, now time.Time) string {
	how := "↳ ended"
	if exit := l.cell(r, "exit_code"); exit != "" {
		how = "↳ exit " + exit
	}
	if took := duration(r.Text("duration_us")); took != "" {
		how += " after " + took
	}
	at := now.In(l.o.Zone).Format(time.TimeOnly)
	return l.dim(l.cut(at + "  " + how + ": " + Safe(r.Text("command"))))
}

// head are time, host, user and terminal of a row.
func (l *line) head(r Row) []string {
	host, user, term := l.cell(r, "host"), l.cell(r, "user"), l.cell(r, "tty")
	if term == "" {
		term = "-"
	}
	const widest = 16
	widen := func(width *int, s string) string {
		*width = min(max(*width, runewidth.StringWidth(s), 4), widest)
		if l.o.Width != nil {
			s = runewidth.Truncate(s, *width, "…")
		}
		return runewidth.FillRight(s, *width)
	}
	layout := "2006-01-02 15:04:05"
	if l.o.Width != nil {
		layout = time.TimeOnly
	}
	return []string{r.Time.In(l.o.Zone).Format(layout), widen(&l.host, host), widen(&l.user, user), widen(&l.term, term)}
}

// fit joins the columns. On a screen, the directory gives way first, and then the command is cut.
func (l *line) fit(head, middle []string, cwd, command string) string {
	const gap = "  "
	front := strings.Join(append(head, middle...), gap)
	if l.o.Width == nil {
		return front + gap + runewidth.FillRight(cwd, 8) + gap + command
	}
	const cwdWidth, least = 20, 40
	if room := l.o.Width() - 1 - width(front); room >= cwdWidth+2*len(gap)+least {
		if w := runewidth.StringWidth(cwd); w > cwdWidth {
			cwd = runewidth.TruncateLeft(cwd, w-cwdWidth+1, "…") // its end tells more
		}
		front += gap + runewidth.FillRight(cwd, cwdWidth)
	}
	return l.cut(front + gap + command)
}

// cut cuts a line to what the screen has room for, so that it takes one line of it.
func (l *line) cut(s string) string {
	if l.o.Width == nil {
		return s
	}
	room := max(l.o.Width()-1, 1)
	if width(s) <= room {
		return s
	}
	// Colours are within the front, and all of it is shown: what is counted for them is added.
	return runewidth.Truncate(s, room+runewidth.StringWidth(s)-width(s), "…")
}

// width is what a line takes on the screen, without its colours.
func width(s string) int {
	for {
		from := strings.Index(s, "\x1b[")
		if from < 0 {
			return runewidth.StringWidth(s)
		}
		to := strings.IndexByte(s[from:], 'm')
		s = s[:from] + s[from+to+1:]
	}
}

// cell is what is in a column.
func (l *line) cell(r Row, name string) string {
	const longest = 4096
	return text.Cut(Safe(r.Text(name)), longest)
}

func right(s string, width int) string { return runewidth.FillLeft(s, width) }

func (l *line) dim(s string) string { return l.in("2", s) }

func (l *line) in(colour, s string) string {
	if !l.o.Colour || strings.TrimSpace(s) == "" {
		return s
	}
	return "\x1b[" + colour + "m" + s + "\x1b[0m"
}

// duration writes microseconds for people, in at most six characters; "" if they are none.
func duration(us string) string {
	var n int64
	if _, err := fmt.Sscan(us, &n); err != nil || n < 0 {
		return ""
	}
	switch d := time.Duration(n) * time.Microsecond; {
	case n > int64(99*24*time.Hour/time.Microsecond):
		return ">99d"
	case d < time.Millisecond:
		return fmt.Sprintf("%dµs", n)
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
	}
}
