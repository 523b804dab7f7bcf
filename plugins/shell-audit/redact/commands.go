package redact

import (
	"slices"
	"strings"
)

// deepest is how many quotes within quotes are looked into.
const deepest = 3

// command is what is known of a simple command while its words are read.
type command struct {
	tool     *tool // nil until it is known
	name     string
	runs     bool // a word to come may be the name of a tool
	sudo     bool
	expect   form // what the next word is
	lax      bool // an option may come in the place of what is expected
	count    int  // arguments until a secret; 0 for none
	prev     string
	here     span // the text of a here-string
	toHere   bool // the next word is one
	toFile   bool // the next word is a file's name
	stdin    form
	piped    span // what the command before has said, word by word
	says     span
	last     span
	lastIsIt bool
	login    bool // docker login: -p is no port
	identify bool // SQL: IDENTIFIED was read
}

// commands finds secrets by what the words of a command mean: arguments of options, those of known tools, what is said to
// a tool that reads a secret. It passes once over the text and once more over what is quoted, to a bounded depth.
func (f *finder) commands(from, to, depth int) {
	var c command
	s := f.s
	for i := from; i < to; {
		f.work++
		switch b := s[i]; {
		case b == ' ':
			i++
		case b == '\\' && i+1 < to && (s[i+1] == 't' || s[i+1] == 'r'):
			i += 2
		case b == '\\' && i+1 < to && s[i+1] == 'n':
			f.end(&c)
			c = command{}
			i += 2
		case b == '|' && !(i+1 < to && s[i+1] == '|'):
			f.end(&c)
			c = command{piped: c.says}
			i++
		case b == '(' && depth > 0 && equalFold(c.prev, "password"):
			c.expect = all // SQL: PASSWORD('x')
			i++
		case strings.IndexByte(";|&()`", b) >= 0:
			f.end(&c)
			c = command{}
			i++
		case strings.HasPrefix(s[i:to], "<<<"):
			c.toHere = true
			i += 3
		case b == '<' || b == '>':
			c.toFile = !(i+1 < to && (s[i+1] == '(' || s[i+1] == '&'))
			i++
		default:
			end := f.wordEnd(i, to, depth)
			f.word(&c, i, end, depth)
			i = end
		}
	}
	f.end(&c)
}

// wordEnd returns where the word at i ends, at least one byte on.
func (f *finder) wordEnd(i, to, depth int) int {
	s := f.s
	for from := i; i < to; {
		f.work++
		switch b := s[i]; {
		case b == '\\':
			n := min(unit(s[i:]), to-i)
			if n == 2 && s[i+1] != '\\' && i > from {
				return i
			}
			if i += n; n == 2 && i < to {
				if depth > 0 && s[i] == '"' { // a quote in a quote
					end := strings.Index(s[i:to], `\\"`)
					f.work += max(end, 1)
					if end >= 0 {
						i += end + len(`\\"`)
						continue
					}
				}
				i = min(i+unit(s[i:]), to)
			}
		case b == '\'' || b == '"':
			if end := f.quoteEnd(i+1, b, to); end < to {
				i = end + 1
			} else {
				i++ // an apostrophe
			}
		case b == ' ' || strings.IndexByte(";|&()`<>", b) >= 0:
			return i
		default:
			i++
		}
	}
	return to
}

// unquote returns the text of a word that is quoted as a whole, and the quote.
func (f *finder) unquote(from, to int) (span, byte) {
	if from < to && f.s[from] == '$' && from+1 < to && f.s[from+1] == '\'' {
		from++
	}
	const escaped = `\\"`
	if s := f.s[from:to]; len(s) >= 2*len(escaped) && strings.HasPrefix(s, escaped) && strings.HasSuffix(s, escaped) {
		return span{from + len(escaped), to - len(escaped)}, '"'
	}
	if to-from >= 2 && (f.s[from] == '\'' || f.s[from] == '"') && f.s[to-1] == f.s[from] {
		return span{from + 1, to - 1}, f.s[from]
	}
	return span{from, to}, 0
}

