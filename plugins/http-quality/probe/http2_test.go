package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// peer is a server that speaks HTTP/2 by hand, on one connection.
type peer struct {
	*http2.Framer
	conn    net.Conn
	block   bytes.Buffer
	encoder *hpack.Encoder
}

// speakHTTP2 reads the preface and the request, sends settings, and lets serve do the rest.
func speakHTTP2(serve func(p *peer)) func(net.Conn) {
	return func(conn net.Conn) {
		preface := make([]byte, len(http2.ClientPreface))
		if _, err := io.ReadFull(conn, preface); err != nil || string(preface) != http2.ClientPreface {
			return
		}
		p := &peer{Framer: http2.NewFramer(conn, conn), conn: conn}
		p.encoder = hpack.NewEncoder(&p.block)
		_ = p.WriteSettings()
		for {
			f, err := p.ReadFrame()
			if err != nil {
				return
			}
			if _, ok := f.(*http2.HeadersFrame); ok {
				serve(p)
				return
			}
		}
	}
}

// head sends a header; names and values alternate.
func (p *peer) head(end bool, fields ...string) {
	p.block.Reset()
	for i := 0; i < len(fields); i += 2 {
		_ = p.encoder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: p.block.Bytes(), EndHeaders: true, EndStream: end})
}

// whileItGoes repeats what a hostile server does until the prober has had enough.
func whileItGoes(do func() error) {
	for do() == nil {
	}
}

