package redact

import "strings"

// names finds what is a secret wherever it stands: the values of names (name=value, "name": "value", headers), userinfo
// in URLs, and what is known by its look. It passes over the line once.
func (f *finder) names() {
	s := f.s
	var (
		run    span // the name that was read last
		inRun  bool
		isRef  bool // the name is that of a variable whose value is used
		quote  byte // what is open around here
		opened int  // where it was opened, behind the quote
		before byte // the byte before, or 0 at the beginning and after an escape
		git    = strings.HasPrefix(s, "git ")
	)
	for i := 0; i < len(s); {
		f.work++
		c := s[i]
		if c == '-' && before != '-' {
			if from, to := f.pemAt(i); from > 0 {
				f.add(from, to)
				i, inRun, before = max(to, from), false, '-'
				run = span{}
				continue
			}
		}
		if isName(c) {
			if !isAlnum(before) {
				if end := f.shapeAt(i); end > 0 {
					f.add(i, end)
					i, inRun, before, run = end, false, 'x', span{}
					continue
				}
			}
			if !inRun {
				inRun, run = true, span{from: i}
				isRef = before == '$' || before == '{' && i > 1 && s[i-2] == '$'
			}
			i++
			run.to, before = i, c
			continue
		}
		inRun = false
		name := s[run.from:run.to]
		switch {
		case c == '\\':
			n := unit(s[i:])
			i += n
			before = 0
			if n == 2 && s[i-1] == '\\' && i < len(s) && (s[i] == '"' || s[i] == '\'') {
				i++ // a quote in a quote, which may end a name
				continue
			}
			run = span{}
			continue
		case strings.HasPrefix(s[i:], "://"):
			f.userinfo(i + 3)
			i, before, run = i+3, '/', span{}
			continue
		case c == '\'' || c == '"':
			switch quote {
			case 0:
				quote, opened = c, i+1
			case c:
				quote = 0
			}
		case c == '=' && name != "" && !isRef:
			if from := afterBlanks(s, i+1); isSecret(name) && from < len(s) && s[from] != '=' && s[from] != '~' &&
				(from == i+1 || run.to < i) {
				i = f.value(from, quote, quote != 0 && run.from == opened, false)
			} else {
				i++
			}
			before, run = '=', span{}
			continue
		case c == ':' && name != "" && !isRef && !git && f.isKey(run, i) && isSecret(name):
			from := afterBlanks(s, i+1)
			if low := lower(name[max(0, len(name)-longestName):]); strings.HasSuffix(low, "authorization") {
				from = afterScheme(s, from)
			} else if strings.HasSuffix(low, "cookie") {
				to := f.lineEnd(from, quote)
				f.add(from, to)
				i, before, run = to, ':', span{}
				continue
			}
			i = f.value(from, quote, false, true)
			before, run = ':', span{}
			continue
		case c == ' ' || c == ']':
		default:
			run = span{}
		}
		if c >= 0xc0 {
			i += unit(s[i:])
		} else {
			i++
		}
		before = c
	}
}

// isKey says whether the name before the colon at i is a key, with a value behind: quoted as in JSON, followed by a blank
// as in YAML and headers, or a header that needs no blank.
func (f *finder) isKey(name span, i int) bool {
	if name.to < i {
		return true
	}
	if i+1 < len(f.s) && (f.s[i+1] == ' ' || f.s[i+1] == '"' || f.s[i+1] == '\'' || strings.HasPrefix(f.s[i+1:], `\\`)) {
		return true
	}
	if name.from > 0 && (f.s[name.from-1] == '{' || f.s[name.from-1] == ',') {
		return true
	}
	s := f.s[name.from:name.to]
	return hasFold(s, "x-") || hasFold(s, "authorization") || hasFold(s, "proxy-authorization")
}

// value takes out the value at from and returns where to go on. quote is what is open around it; whole says that the
// quoted text has nothing but a name and this value; listed that a comma or a brace ends it.
func (f *finder) value(from int, quote byte, whole, listed bool) int {
	s := f.s
	if from >= len(s) {
		return from
	}
	own := byte(0)
	to := from
	switch {
	case strings.HasPrefix(s[from:], `\\"`), strings.HasPrefix(s[from:], `\\'`):
		end := s[from : from+3]
		from += 3
		own = end[2]
		n := strings.Index(s[from:], end)
		if n < 0 {
			n = len(s) - from
		}
		to = from + n
		f.work += n
	case (s[from] == '"' || s[from] == '\'') && s[from] != quote:
		own = s[from]
		from++
		to = f.quoteEnd(from, own, len(s))
	default:
		if isRunning(s[from:]) {
			return from
		}
		to = f.bareEnd(from, quote, whole, listed)
	}
	if own != '\'' && isRunning(s[from:to]) {
		return from
	}
	if own == 0 {
		own = quote
	}
	if !isHarmless(s[from:to], own) {
		f.add(from, to)
	}
	return max(to, from)
}