func (f *finder) word(c *command, from, to, depth int) {
	in, quote := f.unquote(from, to)
	text := f.s[in.from:in.to]
	defer func() { c.prev, c.last = text, span{from, to} }()
	switch {
	case c.toFile:
		c.toFile = false
		return
	case c.toHere:
		c.toHere, c.here = false, span{from, to}
		return
	case c.expect != 0 && !(c.lax && strings.HasPrefix(text, "-")):
		f.take(c.expect, from, to)
		c.expect = 0
		return
	}
	c.expect = 0
	f.within(from, to, depth)
	if c.tool == nil && f.isTool(c, text) {
		return
	}
	if c.tool != nil && c.tool.says && !(strings.HasPrefix(text, "-") && c.says.to == 0) {
		if c.says.to == 0 {
			c.says.from = from
		}
		c.says.to = to
	}
	if strings.HasPrefix(text, "-") && len(text) > 1 || strings.HasPrefix(text, "/p:") {
		f.option(c, from, to)
		return
	}
	if c.count > 0 {
		if c.count--; c.count == 0 && strings.IndexByte(text, '=') < 0 {
			f.take(all, from, to)
			return
		}
	}
	f.argument(c, text, from, to, quote, depth)
}

// within looks into a quoted text that may be a command.
func (f *finder) within(from, to, depth int) {
	if depth == deepest {
		return
	}
	i := from
	for i < to && f.s[i] != '\'' && f.s[i] != '"' {
		f.work++
		i++
	}
	if i < to && to-i > 2 && f.s[to-1] == f.s[i] && strings.IndexByte(f.s[i:to], ' ') >= 0 {
		f.commands(i+1, to-1, depth+1)
	}
}

// isTool says whether a word is the name of what is run, or stands before it.
func (f *finder) isTool(c *command, text string) bool {
	if strings.HasPrefix(text, "-") {
		if c.sudo && (isCluster(text, 'S') || text == "--stdin") {
			c.stdin = all
		}
		return false
	}
	if n := strings.IndexByte(text, '='); n > 0 && !c.runs {
		return true // an assignment
	}
	name := text[strings.LastIndexByte(text, '/')+1:]
	t := tools[name]
	switch {
	case t == nil && c.runs:
		return false
	case t == nil:
		c.tool, c.name = &tool{}, name
		return true
	}
	c.name = name
	c.sudo = c.sudo || name == "sudo"
	if t.runs {
		c.runs = true
		if t.options == nil {
			return true
		}
	}
	c.tool, c.count = t, t.behind
	if t.first != 0 {
		c.expect, c.lax = t.first, true
	}
	if t.stdin != 0 {
		c.stdin = t.stdin
	}
	return true
}

func (f *finder) option(c *command, from, to int) {
	in, _ := f.unquote(from, to)
	text := f.s[in.from:in.to]
	switch {
	case text == "--password-stdin" || text == "--passphrase-fd" || text == "--stdin" && (c.name == "passwd" || c.sudo):
		c.stdin = all
		return
	case text == "--" && c.tool != nil && slices.Contains(c.tool.runsAfter, "--"):
		c.tool, c.runs = nil, true
		return
	}
	if c.tool != nil {
		if c.tool.last != 0 && isCluster(text, c.tool.last) {
			c.lastIsIt = true
		}
		if c.tool.runsAfter == nil || c.login {
			for _, o := range c.tool.options {
				if f.known(c, o, text, in) {
					return
				}
			}
		}
	}
	if name := strings.TrimLeft(text, "-"); len(name) >= 2 && strings.IndexByte(name, '=') < 0 && isSecret(name) &&
		(strings.HasPrefix(text, "--") || len(name) >= 4) {
		c.expect, c.lax = all, true
	}
}