func TestBadServersOfHTTP2HaveTheRightOutcomeAndPhase(t *testing.T) {
	ca := newAuthority(t)
	config := serverConfig(t, ca, nil)
	config.NextProtos = []string{"h2"}
	const short = 600 * time.Millisecond
	for _, c := range []struct {
		name    string
		serve   func(net.Conn)
		timeout time.Duration
		outcome Outcome
		ended   Phase
		text    string
	}{
		{"says nothing", drain, short, OutcomeTimeout, PhaseWait, "no answer within 600ms: waiting for the first byte"},
		{"closes at once", func(net.Conn) {}, 0, OutcomeReceive, PhaseWait, ""},
		{"closes without an answer", speakHTTP2(func(*peer) {}), 0, OutcomeReceive, PhaseWait, ""},
		{"answers in HTTP/1.1", func(conn net.Conn) { conn.Read(make([]byte, 4096)); io.WriteString(conn, okAnswer); drain(conn) },
			0, OutcomeReceive, PhaseWait, "HTTP/1.1"},
		{"goes away", speakHTTP2(func(p *peer) { _ = p.WriteGoAway(0, http2.ErrCodeEnhanceYourCalm, nil); drain(p.conn) }),
			0, OutcomeReceive, PhaseWait, "the server goes away: ENHANCE_YOUR_CALM"},
		{"ends the stream", speakHTTP2(func(p *peer) { _ = p.WriteRSTStream(1, http2.ErrCodeRefusedStream); drain(p.conn) }),
			0, OutcomeReceive, PhaseWait, "the server ended the stream: REFUSED_STREAM"},
		{"ends the stream within the body", speakHTTP2(func(p *peer) {
			p.head(false, ":status", "200", "content-length", "20")
			_ = p.WriteData(1, false, []byte("hi"))
			_ = p.WriteRSTStream(1, http2.ErrCodeInternal)
			drain(p.conn)
		}), 0, OutcomeReceive, PhaseTransfer, "INTERNAL_ERROR after 2 of 20 bytes of the body"},
		{"short body", speakHTTP2(func(p *peer) {
			p.head(false, ":status", "200", "content-length", "20")
			_ = p.WriteData(1, true, []byte("hi"))
			drain(p.conn)
		}), 0, OutcomeReceive, PhaseTransfer, "stream ended after 2 of 20 bytes of the body"},
		{"closes within the body", speakHTTP2(func(p *peer) {
			p.head(false, ":status", "200")
			_ = p.WriteData(1, false, []byte("hi"))
		}), 0, OutcomeReceive, PhaseTransfer, "after 2 bytes of the body"},
		{"body that stalls", speakHTTP2(func(p *peer) { p.head(false, ":status", "200"); drain(p.conn) }),
			short, OutcomeTimeout, PhaseTransfer, "reading the answer"},
		{"endless body", speakHTTP2(func(p *peer) {
			p.head(false, ":status", "200")
			whileItGoes(func() error { return p.WriteData(1, false, make([]byte, 4096)) })
		}), 0, OutcomeBody, PhaseTransfer, "body is longer than 10000 bytes"},
		{"endless nothing", speakHTTP2(func(p *peer) {
			p.head(false, ":status", "200")
			whileItGoes(func() error { return p.WriteData(1, false, nil) })
		}), 0, OutcomeReceive, PhaseTransfer, "more than 1000 frames that bring nothing"},
		{"endless pings", speakHTTP2(func(p *peer) {
			go drain(p.conn)
			whileItGoes(func() error { return p.WritePing(false, [8]byte{}) })
		}), 0, OutcomeReceive, PhaseWait, "more than 1000 frames that bring nothing"},
		{"endless settings", speakHTTP2(func(p *peer) { go drain(p.conn); whileItGoes(func() error { return p.WriteSettings() }) }),
			0, OutcomeReceive, PhaseWait, "more than 1000 frames that bring nothing"},
		{"endless interim answers", speakHTTP2(func(p *peer) {
			whileItGoes(func() error {
				p.head(false, ":status", "103", "link", strings.Repeat("x", 1000))
				return p.WritePing(true, [8]byte{})
			})
		}), 0, OutcomeReceive, PhaseTransfer, "more than 262144 bytes within the header"},
		{"endless header", speakHTTP2(func(p *peer) {
			_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: bytes.Repeat([]byte{0x82}, 1000)})
			whileItGoes(func() error { return p.WriteContinuation(1, false, bytes.Repeat([]byte{0x82}, 16000)) })
		}), 0, OutcomeReceive, PhaseWait, ""},
		{"endless header of nothing", speakHTTP2(func(p *peer) {
			_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1})
			whileItGoes(func() error { return p.WriteContinuation(1, false, nil) })
		}), 0, OutcomeReceive, PhaseWait, "more than 200 frames within the header"},
		{"header that is longer than its compressed form", speakHTTP2(func(p *peer) {
			fields := []string{":status", "200"}
			for range 3000 {
				fields = append(fields, "x-long", strings.Repeat("y", 1000))
			}
			p.head(true, fields...)
			drain(p.conn)
		}), 0, OutcomeReceive, PhaseTransfer, "more than 262144 bytes within the header"},
		{"body before its header", speakHTTP2(func(p *peer) { _ = p.WriteData(1, true, []byte("hi")); drain(p.conn) }),
			0, OutcomeReceive, PhaseWait, "body before its header"},
		{"another stream", speakHTTP2(func(p *peer) { _ = p.WriteData(7, true, []byte("hi")); drain(p.conn) }),
			0, OutcomeReceive, PhaseWait, "stream 7"},
		{"a push", speakHTTP2(func(p *peer) {
			_ = p.WritePushPromise(http2.PushPromiseParam{StreamID: 1, PromiseID: 2, BlockFragment: []byte{0x82}, EndHeaders: true})
			drain(p.conn)
		}), 0, OutcomeReceive, PhaseWait, ""},
		{"no status", speakHTTP2(func(p *peer) { p.head(true, "server", "x"); drain(p.conn) }), 0, OutcomeReceive, PhaseTransfer, `status is ""`},
		{"status of letters", speakHTTP2(func(p *peer) { p.head(true, ":status", "abc"); drain(p.conn) }), 0, OutcomeReceive, PhaseTransfer, `status is "abc"`},
		{"ends with an interim answer", speakHTTP2(func(p *peer) { p.head(true, ":status", "103"); drain(p.conn) }),
			0, OutcomeReceive, PhaseTransfer, "interim"},
		{"NUL and 8-bit in the header", speakHTTP2(func(p *peer) { p.head(true, ":status", "200", "a", "\x00\xff"); drain(p.conn) }),
			0, OutcomeReceive, PhaseWait, ""},
		{"a line's end in the header", speakHTTP2(func(p *peer) { p.head(true, ":status", "200", "a", "b\r\nc: d"); drain(p.conn) }),
			0, OutcomeReceive, PhaseWait, ""},
		{"garbage", func(conn net.Conn) { conn.Read(make([]byte, 4096)); conn.Write(make([]byte, 100)); drain(conn) },
			0, OutcomeReceive, PhaseWait, ""},
		{"interim answer, settings, trailer", speakHTTP2(func(p *peer) {
			p.head(false, ":status", "103", "link", "x")
			_ = p.WriteSettings(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1 << 20}, http2.Setting{ID: http2.SettingHeaderTableSize, Val: 0})
			_ = p.WritePing(false, [8]byte{1})
			p.head(false, ":status", "200", "x-a", "b")
			_ = p.WriteDataPadded(1, false, []byte("hel"), make([]byte, 20))
			_ = p.WriteData(1, false, []byte("lo"))
			p.head(true, "x-trailer", "t")
			drain(p.conn)
		}), 0, OutcomeOK, PhaseTransfer, ""},
		{"answers and goes away", speakHTTP2(func(p *peer) {
			_ = p.WriteGoAway(1, http2.ErrCodeNo, nil)
			p.head(false, ":status", "200")
			_ = p.WriteData(1, true, []byte("hello"))
			drain(p.conn)
		}), 0, OutcomeOK, PhaseTransfer, ""},
	} {
		for _, scheme := range []string{"http", "https"} {
			t.Run(c.name+"/"+scheme, func(t *testing.T) {
				leavesNothing(t)
				at := ""
				if scheme == "http" {
					at = listen(t, "127.0.0.1:0", c.serve).String()
				} else {
					at = secureServer(t, config, c.serve).String()
				}
				target := Target{URL: parseURL(t, scheme+"://"+at), RootCAs: ca.pool, Timeout: c.timeout, MaxBody: 10000, Version: HTTP2}
				if c.outcome == OutcomeOK {
					target.Expect.BodyContains = "hello"
				}
				res := runTarget(t, target)
				wantOutcome(t, res, c.outcome, c.ended, c.text)
				h := res.Last()
				if !h.Sent.Reached || h.RequestSize == 0 || h.FirstByte.Reached != (c.ended == PhaseTransfer) {
					t.Errorf("reached: %+v", h)
				}
				if c.outcome == OutcomeOK && (h.HTTPVersion != "2" || h.Status != 200 || h.BodySize != 5) {
					t.Errorf("%+v", h)
				}
			})
		}
	}
}

