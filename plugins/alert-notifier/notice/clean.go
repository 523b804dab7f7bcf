package notice

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/graphemes"
)

// The longest texts, in characters: what is longer says nothing more to whom it wakes.
const (
	maxName    = 200
	maxLabel   = 200
	maxSummary = 500
	maxDetail  = 2000
	maxText    = 16000
	maxTitle   = 200
)

// maxMarks is how many marks a letter may carry: with more of them a text grows over its neighbours.
const maxMarks = 8

// mark stands for a character that must not be shown.
const mark = utf8.RuneError

// Line cleans a text that stands within a line.
func Line(text string) string {
	return strings.Join(strings.FieldsFunc(clean(text), func(r rune) bool { return r == '\n' || r == ' ' }), " ")
}

// Lines cleans a text of several lines.
func Lines(text string) string { return strings.Trim(clean(text), "\n ") }

// clean keeps what can be seen. Characters of control and those that turn the direction of the text leave a mark, because
// they are there to deceive; what only takes no room is left out.
func clean(text string) string {
	if text = strings.ToValidUTF8(text, string(mark)); plain(text) {
		return text
	}
	var b strings.Builder
	b.Grow(len(text))
	var last rune
	marks := 0
	for i, r := range text {
		next, _ := utf8.DecodeRuneInString(text[i+utf8.RuneLen(r):])
		switch {
		case r == '\r' && next == '\n':
			continue
		case r == '\n' || r == '\r' || r == '\v' || r == '\f' || r == '\u0085' || r == '\u2028' || r == '\u2029':
			r = '\n'
		case r == '\t' || unicode.Is(unicode.Zs, r) || isFiller(r):
			r = ' '
		case unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Bidi_Control, r):
			r = mark
		case r == '\u200d' && isPicture(last) && isPicture(next):
			// Families and professions are pictures that are joined.
		case unicode.Is(unicode.Cf, r) || r == '\u034f' || r >= 0xE0000 && r <= 0xE0FFF || r >= 0xFFF0 && r <= 0xFFF8:
			continue
		}
		if !unicode.In(r, unicode.Mn, unicode.Me) {
			marks = 0
		} else if marks++; marks > maxMarks {
			continue
		}
		b.WriteRune(r)
		last = r
	}
	return b.String()
}

// plain reports whether there is nothing to clean, as in most texts: letters of ASCII, Chinese, and its punctuation.
func plain(text string) bool {
	for _, r := range text {
		switch {
		case r >= ' ' && r < 0x7f, r == '\n', r >= 0x4e00 && r <= 0x9fff, r >= 0x3001 && r <= 0x3020, r >= 0xff01 && r <= 0xff5e:
		default:
			return false
		}
	}
	return true
}

// isFiller reports whether a letter looks like nothing at all.
func isFiller(r rune) bool {
	return r == '\u115f' || r == '\u1160' || r == '\u3164' || r == '\uffa0' || r == '\u2800'
}

// isPicture reports whether a character can be joined with another to one picture.
func isPicture(r rune) bool {
	return r == '\ufe0f' || unicode.In(r, unicode.So, unicode.Sk) && r > 0x2000
}

// maxCluster is the longest character, in bytes: there are scripts in which one may be longer than any message.
const maxCluster = 120

// Cut shortens a text to so many characters, as people count them: an emoji of a family is one. The last is an ellipsis if
// something is missing.
func Cut(text string, most int) (string, bool) {
	if utf8.RuneCountInString(text) <= most { // none has more characters than that
		return text, false
	}
	return cut(text, most, func(string) int { return 1 })
}

// CutBytes shortens a text to so many bytes, between characters.
func CutBytes(text string, most int) (string, bool) {
	return cut(text, most, func(cluster string) int { return len(cluster) })
}

const ellipsis = "…"

func cut(text string, most int, size func(cluster string) int) (string, bool) {
	if len(text) <= most {
		return text, false
	}
	total, end, room := 0, 0, most-size(ellipsis)
	if room < 0 {
		return "", text != ""
	}
	// add counts a character, and reports whether there is room for it.
	add := func(cluster string, after int) bool {
		if total += size(cluster); total <= room {
			end = after
		}
		return total <= most
	}
	for g := graphemes.FromString(text); g.Next(); {
		cluster := g.Value()
		if len(cluster) <= maxCluster {
			if !add(cluster, g.End()) {
				return text[:end] + ellipsis, true
			}
			continue
		}
		for i, r := range cluster {
			if !add(string(r), g.Start()+i+utf8.RuneLen(r)) {
				return text[:end] + ellipsis, true
			}
		}
	}
	return text, false
}

// Address returns an address that may become a link: http or https, without what could end it in any markup; nothing if
// it is none.
func Address(text string) string {
	if len(text) > 2000 || !strings.HasPrefix(text, "https://") && !strings.HasPrefix(text, "http://") {
		return ""
	}
	var b strings.Builder
	for i := range len(text) {
		switch c := text[i]; {
		case c <= ' ' || c == 0x7f:
			return ""
		case c >= 0x80 || strings.IndexByte("\"'()<>[\\]^`{|}*", c) >= 0:
			const hex = "0123456789ABCDEF"
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		default:
			b.WriteByte(c)
		}
	}
	if u := b.String(); validAddress(u) {
		return u
	}
	return ""
}
