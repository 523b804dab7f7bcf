package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vedette-monitor/vedette/plugins/alert-notifier/markup"
	"github.com/vedette-monitor/vedette/plugins/alert-notifier/notice"
	"github.com/vedette-monitor/vedette/sdk"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// What a receiver of syslog takes for certain over UDP, and what most take over TCP.
const (
	maxDatagram = 2048
	maxFrame    = 8192
)

// farewell is how long a receiver may take to end a connection whose other side has ended: then it has read all of it.
const farewell = 2 * time.Second

type syslogConfig struct {
	Address  string   `hcl:"address" doc:"HOST:PORT of the receiver."`
	Protocol string   `hcl:"protocol" default:"tcp" one_of:"udp,tcp,tls" doc:"How messages travel. Over tcp and tls each begins with its length (RFC 6587, 5425)."`
	Facility string   `hcl:"facility" default:"daemon" one_of:"kern,user,mail,daemon,auth,syslog,lpr,news,uucp,cron,authpriv,ftp,local0,local1,local2,local3,local4,local5,local6,local7" doc:"Facility of the messages."`
	Hostname string   `hcl:"hostname,optional" doc:"Host that messages come from; by default the machine's name."`
	AppName  string   `hcl:"app_name" default:"vedette" doc:"Program that messages come from."`
	CAFile   sdk.Path `hcl:"ca_file,optional" doc:"Certificates that are trusted instead of the system's, in PEM."`
	CertFile sdk.Path `hcl:"cert_file,optional" doc:"Certificate that the receiver is shown, in PEM."`
	KeyFile  sdk.Path `hcl:"key_file,optional" doc:"Key of the certificate."`
}

var facilities = map[string]int{
	"kern": 0, "user": 1, "mail": 2, "daemon": 3, "auth": 4, "syslog": 5, "lpr": 6, "news": 7, "uucp": 8, "cron": 9, "authpriv": 10, "ftp": 11,
	"local0": 16, "local1": 17, "local2": 18, "local3": 19, "local4": 20, "local5": 21, "local6": 22, "local7": 23,
}

type syslog struct {
	syslogConfig
	tls *tls.Config
}

func newSyslog(c syslogConfig, env sdk.Env) (*channel, error) {
	host, port, err := net.SplitHostPort(c.Address)
	if err != nil || host == "" || port == "" {
		return nil, at("address", errors.New("it must be HOST:PORT"))
	}
	if _, ok := facilities[c.Facility]; !ok {
		return nil, at("facility", errors.New("there is no such facility"))
	}
	if c.Hostname == "" {
		if c.Hostname, err = os.Hostname(); err != nil {
			c.Hostname = "-"
		}
	}
	c.Hostname, c.AppName = printable(c.Hostname, 255), printable(c.AppName, 48)
	s := &syslog{syslogConfig: c}
	switch c.Protocol {
	case "tls":
		s.tls = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host}
		if c.CAFile != "" {
			if s.tls.RootCAs, err = poolOf(string(c.CAFile)); err != nil {
				return nil, at("ca_file", err)
			}
		}
		if (c.CertFile == "") != (c.KeyFile == "") {
			return nil, at("cert_file", errors.New("cert_file and key_file belong together"))
		}
		if c.CertFile != "" {
			s.tls.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				pair, err := tls.LoadX509KeyPair(string(c.CertFile), string(c.KeyFile))
				return &pair, err
			}
		}
	default:
		if c.CAFile != "" || c.CertFile != "" || c.KeyFile != "" {
			return nil, at("protocol", errors.New("only tls has certificates"))
		}
	}
	return newChannel("syslog", s, env), nil
}

func (s *syslog) recipients() []string { return []string{s.Address} }

// printable is a text as a header of RFC 5424 has it.
func printable(text string, most int) string {
	var b strings.Builder
	for _, r := range text {
		if r > ' ' && r < 0x7f && b.Len() < most {
			b.WriteRune(r)
		}
	}
	if b.Len() == 0 {
		return "-"
	}
	return b.String()
}

// Check implements transport: it connects. Over UDP nobody can say whether somebody listens.
func (s *syslog) Check(ctx context.Context) sdk.Delivery {
	conn, err := s.dial(ctx)
	if err != nil {
		d := fault(err, false)
		d.Recipient = s.Address
		return d
	}
	_ = conn.Close()
	d := sdk.Delivery{Recipient: s.Address, Outcome: sdk.Delivered}
	if s.Protocol == "udp" {
		d.Message = "the address is known; over UDP nobody can say whether it is listened to"
	}
	return d
}

func (s *syslog) dial(ctx context.Context) (net.Conn, error) {
	network := "tcp"
	if s.Protocol == "udp" {
		network = "udp"
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, s.Address)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline) // of a connection that was just made
	}
	if s.tls == nil {
		return conn, nil
	}
	secure := tls.Client(conn, s.tls)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secure, nil
}

func (s *syslog) deliver(ctx context.Context, n *notice.Notice, _ []string, done func(sdk.Delivery)) map[string]string {
	list := s.messages(n, time.Now())
	d := s.send(ctx, list)
	d.Recipient = s.Address
	d.Truncated = slices.ContainsFunc(list, func(l line) bool { return l.short })
	done(d)
	return nil
}

