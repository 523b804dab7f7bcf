package template

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// How many characters a text has at most: one that is a line, and one that has several.
const (
	MaxLine  = 500
	MaxLines = 2000
)

// Clean makes a text safe to show. What nobody sees, what steers a terminal, and what turns the direction of writing is taken out;
// any space is a plain one. A line break is a space too, unless lines says that there may be several. A text of more than limit
// characters is cut, and ends with "…".
func Clean(text string, limit int, lines bool) string {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	var out strings.Builder
	n, end := 0, 0 // of the characters, and where the text would be cut
	for _, r := range text {
		switch {
		case r == '\n' || r == '\r' || r == '\v' || r == '\f' || r == '\u0085' || r == '\u2028' || r == '\u2029':
			if r = ' '; lines {
				r = '\n'
			}
		case r == '\t' || unicode.Is(unicode.Zs, r):
			r = ' '
		case !isSeen(r):
			continue
		}
		if n++; n == limit {
			end = out.Len()
		}
		if n > limit {
			return strings.TrimSpace(out.String()[:end]) + "…"
		}
		out.WriteRune(r)
	}
	return strings.TrimSpace(out.String())
}

// isSeen reports whether a character is seen as itself. Private ones look like what a font makes of them, and selectors carry text
// that nobody sees.
func isSeen(r rune) bool {
	switch {
	case r == utf8.RuneError:
		return true // it stands for what was no UTF-8
	case r == '\u2800': // a Braille pattern without a dot
		return false
	case unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r), unicode.Is(unicode.Variation_Selector, r):
		return false
	}
	return unicode.IsPrint(r)
}
