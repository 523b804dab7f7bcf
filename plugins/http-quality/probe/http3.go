package probe

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// httpThree speaks HTTP/3 by quic-go, which reads on goroutines of its own: so there is no word of the kernel's on when
// something came, and the times are the prober's own. They all end with the connection.
type httpThree struct {
	quic *quic.Conn
	http *http3.ClientConn
	last bool // no other request can follow
}

func newHTTP3(conn *quic.Conn) *httpThree {
	transport := http3.Transport{DisableCompression: true, MaxResponseHeaderBytes: maxHead}
	return &httpThree{quic: conn, http: transport.NewClientConn(conn)}
}

func (c *httpThree) exchange(r *run, q *request) *Error {
	c.last = true // until it went well
	request, err := c.request(q)
	if err != nil {
		return r.failure(OutcomeSend, err, "making the request: %s", reason(err))
	}
	var sent atomic.Int64
	answered := r.hopStart
	trace := &httptrace.ClientTrace{
		WroteHeaders:         func() { r.mark(&r.hop.Pretransfer, PhaseRequest) },
		WroteRequest:         func(httptrace.WroteRequestInfo) { sent.Store(int64(time.Since(r.hopStart))) },
		GotFirstResponseByte: func() { answered = time.Now() },
		Got1xxResponse: func(status int, header textproto.MIMEHeader) error {
			return r.answer.setHead("HTTP/3", status, fieldsOf(http.Header(header)))
		},
	}
	response, err := c.http.RoundTrip(request.WithContext(httptrace.WithClientTrace(r.ctx, trace)))
	r.sentHTTP3(q, time.Duration(sent.Load()))
	if answered.After(r.hopStart) {
		r.hop.FirstByte = Span{max(answered.Sub(r.hopStart), r.hop.Sent.Time), true}
		r.phase = PhaseTransfer
	}
	if err != nil {
		if !r.hop.Pretransfer.Reached {
			return r.failure(OutcomeSend, err, "sending the request: %s", quicReason(err))
		}
		return r.failure(OutcomeReceive, err, "waiting for the answer: %s", quicReason(err))
	}
	defer response.Body.Close()
	a := r.answer
	if err := a.setHead("HTTP/3", response.StatusCode, fieldsOf(response.Header)); err != nil {
		return r.answerError(err)
	}
	r.hop.Status, r.hop.HTTPVersion, r.hop.ContentLength = a.status, "3", a.contentLength
	err = c.readBody(a, response.Body)
	r.hop.BodySize = a.bodySize
	c.last = err != nil
	return r.answerError(err)
}

func (c *httpThree) readBody(a *answer, body io.Reader) error {
	a.in.Reset(body)
	switch err := a.take(1 << 62); {
	case err == io.EOF:
		return nil
	case err == errBodyTooLong:
		return err
	default:
		return errors.New(quicReason(err) + " within the body")
	}
}

// sentHTTP3 notes when the request was sent: with a body that was so on a goroutine of quic-go's, and the server may have
// answered before it.
func (r *run) sentHTTP3(q *request, sent time.Duration) {
	if !r.hop.Pretransfer.Reached {
		return
	}
	r.hop.RequestSize += int64(q.headSize) - int64(len("HTTP/1.1")-len("HTTP/3")) + int64(len(q.body))
	r.sent(false)
	if len(q.body) > 0 {
		r.hop.Sent.Time = max(r.hop.Sent.Time, sent)
	}
}

func (c *httpThree) request(q *request) (*http.Request, error) {
	u, err := url.Parse("https://" + q.authority + q.path)
	if err != nil {
		return nil, errors.New("its address can not be parsed")
	}
	header := http.Header{"User-Agent": nil} // or quic-go would send its own
	host := q.authority
	for _, f := range q.fields {
		switch name := http.CanonicalHeaderKey(f.Name); name {
		case "Host":
			host = f.Value
		case "Content-Length", "Connection", "Proxy-Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade":
		default:
			header[name] = append(header[name], strings.TrimSpace(f.Value))
		}
	}
	request := &http.Request{
		Method: q.method, URL: u, Host: host, Header: header, Proto: "HTTP/3.0", ProtoMajor: 3, ContentLength: int64(len(q.body)),
	}
	if len(q.body) > 0 {
		request.Body = io.NopCloser(bytes.NewReader(q.body))
	}
	return request, nil
}

// fieldsOf yields the fields of a header, in no order.
func fieldsOf(header http.Header) func(yield func(name, value string) bool) {
	return func(yield func(name, value string) bool) {
		for name, values := range header {
			for _, value := range values {
				if !yield(name, value) {
					return
				}
			}
		}
	}
}

func (c *httpThree) spent() bool { return c.last || c.quic.Context().Err() != nil }

// farewell is part of closing in QUIC.
func (c *httpThree) farewell() {}
