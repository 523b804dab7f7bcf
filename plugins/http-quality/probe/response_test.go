package probe

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// read reads one answer from in, as Run does.
func read(in io.Reader, method string, maxBody int64, text string) (*answer, error) {
	a := &answer{in: bufio.NewReaderSize(in, 64)} // small, so that lines and bodies come in pieces
	a.reset(&Target{MaxBody: maxBody, Expect: Expectation{BodyContains: text}})
	if _, err := a.in.Peek(1); err != nil {
		return a, err
	}
	if err := a.readHead(); err != nil {
		return a, err
	}
	return a, a.readBody(method)
}

func TestAnswerIsReadTheSameInPiecesOfAnySize(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nX-Long: " +
		"0123456789012345678901234567890123456789012345678901234567890123456789\r\nX-Folded: a\r\n\tb\r\nTransfer-Encoding: gzip,\r\n  Chunked\r\n\r\n"
	const whole = head + "a\r\n0123456789\r\n1 ; x=y\r\na\r\n1\r\nb\r\n000\r\nTrailer: t\r\n\r\nnot of this answer"
	for name, in := range map[string]io.Reader{
		"whole": strings.NewReader(whole), "bytes": iotest.OneByteReader(strings.NewReader(whole)),
		"halves": iotest.HalfReader(strings.NewReader(whole)), "end with data": iotest.DataErrReader(strings.NewReader(whole)),
	} {
		a, err := read(in, "GET", 100, "89ab")
		if err != nil || a.status != 200 || a.headerSize != int64(len(head)) || a.bodySize != 12 || a.contentLength != -1 || !a.search.found {
			t.Errorf("%s: %v, %+v", name, err, a)
		}
		if got := string(a.field("x-folded")); strings.Join(strings.Fields(got), " ") != "a b" {
			t.Errorf("%s: folded field is %q", name, got)
		}
		if a.field("Trailer") != nil {
			t.Errorf("%s: a trailer's field is taken for a header's", name)
		}
	}
}

func TestAnswersWithoutABodyHaveNone(t *testing.T) {
	for _, c := range []struct{ method, start string }{
		{"HEAD", "HTTP/1.1 200 OK"}, {"GET", "HTTP/1.1 204 No Content"}, {"GET", "HTTP/1.1 304 Not Modified"}, {"GET", "HTTP/1.1 101 Switching"},
	} {
		a, err := read(strings.NewReader(c.start+"\r\nContent-Length: 7\r\n\r\n"), c.method, 100, "")
		if err != nil || a.bodySize != 0 || a.contentLength != 7 {
			t.Errorf("%s %s: %v, %+v", c.method, c.start, err, a)
		}
	}
}

func TestBodyOfExactlyTheLimitIsNotTooLong(t *testing.T) {
	for _, framing := range []string{"Content-Length: 5\r\n\r\nhello", "\r\nhello", "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"} {
		for limit, want := range map[int64]error{5: nil, 4: errBodyTooLong} {
			a, err := read(strings.NewReader("HTTP/1.1 200 OK\r\n"+framing), "GET", limit, "")
			if !errors.Is(err, want) || a.bodySize != limit {
				t.Errorf("limit %d: %v after %d bytes of %q", limit, err, a.bodySize, framing)
			}
		}
	}
}

func TestRepeatedEqualLengthsAreOne(t *testing.T) {
	a, err := read(strings.NewReader("HTTP/1.1 200\r\nContent-Length: 5, 5\r\nContent-Length:5\r\n\r\nhello"), "GET", 9, "")
	if err != nil || a.bodySize != 5 {
		t.Errorf("%v, %+v", err, a)
	}
	for _, bad := range []string{"", "+5", "0x5", "5,", "5 5", "99999999999999999999", "9223372036854775808"} {
		if _, err := read(strings.NewReader("HTTP/1.1 200\r\nContent-Length: "+bad+"\r\n\r\nhello"), "GET", 9, ""); err == nil {
			t.Errorf("length %q is taken", bad)
		}
	}
}

func FuzzReadResponse(f *testing.F) {
	for _, seed := range []string{
		"", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.0 200\n\nhello", "<html>",
		"HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 200 OK\r\n\tfold\r\nA: b\r\n fold\r\nTransfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\n0\r\nT: t\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\nhello", "HTTP/1.1 302 Found\r\nLocation: \x00\xff\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n",
	} {
		f.Add([]byte(seed), "GET", "ell")
	}
	f.Fuzz(func(t *testing.T, input []byte, method, text string) {
		const limit = 1000
		a, err := read(bytes.NewReader(input), method, limit, text)
		if a.headerSize < 0 || a.bodySize < 0 || a.headerSize+a.bodySize > int64(len(input)) || a.bodySize > limit || a.contentLength < -1 {
			t.Errorf("sizes %d, %d, %d of %d bytes", a.headerSize, a.bodySize, a.contentLength, len(input))
		}
		if err == nil && (a.status < 100 || a.status > 999 || a.contentLength >= 0 && a.bodySize > a.contentLength) {
			t.Errorf("%+v", a)
		}
		if a.search.found && (text == "" || !a.chunked && !bytes.Contains(input, []byte(text))) {
			t.Errorf("found %q, which is not there", text)
		}
		if err != nil && err != io.EOF {
			if text := newError(OutcomeReceive, PhaseTransfer, err, "%v", err).Error(); len(text) > 2*maxErrorText || printable(text, len(text)) != text {
				t.Errorf("text of the error is %q", text)
			}
		}
		b, errAgain := read(iotest.OneByteReader(bytes.NewReader(input)), method, limit, text)
		if (err == nil) != (errAgain == nil) || a.headerSize != b.headerSize && err == nil || a.bodySize != b.bodySize || err == nil && a.search.found != b.search.found {
			t.Errorf("in pieces: %v, %+v; at once: %v, %+v", errAgain, b, err, a)
		}
	})
}