// isRunning says whether a value is what a command writes: that is looked at as a command.
func isRunning(value string) bool {
	return strings.HasPrefix(value, "$(") || strings.HasPrefix(value, "`") || strings.HasPrefix(value, "<(")
}

// bareEnd returns where a value without quotes ends.
func (f *finder) bareEnd(from int, quote byte, whole, listed bool) int {
	s := f.s
	braces := false
	for i := from; i < len(s); {
		f.work++
		switch c := s[i]; {
		case c == '$' && i+1 < len(s) && s[i+1] == '{':
			braces = true
			i += 2
		case c == '}' && braces:
			braces = false
			i++
		case c == '\\':
			n := unit(s[i:])
			if n == 2 && s[i+1] != '\\' {
				return i // the end of a line
			}
			if i += n; n == 2 && i < len(s) {
				if s[i] == quote {
					return i - n // the end of a quote in a quote
				}
				i += unit(s[i:])
			}
		case c == quote && quote != 0:
			return i
		case c == '\'' || c == '"':
			i = min(f.quoteEnd(i+1, c, len(s))+1, len(s))
		case c == '&' && (quote == 0 || f.startsName(i+1)):
			return i
		case whole:
			i++
		case c == ' ' || c == ';' || c == '|' || c == '<' || c == '>' || c == ')':
			return i
		case listed && (c == ',' || c == '}'):
			return i
		default:
			i++
		}
	}
	return len(s)
}

// startsName says whether a name and an equals sign follow.
func (f *finder) startsName(i int) bool {
	for n := 0; i < len(f.s) && n < longestName; i, n = i+1, n+1 {
		f.work++
		if !isName(f.s[i]) {
			return n > 0 && f.s[i] == '='
		}
	}
	return false
}

// quoteEnd returns where the quoted text that begins at from ends, at the latest at limit. A backslash before a quote
// keeps it from ending one in double quotes.
func (f *finder) quoteEnd(from int, quote byte, limit int) int {
	for i := from; i < limit; {
		f.work++
		switch c := f.s[i]; {
		case c == quote:
			return i
		case c == '\\':
			n := unit(f.s[i:])
			if i += n; quote == '"' && n == 2 && f.s[i-1] == '\\' && i < limit && (f.s[i] == '"' || f.s[i] == '\\') {
				i += unit(f.s[i:])
			}
		default:
			i++
		}
	}
	return limit
}

// lineEnd returns where the quoted text or the line ends.
func (f *finder) lineEnd(from int, quote byte) int {
	for i := from; i < len(f.s); {
		f.work++
		switch c := f.s[i]; {
		case quote != 0 && c == quote, quote == 0 && (c == '\'' || c == '"'):
			return i
		case c == '\\':
			n := unit(f.s[i:])
			if n == 2 && f.s[i+1] != '\\' {
				return i
			}
			i += n
		default:
			i++
		}
	}
	return len(f.s)
}

// userinfo takes out the password of the URL whose authority begins at from, or its user if that is a long one alone, as
// tokens are given to git.
func (f *finder) userinfo(from int) {
	const longest, long = 256, 20
	s := f.s
	colon, at, port := -1, -1, true
	for i := from; i < min(len(s), from+longest); i++ {
		f.work++
		c := s[i]
		switch {
		case c == '@':
			at = i
		case c == ':' && colon < 0 && at < 0:
			colon = i
			continue
		case c == ' ' || c == '\'' || c == '"' || c == '\\' || c == '?' && at > 0:
			i = len(s)
			continue
		case c == '/' && (at > 0 || colon < 0 || port):
			i = len(s)
			continue
		}
		if colon >= 0 && (c < '0' || c > '9') {
			port = false
		}
	}
	switch {
	case at < 0:
	case colon >= 0:
		if !isReference(s[colon+1 : at]) {
			f.add(colon+1, at)
		}
	case at-from >= long && !isReference(s[from:at]):
		f.add(from, at)
	}
}

func isName(c byte) bool { return isAlnum(c) || c == '_' || c == '-' || c == '.' }

func afterBlanks(s string, i int) int {
	for i < len(s) && s[i] == ' ' {
		i++
	}
	return i
}

// afterScheme passes the first of two words: Bearer, Basic and the like.
func afterScheme(s string, i int) int {
	if strings.HasPrefix(s[i:], `\\ `) {
		i += 3
	}
	if i < len(s) && (s[i] == '"' || s[i] == '\'') {
		i++
	}
	n := i
	for n < len(s) && (isAlnum(s[n]) || s[n] == '-') {
		n++
	}
	switch rest := s[n:]; {
	case n == i || n-i > 20:
	case strings.HasPrefix(rest, `\\ `):
		return n + 3
	case strings.HasPrefix(rest, " "):
		return afterBlanks(s, n)
	}
	return i
}
