package probe

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
)

// Bounds of what a server can make a probe read before the body, in bytes. They are above what servers in the field send
// and about where curl gives up (100 KiB a line, 300 KiB in all).
const (
	maxHead = 256 << 10 // all heads, interim ones included; and a chunked body's trailer
	maxLine = 64 << 10
)

var errBodyTooLong = errors.New("body too long")

// answer reads one HTTP/1 response. What it holds is reused from probe to probe.
type answer struct {
	in *bufio.Reader

	maxBody int64
	search  search
	keep    int64  // how much of the body is kept, in bytes
	kept    []byte // its beginning

	status        int
	version       string // "1.1"
	headerSize    int64
	bodySize      int64
	contentLength int64 // -1 if unknown
	chunked       bool

	// head holds the field lines of the final response, each with its end, and folded ones (RFC 9112, 5.2) unfolded.
	head []byte
}

// answers is a cache. 16 KiB take a whole record of TLS, and a short page at once.
var answers = sync.Pool{New: func() any { return &answer{in: bufio.NewReaderSize(nil, 16<<10)} }}

// reset prepares for the answer to a request of t's.
func (a *answer) reset(t *Target) {
	a.maxBody, a.keep = t.MaxBody, 0
	text := t.Expect.BodyContains
	if t.Compression {
		text = "" // it is looked for in what is decoded
	}
	if t.keepsBody() {
		a.keep = t.Expect.BodyLimit
	}
	a.search.reset(text)
	a.status, a.version, a.headerSize, a.bodySize, a.contentLength, a.chunked = 0, "", 0, 0, -1, false
	a.head, a.kept = a.head[:0], a.kept[:0]
}

func (a *answer) release() {
	a.in.Reset(nil)
	// What is large is an exception; do not keep its memory.
	if cap(a.head) > 16<<10 {
		a.head = nil
	}
	if cap(a.kept) > 64<<10 {
		a.kept = nil
	}
	answers.Put(a)
}

// readHead reads up to the blank line that ends the final response's head. Interim responses (1xx) are skipped, but count in
// headerSize. 101 is final: nobody asked to switch protocols, so what follows it is not HTTP.
func (a *answer) readHead() error {
	for {
		if err := a.readStatusLine(); err != nil {
			return err
		}
		if err := a.readFields(&a.headerSize); err != nil {
			return err
		}
		if a.status >= 200 || a.status == 101 {
			return a.readFraming()
		}
	}
}

func (a *answer) readStatusLine() error {
	const magic = "HTTP/1."
	// What is not HTTP shows in its first bytes; do not wait for a line's end that may never come.
	if start, _ := a.in.Peek(min(a.in.Buffered(), len(magic))); !bytes.HasPrefix([]byte(magic), start) {
		start, _ = a.in.Peek(min(a.in.Buffered(), maxWord+1))
		return noHTTP1(quoteWord(string(start)))
	}
	a.head = a.head[:0]
	line, err := a.readLine(&a.headerSize)
	if err != nil {
		return fmt.Errorf("%s within the status line", reason(err))
	}
	line = bytes.TrimRight(line, "\r\n")
	code := len(magic) + 2 // "HTTP/1.1 200", and then a reason or nothing
	if len(line) < code+3 || string(line[:len(magic)]) != magic || line[code-1] != ' ' || len(line) > code+3 && line[code+3] != ' ' {
		return noHTTP1(quoteBeginning(string(line), code+3))
	}
	status, err := parseCode(string(line[code : code+3]))
	if minor := line[len(magic)]; err != nil || minor < '0' || minor > '9' {
		return noHTTP1(quoteBeginning(string(line), code+3))
	} else if minor == '0' {
		a.version = "1.0"
	} else {
		a.version = "1.1" // the highest there is
	}
	a.status = status
	a.head = a.head[:0]
	return nil
}

func noHTTP1(start string) error { return fmt.Errorf("not HTTP/1: it starts with %s", start) }

