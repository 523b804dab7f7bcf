package main

import (
	"io"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/vedette-monitor/vedette/plugins/http-quality/probe"
)

// screen is what a person looks at.
type screen struct {
	width  int
	colour bool
	ascii  bool // it can not be relied on to show anything else
}

// usualWidth is that of a screen that does not tell its own.
const usualWidth = 80

// screenOf finds out what out is.
func screenOf(out io.Writer) screen {
	s := screen{width: usualWidth, ascii: !showsUnicode(os.Getenv)}
	f, ok := out.(*os.File)
	if !ok {
		return s
	}
	width, terminal := columns(f)
	if width > 0 {
		s.width = width
	}
	s.colour = terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	return s
}

// showsUnicode says no only where the locale names another character set: many a container has no locale, and a terminal that
// shows Unicode all the same.
func showsUnicode(getenv func(string) string) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if locale := strings.ToLower(getenv(name)); locale != "" {
			return strings.Contains(locale, "utf-8") || strings.Contains(locale, "utf8")
		}
	}
	return true
}

// colour is a colour of a terminal, in the numbers of ECMA-48.
type colour string

const (
	red   colour = "31"
	green colour = "32"
	bold  colour = "1"
)

// ofPhase are colours that are told apart on dark and on light ground.
var ofPhase = [...]colour{
	probe.PhaseDNS: "36", probe.PhaseTCP: "33", probe.PhaseTLS: "35", probe.PhaseRequest: "34", probe.PhaseWait: "32", probe.PhaseTransfer: "34",
}

func (s screen) in(c colour, text string) string {
	if !s.colour {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}

func (s screen) arrow() string {
	if s.ascii {
		return "->"
	}
	return "→"
}

// bar is a bar from one time to another on an axis of this length, drawn in cells. It begins at the beginning of a cell, and its
// length is true to an eighth of one; what took no time at all is seen too.
func (s screen) bar(from, to, length time.Duration, cells int) string {
	if length <= 0 || cells <= 0 {
		return ""
	}
	// Eighths of a cell, where there are blocks for them.
	at := func(t time.Duration) int {
		return int(float64(min(max(t, 0), length)) / float64(length) * float64(8*cells))
	}
	first := min(at(from)/8, cells-1)
	eighths := max(at(to)-at(from), 1)
	var b strings.Builder
	b.WriteString(strings.Repeat(" ", first))
	if s.ascii {
		b.WriteString(strings.Repeat("=", (eighths+7)/8))
		return b.String()
	}
	b.WriteString(strings.Repeat("█", eighths/8))
	if rest := eighths % 8; rest > 0 {
		b.WriteRune([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return b.String()
}

// safe replaces what could do something to a terminal.
func safe(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}
