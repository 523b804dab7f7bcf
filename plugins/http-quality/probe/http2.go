package probe

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	// ownWindow is how much a server may send ahead of what was read, in bytes, for each stream and the connection.
	ownWindow = 16 << 20
	// maxIdleFrames is how many frames a server may send that bring nothing, before it is taken for a hostile one.
	maxIdleFrames = 1000
	// maxContinued is how many frames a header may have after its first one: maxHead fills 16, and servers may send smaller ones.
	maxContinued = 200
)

// httpTwo speaks HTTP/2 (RFC 9113), one request at a time. Frames and header compression are x/net's. Its ClientConn is not
// used: it reads on a goroutine of its own, so that the moments of an exchange, and what the kernel says of them, are not at
// hand; and from Go 1.27 on it wraps net/http's, which sends again.
type httpTwo struct {
	conn    net.Conn
	wire    *wire // beneath conn
	framer  *http2.Framer
	encoder *hpack.Encoder
	block   bytes.Buffer

	begun      bool
	settled    bool   // the server has sent its settings
	stream     uint32 // of the request under way, or of the last one
	maxFrame   uint32 // the longest that the server takes
	initial    int64  // window of a new stream
	window     int64  // of the connection: what may still be sent
	own        int64  // of the stream
	consumed   int64  // bytes received that were not yet given back to the server's windows
	idle       int    // frames in a row that brought nothing
	goingAway  bool
	answerDone bool
}

func newHTTP2(conn net.Conn, w *wire) *httpTwo {
	c := &httpTwo{conn: conn, wire: w, maxFrame: 16 << 10, initial: 65535, window: 65535}
	c.framer = http2.NewFramer(conn, newContinued(conn))
	c.framer.SetMaxReadFrameSize(16 << 10)
	c.framer.MaxHeaderListSize = maxHead
	c.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.framer.SetReuseFrames()
	c.encoder = hpack.NewEncoder(&c.block)
	return c
}

// continued counts the frames that continue a header, which the framer reads without end as long as they are empty.
type continued struct {
	in     io.Reader
	frames frames
	count  int // in a row
}

func newContinued(in io.Reader) *continued {
	length := func(header []byte) int { return int(header[0])<<16 | int(header[1])<<8 | int(header[2]) } // RFC 9113, 4.1
	return &continued{in: in, frames: frames{size: 9, length: length}}
}

var errContinued = fmt.Errorf("more than %d frames within the header", maxContinued)

// Read implements io.Reader.
func (c *continued) Read(b []byte) (int, error) {
	if c.count > maxContinued {
		return 0, errContinued
	}
	n, err := c.in.Read(b)
	c.frames.advance(b[:n], func(header []byte) {
		c.count++
		if http2.FrameType(header[3]) != http2.FrameContinuation {
			c.count = 0
		}
	})
	return n, err
}

func (c *httpTwo) exchange(r *run, q *request) *Error {
	r.beginRequest(c.wire)
	c.idle, c.answerDone = 0, false
	if err := c.sendHead(q); err != nil {
		return r.failure(OutcomeSend, err, "sending the request: %s", reason(err))
	}
	r.hop.RequestSize += int64(q.headSize) - int64(len("HTTP/1.1")-len("HTTP/2")) // as curl counts it
	r.mark(&r.hop.Pretransfer, PhaseRequest)
	answered, err := c.sendBody(r, q)
	if err != nil {
		return r.failure(OutcomeSend, err, "sending the request: %s after %d bytes", reason(err), r.hop.RequestSize)
	}
	r.sent(len(q.body) > 0)
	c.wire.await()
	err = c.readAnswer(r, q, answered)
	r.late.last = c.wire.late
	r.hop.BodySize = r.answer.bodySize
	if err != nil && r.phase == PhaseWait {
		return r.failure(OutcomeReceive, err, "waiting for the answer: %s", reason(err))
	}
	return r.answerError(err)
}

// sendHead sends the HEADERS of a new stream, before the first one the preface of the connection, all in one write.
func (c *httpTwo) sendHead(q *request) error {
	var out bytes.Buffer
	framer := http2.NewFramer(&out, nil)
	c.stream += 2
	if !c.begun {
		c.begun, c.stream = true, 1
		out.WriteString(http2.ClientPreface)
		framer.WriteSettings(
			http2.Setting{ID: http2.SettingEnablePush, Val: 0},
			http2.Setting{ID: http2.SettingInitialWindowSize, Val: ownWindow},
			http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: maxHead},
		)
		framer.WriteWindowUpdate(0, ownWindow-65535)
	}
	c.own = c.initial
	c.encode(q)
	block := c.block.Bytes()
	for first := true; first || len(block) > 0; first = false {
		piece := block[:min(len(block), int(c.maxFrame))]
		block = block[len(piece):]
		if first {
			framer.WriteHeaders(http2.HeadersFrameParam{
				StreamID: c.stream, BlockFragment: piece, EndHeaders: len(block) == 0, EndStream: len(q.body) == 0,
			})
		} else {
			framer.WriteContinuation(c.stream, len(block) == 0, piece)
		}
	}
	_, err := c.conn.Write(out.Bytes())
	return err
}

