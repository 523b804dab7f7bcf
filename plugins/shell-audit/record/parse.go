package record

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
)

// fields of a header.
const fields = 14

// The longest times that fit in nanoseconds, which is what points have.
const maxMicros = math.MaxInt64 / 1000

// Parse returns the record that b is: all of it, with the NUL at its end and no other.
func Parse(b []byte) (Record, error) {
	if len(b) == 0 || b[len(b)-1] != 0 {
		return Record{}, errors.New("record does not end with a NUL")
	}
	if len(b) > MaxSize {
		return Record{}, fmt.Errorf("record has %d bytes, the most is %d", len(b), MaxSize)
	}
	b = b[:len(b)-1]
	if bytes.IndexByte(b, 0) >= 0 {
		return Record{}, errors.New("record has a NUL within")
	}
	return parse(b)
}

// parse returns the record that b is, which has neither a NUL nor more than MaxSize bytes.
func parse(b []byte) (Record, error) {
	end := bytes.IndexByte(b[:min(len(b), maxHeader)], '\n')
	if end < 0 {
		return Record{}, errors.New("record has no header")
	}
	p := header{rest: b[:end]}
	if version := p.next(); string(version) != "1" {
		return Record{}, fmt.Errorf("record has version %.8q, only 1 is known", version)
	}
	var r Record
	if kind := p.next(); len(kind) == 1 && strings.IndexByte("SECHX", kind[0]) >= 0 {
		r.Kind = Kind(kind[0])
	} else {
		p.fail("kind", kind)
	}
	encoding := p.next()
	if s := string(encoding); s != "raw" && s != "url" {
		p.fail("encoding", encoding)
	}
	shell := p.next()
	if !isShell(shell) {
		p.fail("shell", shell)
	}
	r.PID = int(p.number("pid", 1, math.MaxInt32))
	r.Birth = p.number("start", 0, math.MaxInt64)
	r.Seq = p.number("seq", 1, math.MaxInt64)
	r.History = p.number("hist", NoHistory, math.MaxInt64)
	r.Started = Micros(p.number("t0", 0, maxMicros))
	r.Ended = Micros(p.number("t1", 0, maxMicros))
	r.Exit = int(p.number("rc", math.MinInt32, math.MaxInt32))
	cwd := p.number("cwdlen", 0, MaxCwd)
	command := p.number("cmdlen", 0, MaxCommand)
	r.Full = p.number("fulllen", command, math.MaxInt64)
	if p.err == nil && (p.count != fields || p.rest != nil) {
		p.err = fmt.Errorf("record has not the %d fields of a header", fields)
	}
	if p.err != nil {
		return Record{}, p.err
	}
	body := b[end+1:]
	if int64(len(body)) != cwd+command {
		return Record{}, fmt.Errorf("record has a text of %d bytes and claims %d and %d", len(body), cwd, command)
	}
	if r.Kind == End && command > 0 {
		return Record{}, errors.New("record of an end has a command")
	}
	r.Shell = string(shell)
	r.Truncated = r.Full > command
	if string(encoding) == "raw" {
		r.Cwd, r.Command = string(body[:cwd]), string(body[cwd:])
		return r, nil
	}
	var err error
	if r.Cwd, err = unescape(body[:cwd], cwd == MaxCwd); err != nil {
		return Record{}, fmt.Errorf("record's cwd: %w", err)
	}
	if r.Command, err = unescape(body[cwd:], r.Truncated); err != nil {
		return Record{}, fmt.Errorf("record's command: %w", err)
	}
	if !r.Truncated {
		r.Full = int64(len(r.Command))
	}
	return r, nil
}

// header takes the fields of a header, which one space parts, and keeps the first error.
type header struct {
	rest  []byte // nil after the last field
	count int
	err   error
}

func (p *header) next() []byte {
	if p.rest == nil {
		return nil
	}
	p.count++
	field, rest, more := bytes.Cut(p.rest, []byte(" "))
	p.rest = nil
	if more {
		p.rest = rest
	}
	return field
}

func (p *header) fail(name string, value []byte) {
	if p.err == nil {
		p.err = fmt.Errorf("record's %s is %.24q", name, value)
	}
}

// number takes a decimal number in its only form, without plus or leading zeros.
func (p *header) number(name string, least, most int64) int64 {
	field := p.next()
	digits := field
	negative := len(digits) > 1 && digits[0] == '-'
	if negative {
		digits = digits[1:]
	}
	if len(digits) == 0 || len(digits) > 19 || digits[0] == '0' && (negative || len(digits) > 1) {
		p.fail(name, field)
		return 0
	}
	var u uint64
	for _, c := range digits {
		if c < '0' || c > '9' {
			p.fail(name, field)
			return 0
		}
		u = u*10 + uint64(c-'0') // 19 digits fit
	}
	if u > math.MaxInt64 {
		p.fail(name, field)
		return 0
	}
	n := int64(u)
	if negative {
		n = -n
	}
	if n < least || n > most {
		p.fail(name, field)
		return 0
	}
	return n
}

func isShell(name []byte) bool {
	if len(name) == 0 || len(name) > maxShell {
		return false
	}
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// unescape decodes percent-encoding. A cut text may end within an escape, which then is left out.
func unescape(b []byte, cut bool) (string, error) {
	if bytes.IndexByte(b, '%') < 0 {
		return string(b), nil
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] != '%' {
			out = append(out, b[i])
			continue
		}
		if i+2 >= len(b) {
			if cut {
				break
			}
			return "", fmt.Errorf("%q is no escape", b[i:])
		}
		high, low := unhex(b[i+1]), unhex(b[i+2])
		if high < 0 || low < 0 {
			return "", fmt.Errorf("%q is no escape", b[i:i+3])
		}
		out = append(out, byte(high<<4|low))
		i += 2
	}
	return string(out), nil
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