func TestHTTP2UploadKeepsToTheServersWindows(t *testing.T) {
	leavesNothing(t)
	body := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	for name, config := range map[string]*http.HTTP2Config{
		"small": {MaxReceiveBufferPerStream: 1000, MaxReceiveBufferPerConnection: 1 << 16}, "large": {MaxReadFrameSize: 1 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			var got []byte
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			server := &http.Server{HTTP2: config, Protocols: new(http.Protocols), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				got, _ = io.ReadAll(r.Body)
			})}
			server.Protocols.SetUnencryptedHTTP2(true)
			done := make(chan struct{})
			go func() {
				defer close(done)
				_ = server.Serve(l)
			}()
			res := runTarget(t, Target{URL: parseURL(t, "http://"+l.Addr().String()), Version: HTTP2, Method: "PUT", Body: body})
			_ = server.Shutdown(context.Background())
			<-done
			wantOutcome(t, res, OutcomeOK, PhaseTransfer, "")
			if !bytes.Equal(got, body) || res.Last().RequestSize < int64(len(body)) || res.Last().Sent.Time <= res.Last().Pretransfer.Time {
				t.Errorf("got %d bytes; %+v", len(got), res.Last())
			}
		})
	}
}

func TestEarlyAnswerOfHTTP2EndsTheUpload(t *testing.T) {
	leavesNothing(t)
	at := listen(t, "127.0.0.1:0", speakHTTP2(func(p *peer) {
		p.head(false, ":status", "413")
		_ = p.WriteData(1, true, []byte("too long"))
		_ = p.WriteRSTStream(1, http2.ErrCodeNo)
		drain(p.conn)
	}))
	p := newProber(t, Target{URL: parseURL(t, "http://"+at.String()), Version: HTTP2, Method: "PUT", Body: make([]byte, 1<<20), Reuse: true, Timeout: patience})
	defer p.Close()
	res := p.Run(t.Context())
	checkResult(t, res)
	wantOutcome(t, res, OutcomeStatus, PhaseTransfer, "status 413")
	if h := res.Last(); h.BodySize != 8 || h.RequestSize > 1<<17 {
		t.Errorf("%+v", h)
	}
	if res = p.Run(t.Context()); res.Last().Reused {
		t.Error("a connection with half a request on it was used again")
	}
}

func TestServerWithoutHTTP2(t *testing.T) {
	leavesNothing(t)
	ca := newAuthority(t)
	at := secureServer(t, serverConfig(t, ca, nil), func(conn net.Conn) { readRequest(conn); io.WriteString(conn, okAnswer) })
	res := runTarget(t, Target{URL: parseURL(t, "https://"+at.String()), RootCAs: ca.pool, Version: HTTP2})
	wantOutcome(t, res, OutcomeTLS, PhaseTLS, "the server does not speak HTTP/2")
	if res.Last().CertExpiry.IsZero() {
		t.Error("the certificate's facts are lost")
	}
	res = runTarget(t, Target{URL: parseURL(t, "https://"+at.String()), RootCAs: ca.pool, Version: AnyVersion})
	wantOutcome(t, res, OutcomeOK, PhaseTransfer, "")
	if res.Last().HTTPVersion != "1.1" {
		t.Errorf("%+v", res.Last())
	}
}

