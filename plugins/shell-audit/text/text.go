// Package text makes what somebody typed safe to store and to show. Clean returns one line of printable characters,
// whatever the bytes were, and Restore returns those bytes.
//
// What stands for itself is what is seen as itself: letters, digits, marks, punctuation, symbols and the space. Everything
// else is written as an escape, so that it neither steers a terminal nor hides:
//
//	\\        a backslash
//	\n \r \t  as everywhere
//	\xNN      another control character below 0x80, or a byte that is no UTF-8
//	\uNNNN    another character: C1, bidirectional and zero-width ones, other spaces and line ends, private use, variation
//	          selectors, fillers, tags, what is not assigned
//	\UNNNNNNNN  the same above U+FFFF
package text

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Clean returns s with its escapes. Where there is nothing to escape it is s itself.
func Clean(s string) string {
	i := plain(s)
	if i == len(s) {
		return s
	}
	out := make([]byte, 0, len(s)+len(s)/8+16)
	for from := 0; ; {
		out = append(out, s[from:from+i]...)
		from += i
		if from == len(s) {
			return string(out)
		}
		r, n := utf8.DecodeRuneInString(s[from:])
		out = appendEscape(out, r, s[from], n)
		from += n
		i = plain(s[from:])
	}
}

// plain is the length of what stands for itself at the beginning of s.
func plain(s string) int {
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			if c < ' ' || c == 0x7f || c == '\\' {
				return i
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 || !isSeen(r) {
			return i
		}
		i += n
	}
	return len(s)
}

// isSeen says whether r stands for itself.
//
// Private use is escaped because what it looks like is for each font to say. So are other spaces, which look like the
// one that parts words and do not part them.
func isSeen(r rune) bool {
	switch {
	case r < ' ', r == '\\', r >= 0x7f && r < 0xa0:
		return false
	case r < 0x7f:
		return true
	case r == '\u2800': // a Braille pattern without a dot
		return false
	case unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r), unicode.Is(unicode.Variation_Selector, r):
		return false
	}
	return unicode.IsPrint(r)
}

func appendEscape(out []byte, r rune, first byte, n int) []byte {
	const digits = "0123456789abcdef"
	switch {
	case first == '\\':
		return append(out, `\\`...)
	case first == '\n':
		return append(out, `\n`...)
	case first == '\r':
		return append(out, `\r`...)
	case first == '\t':
		return append(out, `\t`...)
	case n == 1:
		return append(out, '\\', 'x', digits[first>>4], digits[first&15])
	case r <= 0xffff:
		return fmt.Appendf(out, `\u%04x`, r)
	}
	return fmt.Appendf(out, `\U%08x`, r)
}

// Restore returns the bytes that Clean was given. It refuses what Clean does not write.
func Restore(s string) (string, error) {
	if strings.IndexByte(s, '\\') < 0 {
		return s, nil
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		n := unit(s[i:])
		if s[i] != '\\' {
			out = append(out, s[i:i+n]...)
			i += n
			continue
		}
		escape := s[i : i+n]
		i += n
		switch {
		case n < whole(escape):
			return "", errors.New("restore text: it ends within an escape")
		case n == 2:
			c := strings.IndexByte(`\nrt`, escape[1])
			if c < 0 {
				return "", fmt.Errorf("restore text: %q is no escape", escape)
			}
			out = append(out, "\\\n\r\t"[c])
		default:
			v, err := strconv.ParseUint(escape[2:], 16, 32)
			if err != nil || escape[1] != 'x' && (v > unicode.MaxRune || !utf8.ValidRune(rune(v))) {
				return "", fmt.Errorf("restore text: %q is no escape", escape)
			}
			if escape[1] == 'x' {
				out = append(out, byte(v))
			} else {
				out = utf8.AppendRune(out, rune(v))
			}
		}
	}
	return string(out), nil
}

// Cut returns the longest beginning of a clean text that has at most n bytes and ends neither within an escape nor
// within a character.
func Cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	end := 0
	for {
		next := end + unit(s[end:])
		if next > n {
			return s[:end]
		}
		end = next
	}
}

// unit is the length of the escape or the character at the beginning of s.
func unit(s string) int {
	if s[0] == '\\' {
		return min(whole(s), len(s))
	}
	_, n := utf8.DecodeRuneInString(s)
	return n
}

// whole is how long the escape at the beginning of s should be.
func whole(s string) int {
	if len(s) > 1 {
		switch s[1] {
		case 'x':
			return 4
		case 'u':
			return 6
		case 'U':
			return 10
		}
	}
	return 2
}