// readFields reads field lines into a.head until the blank line, and adds their size to size.
func (a *answer) readFields(size *int64) error {
	for {
		line, err := a.readLine(size)
		if err != nil {
			return fmt.Errorf("%s within the header", reason(err))
		}
		start := len(a.head) - len(line)
		if isBlank(line) {
			a.head = a.head[:start]
			return nil
		}
		if (line[0] == ' ' || line[0] == '\t') && start > 0 {
			a.head[start-1] = ' '
			if start > 1 && a.head[start-2] == '\r' {
				a.head[start-2] = ' '
			}
		}
	}
}

// readLine appends a line with its end to a.head and its length to size, and returns it.
func (a *answer) readLine(size *int64) ([]byte, error) {
	start := len(a.head)
	for {
		piece, err := a.in.ReadSlice('\n')
		*size += int64(len(piece))
		a.head = append(a.head, piece...)
		switch {
		case *size > maxHead:
			return nil, fmt.Errorf("more than %d bytes", maxHead)
		case len(a.head)-start > maxLine:
			return nil, fmt.Errorf("line of more than %d bytes", maxLine)
		case err == nil:
			return a.head[start:], nil
		case err != bufio.ErrBufferFull:
			return nil, err
		}
	}
}

func isBlank(line []byte) bool { return string(line) == "\r\n" || string(line) == "\n" }

// fields yields name and value of each field. A line without a colon is passed over.
func (a *answer) fields(yield func(name, value []byte) bool) {
	for line := range bytes.Lines(a.head) {
		name, value, ok := bytes.Cut(line, []byte(":"))
		if ok && !yield(bytes.TrimSpace(name), bytes.TrimSpace(value)) {
			return
		}
	}
}

// field is the value of the first field of that name, nil without one.
func (a *answer) field(name string) []byte {
	for n, value := range a.fields {
		if bytes.EqualFold(n, []byte(name)) {
			return value
		}
	}
	return nil
}

// fieldIs tells whether there is a field of that name, and whether one such has a value that is as it should be.
func (a *answer) fieldIs(name string, right func(value []byte) bool) (present, is bool) {
	for n, value := range a.fields {
		if bytes.EqualFold(n, []byte(name)) {
			present = true
			if right(value) {
				return true, true
			}
		}
	}
	return present, false
}

// readFraming finds out where the body ends (RFC 9112, 6.3).
func (a *answer) readFraming() error {
	coded := false // with a transfer coding a length says nothing
	for name, value := range a.fields {
		switch {
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			coded = true
			last := value[bytes.LastIndexByte(value, ',')+1:]
			a.chunked = bytes.EqualFold(bytes.TrimSpace(last), []byte("chunked"))
		case bytes.EqualFold(name, []byte("Content-Length")):
			// The same length may be repeated, in one field or in several.
			for part := range bytes.SplitSeq(value, []byte(",")) {
				n, err := strconv.ParseUint(string(bytes.TrimSpace(part)), 10, 63)
				if err != nil {
					return fmt.Errorf("content length is %s", quoteWord(string(value)))
				}
				if a.contentLength >= 0 && a.contentLength != int64(n) {
					return fmt.Errorf("content length is %d as well as %d", a.contentLength, n)
				}
				a.contentLength = int64(n)
			}
		}
	}
	if coded {
		a.contentLength = -1
	}
	return nil
}

// readBody reads the body and drops it, but for what search looks for. What comes after its end is left unread.
func (a *answer) readBody(method string) error {
	switch {
	case bodiless(method, a.status):
		return nil
	case a.chunked:
		return a.readChunks()
	case a.contentLength >= 0:
		if err := a.take(a.contentLength); err != nil {
			return a.bodyError(err, fmt.Sprintf("%d of %d bytes", a.bodySize, a.contentLength))
		}
		return nil
	}
	// Until the connection's end. Over TLS many servers do not announce it, so that a body cut between two records can not be
	// told from a whole one; crypto/tls lets this pass, and so do browsers.
	for {
		if err := a.take(1 << 62); err == io.EOF {
			return nil
		} else if err != nil {
			return a.bodyError(err, fmt.Sprintf("%d bytes", a.bodySize))
		}
	}
}