// net/http's client sends a request again when the connection ends without an answer. A probe must not.
func TestNoRequestIsSentTwice(t *testing.T) {
	ca := newAuthority(t)
	for _, version := range []Version{HTTP1, HTTP2} {
		for _, reuse := range []bool{false, true} {
			t.Run(fmt.Sprint(version, reuse), func(t *testing.T) {
				leavesNothing(t)
				requests := make(chan struct{}, 100)
				config := serverConfig(t, ca, nil)
				serve := func(conn net.Conn) {
					readRequest(conn)
					requests <- struct{}{}
				}
				if version == HTTP2 {
					config.NextProtos = []string{"h2"}
					serve = speakHTTP2(func(p *peer) { requests <- struct{}{} })
				}
				at := secureServer(t, config, serve)
				p := newProber(t, Target{URL: parseURL(t, "https://"+at.String()), RootCAs: ca.pool, Version: version, Reuse: reuse, Timeout: patience})
				defer p.Close()
				res := p.Run(t.Context())
				wantOutcome(t, res, OutcomeReceive, PhaseWait, "")
				if len(requests) != 1 {
					t.Errorf("%d requests", len(requests))
				}
			})
		}
	}
}

func TestCancelledContextEndsHTTP2AtOnce(t *testing.T) {
	leavesNothing(t)
	at := listen(t, "127.0.0.1:0", speakHTTP2(func(p *peer) { p.head(false, ":status", "200"); drain(p.conn) }))
	p := newProber(t, Target{URL: parseURL(t, "http://"+at.String()), Version: HTTP2, Timeout: time.Minute})
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	res := p.Run(ctx)
	wantOutcome(t, res, OutcomeTimeout, PhaseTransfer, "reading the answer")
	if !errors.Is(res.Err, context.DeadlineExceeded) || res.Total > patience {
		t.Errorf("after %v: %v", res.Total, res.Err)
	}
}

// said is a connection whose other side has said all that it will ever say, and hears nothing.
type said struct {
	net.Conn
	*bytes.Reader
}

func (s said) Read(b []byte) (int, error)  { return s.Reader.Read(b) }
func (s said) Write(b []byte) (int, error) { return len(b), nil }

func FuzzReadHTTP2(f *testing.F) {
	seed := func(serve func(p *peer)) {
		var sent bytes.Buffer
		p := &peer{Framer: http2.NewFramer(&sent, nil)}
		p.encoder = hpack.NewEncoder(&p.block)
		serve(p)
		f.Add(sent.Bytes(), "GET")
	}
	seed(func(p *peer) {
		_ = p.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 7})
		p.head(false, ":status", "103", "link", "x")
		p.head(false, ":status", "200", "content-length", "5", "x-a", "b")
		_ = p.WriteDataPadded(1, false, []byte("hel"), make([]byte, 3))
		_ = p.WriteWindowUpdate(0, 1<<30)
		_ = p.WriteData(1, false, []byte("lo"))
		p.head(true, "x-trailer", "t")
	})
	seed(func(p *peer) { _ = p.WriteGoAway(0, http2.ErrCodeNo, nil); _ = p.WritePing(false, [8]byte{}) })
	seed(func(p *peer) { p.head(false, ":status", "204"); _ = p.WriteRSTStream(1, http2.ErrCodeCancel) })
	f.Fuzz(func(t *testing.T, input []byte, method string) {
		const limit = 1000
		c := newHTTP2(said{Reader: bytes.NewReader(input)}, &wire{})
		c.begun, c.stream = true, 1
		r := &run{Prober: &Prober{settings: &settings{}}, answer: answers.Get().(*answer), hopStart: time.Now()}
		defer r.answer.release()
		r.answer.reset(&Target{MaxBody: limit})
		err := c.readAnswer(r, &request{method: method}, nil)
		a := r.answer
		if a.bodySize > limit || a.headerSize < 0 || a.headerSize > 2*maxHead || a.contentLength < -1 || err == nil && (a.status < 200 || a.status > 999) {
			t.Errorf("%v: status %d, %d bytes of header, %d of %d of the body", err, a.status, a.headerSize, a.bodySize, a.contentLength)
		}
		if err == nil && a.contentLength >= 0 && a.contentLength != a.bodySize && !bodiless(method, a.status) {
			t.Errorf("%d of %d bytes are taken for a whole body", a.bodySize, a.contentLength)
		}
		if err != nil {
			if text := newError(OutcomeReceive, PhaseTransfer, err, "%s", reason(err)).Error(); len(text) > 2*maxErrorText || printable(text, len(text)) != text {
				t.Errorf("text of the error is %q", text)
			}
		}
	})
}