// encode compresses the header of q into c.block.
func (c *httpTwo) encode(q *request) {
	c.block.Reset()
	scheme, authority := "http", q.authority
	if q.secure {
		scheme = "https"
	}
	for _, f := range q.fields {
		if strings.EqualFold(f.Name, "Host") {
			authority = f.Value
		}
	}
	put := func(name, value string, secret bool) {
		// Writing to a buffer can not fail.
		_ = c.encoder.WriteField(hpack.HeaderField{Name: name, Value: value, Sensitive: secret})
	}
	put(":method", q.method, false)
	put(":scheme", scheme, false)
	put(":authority", authority, false)
	put(":path", q.path, false)
	for _, f := range q.fields {
		switch name := strings.ToLower(f.Name); name {
		case "host", "connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade": // of one connection in HTTP/1
		default:
			put(name, strings.TrimSpace(f.Value), name == "authorization" || name == "cookie")
		}
	}
}

// sendBody sends the body as the server's windows allow. A server may answer before it has all of it; then the answer's first
// frame is returned.
func (c *httpTwo) sendBody(r *run, q *request) (answered http2.Frame, err error) {
	for body := q.body; len(body) > 0; {
		room := min(c.own, c.window, int64(c.maxFrame))
		if !c.settled && len(q.body) > shortBody {
			room = 0 // the windows may be smaller than they are until the server says so
		}
		if room <= 0 {
			frame, err := c.readFrame()
			if err != nil {
				return nil, err
			}
			if frame != nil {
				c.goingAway = true // half a request is on the connection
				return frame, nil
			}
			continue
		}
		piece := body[:min(int64(len(body)), room)]
		body = body[len(piece):]
		if err := c.framer.WriteData(c.stream, len(body) == 0, piece); err != nil {
			return nil, err
		}
		c.own, c.window, c.idle = c.own-int64(len(piece)), c.window-int64(len(piece)), 0
		r.hop.RequestSize += int64(len(piece))
	}
	return nil, nil
}

// readAnswer reads up to the end of the stream. Its first frame may have been read before.
func (c *httpTwo) readAnswer(r *run, q *request, frame http2.Frame) error {
	a := r.answer
	for !c.answerDone {
		if frame == nil {
			var err error
			if frame, err = c.readFrame(); err != nil {
				return c.cut(a, err)
			}
		}
		var err error
		switch f := frame.(type) {
		case *http2.MetaHeadersFrame:
			if !r.hop.FirstByte.Reached {
				r.firstByte(c.wire)
			}
			err = c.takeHead(r, f)
		case *http2.DataFrame:
			if a.status < 200 {
				return errors.New("body before its header")
			}
			if !bodiless(q.method, a.status) {
				_, err = a.write(f.Data())
			}
			if err == nil {
				err = c.giveBack(f)
			}
		case *http2.RSTStreamFrame:
			// A server that has answered before it had the whole request may say so this way.
			return c.cut(a, fmt.Errorf("the server ended the stream: %v", f.ErrCode))
		}
		if err != nil {
			return err
		}
		frame = nil
	}
	if a.contentLength >= 0 && a.contentLength != a.bodySize && !bodiless(q.method, a.status) {
		return fmt.Errorf("stream ended after %d of %d bytes of the body", a.bodySize, a.contentLength)
	}
	return nil
}

// cut describes an end that came too early.
func (c *httpTwo) cut(a *answer, err error) error {
	switch {
	case a.status >= 200 && a.contentLength >= 0:
		return a.bodyError(err, fmt.Sprintf("%d of %d bytes", a.bodySize, a.contentLength))
	case a.status >= 200:
		return a.bodyError(err, fmt.Sprintf("%d bytes", a.bodySize))
	}
	return err
}

// takeHead takes a header, of the answer, an interim one, or the trailer.
func (c *httpTwo) takeHead(r *run, f *http2.MetaHeadersFrame) error {
	a := r.answer
	c.answerDone = f.StreamEnded()
	if f.Truncated {
		return fmt.Errorf("more than %d bytes within the header", maxHead)
	}
	if a.status >= 200 {
		return nil // the trailer
	}
	status, err := parseCode(f.PseudoValue("status"))
	if err != nil {
		return fmt.Errorf("status is %s", quoteWord(f.PseudoValue("status")))
	}
	fields := func(yield func(name, value string) bool) {
		for _, field := range f.RegularFields() {
			if !yield(field.Name, field.Value) {
				return
			}
		}
	}
	if err := a.setHead("HTTP/2", status, fields); err != nil {
		return err
	}
	if status < 200 && c.answerDone {
		return errors.New("stream ended with an interim answer")
	}
	r.hop.Status, r.hop.HTTPVersion, r.hop.ContentLength = a.status, "2", a.contentLength
	return nil
}

