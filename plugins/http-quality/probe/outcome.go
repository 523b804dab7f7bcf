package probe

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/quic-go/quic-go"
)

// Outcome is the first thing that went wrong with a probe, or OutcomeOK.
type Outcome string

// With each outcome stands the phase in which the last hop ends then. All phases before it are reached, and none after it.
const (
	OutcomeOK          Outcome = "ok"          // transfer
	OutcomeDNS         Outcome = "dns"         // dns: the name has no address of the family, or no DNS server answered
	OutcomeConnect     Outcome = "connect"     // tcp: no address accepted a connection. tls, or request without TLS: a proxy did not connect
	OutcomeTLS         Outcome = "tls"         // tls: the handshake failed, but not over the certificate. wait: it did so afterwards (TLS 1.3)
	OutcomeCertificate Outcome = "certificate" // tls: the server's certificate is not valid for the target, now. transfer: it soon will not be
	OutcomeSend        Outcome = "send"        // request: it could not be sent whole. dns: nor made, because a file could not be read
	OutcomeReceive     Outcome = "receive"     // wait, transfer: no answer, half an answer, or no HTTP
	OutcomeTimeout     Outcome = "timeout"     // any: the probe's time, or that for connecting, ran out, or its context ended
	OutcomeRedirect    Outcome = "redirect"    // transfer: too many of them, or one that must not be followed
	OutcomeStatus      Outcome = "status"      // transfer, these four: not as expected
	OutcomeHeader      Outcome = "header"
	OutcomeBody        Outcome = "body" // or longer than the limit
	OutcomeSlow        Outcome = "slow"
)

// Phase is a part of a hop. Phases follow one another in this order without a gap.
type Phase uint8

const (
	PhaseDNS      Phase = iota // looking up the name
	PhaseTCP                   // connecting, all attempts
	PhaseTLS                   // shaking hands, verification of the certificate included
	PhaseRequest               // handing the request to the kernel, body included
	PhaseWait                  // until the first byte of the answer
	PhaseTransfer              // until the last byte of it
)

func (p Phase) String() string {
	return [...]string{"dns", "tcp", "tls", "request", "wait", "transfer"}[p]
}

// doing is the phase in the words of an error.
func (p Phase) doing() string {
	return [...]string{
		"looking up the name", "connecting", "shaking hands", "sending the request", "waiting for the first byte", "reading the answer",
	}[p]
}

// Error is why a probe failed.
type Error struct {
	Outcome Outcome
	Phase   Phase // in which it happened
	text    string
	cause   error
}

// newError makes an Error whose text is safe to print, whatever the arguments hold.
func newError(o Outcome, p Phase, cause error, format string, args ...any) *Error {
	return &Error{Outcome: o, Phase: p, cause: cause, text: printable(fmt.Sprintf(format, args...), maxErrorText)}
}

// Error has one line of printable text, bounded in length, without credentials.
func (e *Error) Error() string { return e.text }

// Unwrap gives what the system or the standard library said: context.Canceled, syscall.ECONNREFUSED, *net.DNSError, ….
func (e *Error) Unwrap() error { return e.cause }

// reason is err in as few words as possible: without addresses, which are told apart, and ephemeral ports, which would
// make every error text one of its own.
func reason(err error) string {
	var line *lineError
	var errno syscall.Errno
	var dns *net.DNSError
	switch {
	case errors.As(err, &line):
		return line.Error()
	case errors.As(err, &errno):
		return errno.Error()
	case errors.As(err, &dns):
		return dns.Err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "no answer" // from one of several addresses; the end of the probe's time is told elsewhere
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed without notice"
	case errors.Is(err, io.EOF):
		return "connection closed"
	}
	return err.Error()
}

// isTLSAlert tells whether the other side ended TLS with an alert, which may well come after the handshake: a TLS 1.3
// server that misses a client's certificate says so in place of its answer.
func isTLSAlert(err error) bool {
	var op *net.OpError
	var overQUIC *quic.TransportError
	return errors.As(err, &op) && op.Op == "remote error" ||
		errors.As(err, &overQUIC) && overQUIC.Remote && overQUIC.ErrorCode.IsCryptoError()
}