// known says whether text is the option o, and takes its argument or expects it.
func (f *finder) known(c *command, o option, text string, in span) bool {
	rest, ok := strings.CutPrefix(text, o.name)
	short := len(o.name) == 2
	switch {
	case ok && rest == "" && o.separate, o.separate && short && isCluster(text, o.name[1]) && text[len(text)-1] == o.name[1]:
		c.expect, c.lax = o.form, false
	case ok && rest != "" && rest[0] == '=' && !short:
		f.take(o.form, in.to-len(rest)+1, in.to)
	case ok && rest != "" && o.attached:
		f.take(o.form, in.to-len(rest), in.to)
	default:
		return false
	}
	return true
}

// isCluster says whether text is a dash and some letters, letter among them.
func isCluster(text string, letter byte) bool {
	if len(text) < 2 || len(text) > 8 || text[0] != '-' {
		return false
	}
	for i := 1; i < len(text); i++ {
		if c := toLower(text[i]); c < 'a' || c > 'z' {
			return false
		}
	}
	return strings.IndexByte(text, letter) > 0
}

// setters are words behind which a name and its value may be two words.
var setters = []string{"set", "setx", "config", "--global", "--add", "put", "write"}

func (f *finder) argument(c *command, text string, from, to int, quote byte, depth int) {
	switch {
	case c.tool != nil && slices.Contains(c.tool.runsAfter, text):
		c.tool, c.runs = nil, true
	case text == "login" && c.tool != nil && c.tool.runsAfter != nil:
		c.login = true
	case equalFold(text, "identified"):
		c.identify = true
	case c.identify && equalFold(text, "by"):
		c.expect, c.identify = all, false
	case quote == '\'' && depth > 0 && equalFold(c.prev, "password"):
		f.take(all, from, to) // SQL: PASSWORD 'x'
	case slices.Contains(setters, c.prev) && quote == 0:
		name := text[strings.LastIndexAny(text, "/:")+1:]
		if strings.IndexByte(text, '=') < 0 && strings.ContainsAny(text, "_.-:") && isSecret(name) || name == "requirepass" {
			c.expect, c.lax = all, true
		}
	case c.tool != nil:
		if n, ok := c.tool.after[text]; ok {
			c.count = n + 1
		}
	}
}

// end is called when all words of a command were read.
func (f *finder) end(c *command) {
	if c.stdin != 0 {
		for _, said := range []span{c.piped, c.here} {
			if said.to > 0 {
				f.take(c.stdin, said.from, said.to)
			}
		}
	}
	if c.lastIsIt {
		f.take(all, c.last.from, c.last.to)
	}
}

// take takes the secret out of an argument.
func (f *finder) take(how form, from, to int) {
	in, quote := f.unquote(from, to)
	s := f.s[in.from:in.to]
	f.work += len(s)
	cut := func(sep string) {
		if n := strings.Index(s, sep); n >= 0 {
			in.from += n + len(sep)
		} else {
			in.from = in.to
		}
	}
	switch how {
	case colon:
		cut(":")
	case percent:
		cut("%")
	case comma:
		cut(",")
	case slash:
		if at := strings.LastIndexByte(s, '@'); at >= 0 {
			in.to = in.from + at
			s = s[:at]
		}
		cut("/")
	case prefix:
		if strings.HasPrefix(s, "pass:") {
			in.from += len("pass:")
		} else if strings.IndexByte(s, ':') >= 0 || s == "stdin" {
			in.from = in.to // a file, a variable, a descriptor
		}
	}
	if inner, q := f.unquote(in.from, in.to); q != 0 {
		in, quote = inner, q
	}
	if in.from < in.to && !isHarmless(f.s[in.from:in.to], quote) {
		f.add(in.from, in.to)
	}
}

func equalFold(s, word string) bool { return len(s) == len(word) && hasFold(s, word) }