func (a *answer) bodyError(err error, after string) error {
	if err == errBodyTooLong {
		return err
	}
	return fmt.Errorf("%s after %s of the body", reason(err), after)
}

// persists tells whether another request may follow on the connection (RFC 9112, 9.3), when all of the answer was read. The
// field that says so in HTTP/1.0 is not looked at.
func (a *answer) persists(method string) bool {
	for name, value := range a.fields {
		if bytes.EqualFold(name, []byte("Connection")) && bytes.Contains(bytes.ToLower(value), []byte("close")) {
			return false
		}
	}
	return a.version == "1.1" && a.status >= 200 && (a.chunked || a.contentLength >= 0 || bodiless(method, a.status))
}

// bodiless tells whether an answer has no body whatever its header says.
func bodiless(method string, status int) bool {
	return method == "HEAD" || status < 200 || status == 204 || status == 304
}

// take reads n bytes of the body.
func (a *answer) take(n int64) error {
	for n > 0 {
		if _, err := a.in.Peek(1); err != nil {
			return err
		}
		piece, _ := a.in.Peek(int(min(int64(a.in.Buffered()), n)))
		taken, err := a.write(piece)
		n -= int64(taken)
		a.in.Discard(taken)
		if err != nil {
			return err
		}
	}
	return nil
}

// write takes a piece of the body, up to its limit.
func (a *answer) write(piece []byte) (int, error) {
	var err error
	if room := a.maxBody - a.bodySize; int64(len(piece)) > room {
		piece, err = piece[:room], errBodyTooLong
	}
	a.search.write(piece)
	if room := a.keep - int64(len(a.kept)); room > 0 {
		a.kept = append(a.kept, piece[:min(int64(len(piece)), room)]...)
	}
	a.bodySize += int64(len(piece))
	return len(piece), err
}

// readChunks reads a chunked body (RFC 9112, 7.1) and its trailer.
func (a *answer) readChunks() error {
	for {
		size, err := a.readChunkSize()
		if err == nil && size == 0 {
			break
		}
		if err == nil {
			err = a.take(size)
		}
		if err == nil {
			err = a.readChunkEnd()
		}
		if err != nil {
			return a.bodyError(err, fmt.Sprintf("%d bytes", a.bodySize))
		}
	}
	// The trailer is neither part of the body nor, for curl, of the header's size; and its fields are not those of the answer.
	kept, size := len(a.head), int64(0)
	defer func() { a.head = a.head[:kept] }()
	for {
		line, err := a.readLine(&size)
		if err != nil {
			return fmt.Errorf("%s within the trailer of the body", reason(err))
		}
		if isBlank(line) {
			return nil
		}
	}
}

func (a *answer) readChunkSize() (int64, error) {
	kept, length := len(a.head), int64(0)
	line, err := a.readLine(&length)
	a.head = a.head[:kept]
	if err != nil {
		return 0, err
	}
	digits, _, _ := bytes.Cut(line, []byte(";"))
	digits = bytes.TrimRight(digits, " \t\r\n")
	size, err := strconv.ParseUint(string(digits), 16, 63)
	if err != nil {
		return 0, fmt.Errorf("bad chunk size %s", quoteWord(string(digits)))
	}
	return int64(size), nil
}

func (a *answer) readChunkEnd() error {
	c, err := a.in.ReadByte()
	if err == nil && c == '\r' {
		c, err = a.in.ReadByte()
	}
	if err == nil && c != '\n' {
		return errors.New("chunk longer than its size")
	}
	return err
}
