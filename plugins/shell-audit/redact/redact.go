// Package redact takes secrets out of a command line and leaves the rest, which an auditor needs. It works on clean text
// (package text): one line, in which an escape stands for what is no printable character.
//
// What it promises:
//
//   - Only the value of a secret is replaced, by Mark. What was a text of package text before is one afterwards.
//   - Built-in rules see the whole line, however long it is: they are a gate of substrings and two passes that look at each
//     byte a bounded number of times. No line makes them slow, and no secret is missed for being far right.
//   - Rules of the site are RE2, of which New bounds the size. Where all of them together would take too long for the
//     longest lines, the end of such a line is withheld, and counted, rather than shown without having been looked at.
//   - References to secrets, such as "$PASSWORD", and names of files are not secrets and stay.
//
// It finds what people type by mistake or habit. It does not find what somebody hides from it: pass"word"=x is typed by
// nobody who wants to be redacted.
package redact

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
)

// Mark stands for a value that was taken out, Withheld for the end of a line that the site's rules have not seen.
const (
	Mark     = "[redacted]"
	Withheld = "[withheld]"
)

const (
	// stepsPerLine bounds what the site's rules may cost for one line: bytes times the instructions of all rules.
	stepsPerLine = 8 << 20
	// siteSize bounds the instructions of all rules, so that the first 4 KiB of a line are always looked at.
	siteSize = stepsPerLine / (4 << 10)
)

// Rules are the built-in rules and those of a site. They may be used by several goroutines.
type Rules struct {
	gate gate
	site []*regexp.Regexp
	// seen is how many bytes of a line the site's rules look at.
	seen int
}

// New compiles a site's rules. A rule's capture groups are what is replaced, or all that it matches if it has none.
func New(site []string) (*Rules, error) {
	r := &Rules{gate: newGate()}
	size := 0
	for i, pattern := range site {
		n, err := instructions(pattern)
		if err != nil {
			return nil, fmt.Errorf("redact rule %d, %q: %w", i+1, pattern, err)
		}
		if size += n; size > siteSize {
			return nil, fmt.Errorf("redact rule %d, %q: the rules up to this one have %d instructions, the most is %d: "+
				"use fewer, or smaller counts in braces", i+1, pattern, size, siteSize)
		}
		re := regexp.MustCompile(pattern) // instructions has compiled it
		if re.MatchString("") {
			return nil, fmt.Errorf("redact rule %d, %q: it matches nothing at all, so it would match everywhere: "+
				"use + in the place of *", i+1, pattern)
		}
		r.site = append(r.site, re)
	}
	r.seen = stepsPerLine / max(size, 1)
	return r, nil
}

func instructions(pattern string) (int, error) {
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return 0, err
	}
	prog, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return 0, err
	}
	return len(prog.Inst), nil
}

// Redact returns a clean text without its secrets, and how many values were replaced. Where there are none it is s itself.
func (r *Rules) Redact(s string) (string, int) {
	var f finder
	if r.gate.opens(s) {
		f.s = s
		f.names()
		f.commands(0, len(s), 0)
	}
	seen := min(len(s), r.seen)
	for _, rule := range r.site {
		for _, m := range rule.FindAllStringSubmatchIndex(s[:seen], -1) {
			if len(m) == 2 {
				f.add(m[0], m[1])
			}
			for i := 2; i < len(m); i += 2 {
				f.add(m[i], m[i+1])
			}
		}
	}
	if len(f.spans) == 0 && seen == len(s) {
		return s, 0
	}
	return replace(s, seen, f.spans)
}

// MAC returns what tells equal commands without telling the command: the HMAC of what was typed, by a key of the host.
func MAC(key []byte, typed string) string {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(typed))
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// span is a value to replace.
type span struct{ from, to int }

// finder collects the secrets of a text.
type finder struct {
	s     string
	spans []span
	work  int // bytes looked at
}

func (f *finder) add(from, to int) {
	if from >= 0 && from < to {
		f.spans = append(f.spans, span{from, to})
	}
}

// replace puts Mark in the place of each span, of which overlapping ones count as one, and Withheld in that of all from
// seen on. What is replaced begins and ends between escapes.
func replace(s string, seen int, spans []span) (string, int) {
	if seen < len(s) {
		spans = append(spans, span{seen, len(s)})
	}
	slices.SortFunc(spans, func(a, b span) int { return a.from - b.from })
	out := make([]byte, 0, len(s)+len(spans)*len(Mark))
	count, at := 0, 0
	for i := 0; i < len(spans); {
		from, to := spans[i].from, spans[i].to
		for at < len(s) && at+unit(s[at:]) <= from {
			n := unit(s[at:])
			out = append(out, s[at:at+n]...)
			at += n
		}
		for ; i < len(spans) && spans[i].from <= to; i++ {
			to = max(to, spans[i].to)
		}
		for at < to {
			at += unit(s[at:])
			for ; i < len(spans) && spans[i].from < at; i++ {
				to = max(to, spans[i].to)
			}
		}
		mark := Mark
		if from >= seen {
			mark = Withheld
		}
		out = append(out, mark...)
		count++
	}
	return string(append(out, s[at:]...)), count
}

// unit is the length of the escape, character or byte at the beginning of s.
func unit(s string) int {
	n := 1
	switch {
	case s[0] == '\\' && len(s) > 1:
		switch s[1] {
		case 'x':
			n = 4
		case 'u':
			n = 6
		case 'U':
			n = 10
		default:
			n = 2
		}
	case s[0] >= 0xc0: // the regular expressions find whole characters, and so does everything else
		for n < len(s) && n < 4 && s[n]&0xc0 == 0x80 {
			n++
		}
	}
	return min(n, len(s))
}