// line is a message of syslog.
type line struct {
	text  string
	short bool
}

// messages are a message for each alert, or one for a notice without any.
func (s *syslog) messages(n *notice.Notice, now time.Time) []line {
	most := maxFrame
	if s.Protocol == "udp" {
		most = maxDatagram
	}
	message := func(a *notice.Alert) line {
		one := *n
		one.Alerts, one.Omitted = nil, 0
		severity, state, data := n.Severity(), n.Kind, [][2]string{{"id", n.ID}, {"kind", kindName(n.Kind)}}
		if a != nil {
			one.Alerts, one.Text = []*notice.Alert{a}, ""
			severity, state = a.Severity, a.State
			data = append(data, [2]string{"incident", a.Incident}, [2]string{"alert", a.Name}, [2]string{"severity", a.Severity})
		}
		head := fmt.Sprintf("<%d>1 %s %s %s %d %s %s ", facilities[s.Facility]*8+level(severity, state), now.UTC().Format("2006-01-02T15:04:05.000000Z"),
			s.Hostname, s.AppName, os.Getpid(), strings.ToUpper(printable(kindName(n.Kind), 32)), structured(data))
		body := func(b []notice.Block) string {
			text := one.Subject()
			if rest := markup.Plain(b); rest != "" {
				text += " | " + strings.Join(strings.Fields(rest), " ")
			}
			return text
		}
		blocks, short := one.Fit(max(1, most-len(head)), func(b []notice.Block) int { return len(body(b)) })
		text, cut := notice.CutBytes(head+body(blocks), most)
		return line{text, short || cut}
	}
	var list []line
	for _, a := range n.Alerts {
		list = append(list, message(a))
	}
	if len(list) == 0 || n.Omitted > 0 {
		list = append(list, message(nil))
	}
	return list
}

// level is the severity of RFC 5424.
func level(severity string, state wire.Kind) int {
	if state == wire.Kind_KIND_RESOLVED || state == wire.Kind_KIND_FLAPPING_ENDED || state == wire.Kind_KIND_TEST {
		return 5
	}
	switch strings.ToLower(severity) {
	case "critical":
		return 2
	case "error":
		return 3
	case "warning":
		return 4
	case "info":
		return 6
	}
	return 5
}

// structured writes structured data. 32473 is the number that RFC 5612 keeps for those who have none of their own.
func structured(data [][2]string) string {
	var b strings.Builder
	b.WriteString("[vedette@32473")
	for _, d := range data {
		if d[1] == "" {
			continue
		}
		value, _ := notice.CutBytes(notice.Line(d[1]), 100)
		b.WriteString(" " + d[0] + `="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `]`, `\]`).Replace(value) + `"`)
	}
	b.WriteString("]")
	return b.String()
}

// send sends the messages over one connection.
func (s *syslog) send(ctx context.Context, list []line) sdk.Delivery {
	conn, err := s.dial(ctx)
	if err != nil {
		return fault(err, false)
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if s.Protocol == "udp" {
		return s.sendDatagrams(ctx, conn, list)
	}
	w := bufio.NewWriter(conn)
	bytes := 0
	for _, l := range list {
		n, _ := w.WriteString(strconv.Itoa(len(l.text)) + " " + l.text) // Flush has the error
		bytes += n
	}
	if err := w.Flush(); err != nil {
		d := fault(timely(ctx, err), true)
		d.Bytes = bytes
		return d
	}
	d := s.part(conn)
	d.Bytes = bytes
	return d
}

// part ends our side and waits until the receiver ends the other. Syslog has no acknowledgement; a receiver that ends an
// orderly connection has read it, and one that resets it has not.
func (s *syslog) part(conn net.Conn) sdk.Delivery {
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok {
		return sdk.Delivery{Outcome: sdk.Delivered}
	}
	if err := half.CloseWrite(); err != nil {
		return fault(err, true)
	}
	if secure, ok := conn.(*tls.Conn); ok {
		if tcp, ok := secure.NetConn().(*net.TCPConn); ok {
			_ = tcp.CloseWrite() // some wait for it, and to others it says nothing new
		}
	}
	_ = conn.SetReadDeadline(time.Now().Add(farewell)) // what fails shows when reading
	_, err := io.Copy(io.Discard, io.LimitReader(conn, maxAnswer))
	if err != nil && !isTimeout(err) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fault(err, true)
	}
	return sdk.Delivery{Outcome: sdk.Delivered}
}

// sendDatagrams sends each message by itself. That nobody listens shows at the next one, if at all.
func (s *syslog) sendDatagrams(ctx context.Context, conn net.Conn, list []line) sdk.Delivery {
	bytes := 0
	for _, l := range list {
		n, err := conn.Write([]byte(l.text))
		if err != nil {
			d := fault(timely(ctx, err), false)
			d.Bytes = bytes
			return d
		}
		bytes += n
	}
	_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := conn.Read(make([]byte, 1)); err != nil && !isTimeout(err) {
		return fault(err, false)
	}
	return sdk.Delivery{Outcome: sdk.Delivered, Bytes: bytes}
}