// setHead takes a header that did not come as text, as if it had: as curl writes it.
func (a *answer) setHead(version string, status int, fields func(yield func(name, value string) bool)) error {
	a.status, a.contentLength = status, -1
	a.head = append(a.head[:0], version...)
	a.head = append(strconv.AppendInt(append(a.head, ' '), int64(status), 10), " \r\n"...)
	line := len(a.head)
	for name, value := range fields {
		a.head = appendField(a.head, name, value)
	}
	a.headerSize += int64(len(a.head)) + int64(len("\r\n"))
	a.head = append(a.head[:0], a.head[line:]...)
	if a.headerSize > maxHead {
		return fmt.Errorf("more than %d bytes within the header", maxHead)
	}
	if status < 200 {
		return nil
	}
	err := a.readFraming()
	a.chunked = false // there is no such thing
	return err
}

// giveBack lets the server send as much more as it has sent.
func (c *httpTwo) giveBack(f *http2.DataFrame) error {
	if len(f.Data()) > 0 {
		c.idle = 0
	}
	c.consumed += int64(f.Header().Length)
	c.answerDone = f.StreamEnded()
	if c.consumed < ownWindow/2 {
		return nil
	}
	n := uint32(c.consumed)
	c.consumed = 0
	err := c.framer.WriteWindowUpdate(0, n)
	if err == nil && !c.answerDone {
		err = c.framer.WriteWindowUpdate(c.stream, n)
	}
	return err
}

// readFrame reads a frame. One of the connection it deals with itself, and returns nil.
func (c *httpTwo) readFrame() (http2.Frame, error) {
	frame, err := c.framer.ReadFrame()
	if err != nil {
		if detail := c.framer.ErrorDetail(); detail != nil {
			err = fmt.Errorf("%w: %w", err, detail)
		}
		return nil, err
	}
	if c.idle++; c.idle > maxIdleFrames {
		return nil, fmt.Errorf("more than %d frames that bring nothing", maxIdleFrames)
	}
	switch f := frame.(type) {
	case *http2.SettingsFrame:
		return nil, c.takeSettings(f)
	case *http2.PingFrame:
		if !f.IsAck() {
			return nil, c.framer.WritePing(true, f.Data)
		}
	case *http2.WindowUpdateFrame:
		switch f.StreamID {
		case 0:
			c.window += int64(f.Increment)
		case c.stream:
			c.own += int64(f.Increment)
		}
		if max(c.window, c.own) > 1<<31-1 {
			return nil, errors.New("a window of more than 2³¹-1 bytes")
		}
	case *http2.GoAwayFrame:
		c.goingAway = true
		if f.LastStreamID < c.stream {
			return nil, fmt.Errorf("the server goes away: %v", f.ErrCode)
		}
	case *http2.PushPromiseFrame:
		return nil, errors.New("a push that was not allowed")
	case *http2.MetaHeadersFrame, *http2.DataFrame, *http2.RSTStreamFrame:
		if id := frame.Header().StreamID; id == c.stream {
			return frame, nil
		} else if id > c.stream || id%2 == 0 {
			return nil, fmt.Errorf("a frame of stream %d, which there is not", id)
		}
	}
	return nil, nil
}

func (c *httpTwo) takeSettings(f *http2.SettingsFrame) error {
	if f.IsAck() {
		return nil
	}
	err := f.ForeachSetting(func(s http2.Setting) error {
		if err := s.Valid(); err != nil {
			return err
		}
		switch s.ID {
		case http2.SettingMaxFrameSize:
			c.maxFrame = s.Val
		case http2.SettingInitialWindowSize:
			c.own += int64(s.Val) - c.initial
			c.initial = int64(s.Val)
		case http2.SettingHeaderTableSize:
			c.encoder.SetMaxDynamicTableSizeLimit(s.Val)
		}
		return nil
	})
	if err != nil {
		return err
	}
	c.settled = true
	return c.framer.WriteSettingsAck()
}

func (c *httpTwo) spent() bool { return c.goingAway || !c.answerDone }

func (c *httpTwo) farewell() {
	_ = c.framer.WriteGoAway(0, http2.ErrCodeNo, nil)
	if session, ok := c.conn.(interface{ CloseWrite() error }); ok && c.conn != net.Conn(c.wire) {
		_ = session.CloseWrite()
	}
}
