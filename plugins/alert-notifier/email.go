package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/mail"
	"net/textproto"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"github.com/vedette-monitor/vedette/plugins/alert-notifier/markup"
	"github.com/vedette-monitor/vedette/plugins/alert-notifier/notice"
	"github.com/vedette-monitor/vedette/sdk"
)

const (
	// maxMail is the longest text of a mail; its HTML is longer.
	maxMail = 256 << 10
	// minMail is a text that every server takes.
	minMail = 1 << 10
	// maxDialogue is as much as is read of what a server says in a connection.
	maxDialogue = 1 << 20
)

type emailConfig struct {
	SMTP         string   `hcl:"smtp" doc:"HOST or HOST:PORT of the server that takes our mail. The port is by default 587, with tls implicit 465, and with none 25."`
	TLS          string   `hcl:"tls" default:"starttls" one_of:"starttls,implicit,none" doc:"How the connection is encrypted. A server that does not offer what is said here gets nothing."`
	CAFile       sdk.Path `hcl:"ca_file,optional" doc:"Certificates that are trusted instead of the system's, in PEM."`
	ServerName   string   `hcl:"server_name,optional" doc:"Name that the server's certificate must have; by default the host of smtp."`
	Username     string   `hcl:"username,optional" doc:"User who logs in."`
	Password     string   `hcl:"password,optional" sensitive:"true" doc:"The user's password; for xoauth2 the access token."`
	PasswordFile sdk.Path `hcl:"password_file,optional" doc:"A file that holds the password instead. It is read again when it has changed."`
	Auth         string   `hcl:"auth" default:"auto" one_of:"auto,plain,login,cram-md5,xoauth2" doc:"How the user logs in; auto takes the safest that the server offers: SCRAM, CRAM-MD5, PLAIN or LOGIN."`
	From         string   `hcl:"from" doc:"Sender, as in 监控 <alert@example.com>."`
	To           []string `hcl:"to" min:"1" doc:"Recipients. Each gets a message of its own."`
	ReplyTo      string   `hcl:"reply_to,optional" doc:"Address that answers go to."`
	Helo         string   `hcl:"helo,optional" doc:"Name by which we greet; by default the machine's."`
}

type email struct {
	emailConfig
	host      string
	port      int
	password  *secret
	from      *mail.Address
	to        map[string]*mail.Address // by the bare address, which deliveries are told by
	order     []string
	replyTo   *mail.Address
	tlsConfig *tls.Config
}

func newEmail(c emailConfig, env sdk.Env) (*channel, error) {
	e := &email{emailConfig: c, to: map[string]*mail.Address{}}
	var err error
	if e.host, e.port, err = hostAndPort(c.SMTP, map[string]int{"starttls": 587, "implicit": 465, "none": 25}[c.TLS]); err != nil {
		return nil, at("smtp", err)
	}
	if e.password, err = newSecret("password", c.Password, c.PasswordFile); err != nil {
		return nil, err
	}
	if e.from, err = mail.ParseAddress(c.From); err != nil {
		return nil, at("from", errors.New("this is no address of mail, such as 监控 <alert@example.com>"))
	}
	if c.ReplyTo != "" {
		if e.replyTo, err = mail.ParseAddress(c.ReplyTo); err != nil {
			return nil, at("reply_to", errors.New("this is no address of mail"))
		}
	}
	if len(c.To) == 0 {
		return nil, at("to", errNone)
	}
	for i, text := range c.To {
		a, err := mail.ParseAddress(text)
		if err != nil {
			return nil, &sdk.Problem{Path: []string{"to", strconv.Itoa(i)}, Err: errors.New("this is no address of mail, such as ops@example.com")}
		}
		if _, twice := e.to[a.Address]; !twice {
			e.to[a.Address] = a
			e.order = append(e.order, a.Address)
		}
	}
	switch {
	case c.Username == "" && (e.password.isSet() || c.Auth != "auto"):
		return nil, at("username", errors.New("say who logs in"))
	case c.Username != "" && !e.password.isSet():
		return nil, at("password", errors.New("set password or password_file"))
	case c.Username != "" && c.TLS == "none" && c.Auth != "cram-md5" && !isLoopback(e.host):
		return nil, at("tls", errors.New("a password is not sent over a connection that is not encrypted"))
	}
	if c.Helo == "" {
		if e.Helo, err = os.Hostname(); err != nil || e.Helo == "" {
			e.Helo = "localhost"
		}
	} else if printable(c.Helo, 255) != c.Helo {
		return nil, at("helo", errors.New("this can be no name of a host"))
	}
	e.tlsConfig = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: e.host}
	if c.ServerName != "" {
		e.tlsConfig.ServerName = c.ServerName
	}
	if c.CAFile != "" {
		if e.tlsConfig.RootCAs, err = poolOf(string(c.CAFile)); err != nil {
			return nil, at("ca_file", err)
		}
	}
	return newChannel("email", e, env), nil
}

func hostAndPort(text string, usual int) (string, int, error) {
	host, portText, err := net.SplitHostPort(text)
	if err != nil {
		host, portText = strings.Trim(text, "[]"), strconv.Itoa(usual)
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil || port == 0 || host == "" || strings.ContainsAny(host, "/@ ") {
		return "", 0, errors.New("it must be HOST or HOST:PORT")
	}
	return host, int(port), nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (e *email) recipients() []string { return e.order }

// Check implements transport: it connects, encrypts and logs in.
func (e *email) Check(ctx context.Context) sdk.Delivery {
	c, failed := e.connect(ctx)
	if failed != nil {
		return *failed
	}
	c.close()
	return sdk.Delivery{Outcome: sdk.Delivered, Code: "250"}
}

func (e *email) deliver(ctx context.Context, n *notice.Notice, to []string, done func(sdk.Delivery)) map[string]string {
	id := e.messageID(n.ID)
	root := n.State["message_id"]
	short := false
	var c *conversation
	defer func() {
		if c != nil {
			c.close()
		}
	}()
	for _, address := range to {
		var failed *sdk.Delivery
		if c == nil {
			c, failed = e.connect(ctx)
		}
		var d sdk.Delivery
		if failed != nil {
			d, c = *failed, nil
		} else {
			var message []byte
			var err error
			alive := true
			if message, short, err = e.fitting(n, id, root, e.to[address], c.room()); err != nil {
				d = sdk.Delivery{Outcome: sdk.PermanentConfig, Code: "message", Message: err.Error()}
			} else if d, alive = c.send(ctx, e.from.Address, address, message); !alive {
				c.close()
				c = nil
			}
		}
		d.Recipient, d.Truncated = address, short
		done(d)
	}
	if root == "" {
		root = id
	}
	return map[string]string{"message_id": root}
}

// fitting is the message, as short as the server wants it.
func (e *email) fitting(n *notice.Notice, id, root string, to *mail.Address, room int) (message []byte, short bool, err error) {
	for limit := maxMail; ; limit /= 2 {
		blocks, cut := n.Fit(limit, func(b []notice.Block) int { return len(markup.Plain(b)) })
		var text bytes.Buffer
		if _, err := e.message(n, id, root, to, markup.Plain(blocks), markup.HTML(n.Subject(), blocks, n.IsGood())).WriteTo(&text); err != nil {
			return nil, cut, err
		}
		if room <= 0 || text.Len() <= room || limit < minMail {
			return text.Bytes(), cut, nil
		}
	}
}

// messageID is what all attempts to send a notice have in common, so that a mailbox that has it takes another for the same.
func (e *email) messageID(id string) string {
	name := id
	if !isToken(name) || len(name) > 64 {
		name = hashOf("message " + id)
	}
	_, domain, _ := strings.Cut(e.from.Address, "@")
	return "vedette." + name + "@" + domain
}

func (e *email) message(n *notice.Notice, id, root string, to *mail.Address, text, page string) *gomail.Msg {
	m := gomail.NewMsg(gomail.WithCharset(gomail.CharsetUTF8), gomail.WithEncoding(gomail.EncodingB64), gomail.WithNoDefaultUserAgent())
	// The library would write names in quoted-printable, which takes twice the room that base64 does for Chinese.
	m.SetGenHeaderPreformatted("From", named(e.from))
	m.SetGenHeaderPreformatted("To", named(to))
	if e.replyTo != nil {
		m.SetGenHeaderPreformatted("Reply-To", named(e.replyTo))
	}
	m.Subject(n.Subject())
	m.SetDate()
	m.SetMessageIDWithValue(id)
	// The thread has a root that was never sent, so that its notices belong together whichever of them arrives. Who got one
	// finds the others under it.
	thread := "<" + e.messageID("thread "+n.Thread) + ">"
	switch {
	case n.Thread == "":
	case root == "" || root == id || !validID(root):
		m.SetGenHeader(gomail.HeaderReferences, thread)
		m.SetGenHeader(gomail.HeaderInReplyTo, thread)
	default:
		m.SetGenHeader(gomail.HeaderReferences, thread+" <"+root+">")
		m.SetGenHeader(gomail.HeaderInReplyTo, "<"+root+">")
	}
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	m.SetGenHeader("X-Auto-Response-Suppress", "All")
	m.SetGenHeader("X-Vedette-Notice", headerID(n.ID))
	if n.Severity() == "critical" && isAlarm(n) {
		m.SetImportance(gomail.ImportanceHigh)
	}
	m.SetBodyString(gomail.TypeTextPlain, text)
	m.AddAlternativeString(gomail.TypeTextHTML, page)
	return m
}

// named is an address with its name, as a header has it. Each word of a long name has a line.
func named(a *mail.Address) string {
	for i := range len(a.Name) {
		if a.Name[i] >= 0x80 {
			words := mime.BEncoding.Encode("UTF-8", a.Name)
			return strings.ReplaceAll(words, " ", "\r\n ") + "\r\n <" + a.Address + ">"
		}
	}
	return a.String()
}

// validID reports whether what came back from the daemon can be the name of a message.
func validID(id string) bool {
	name, domain, ok := strings.Cut(id, "@")
	return ok && isToken(name) && domain != "" && !strings.ContainsAny(domain, " \r\n<>@")
}

// conversation is a connection on which a server has let us in.
type conversation struct {
	smtp   *smtp.Client
	conn   *guarded
	stop   func() bool
	hidden hidden
}

// guarded is a connection on which a server can not talk for ever.
type guarded struct {
	net.Conn
	left int64
}

var errTalkative = errors.New("the server says more than any has to say")

// Read implements net.Conn.
func (g *guarded) Read(p []byte) (int, error) {
	if g.left <= 0 {
		return 0, errTalkative
	}
	n, err := g.Conn.Read(p[:min(int64(len(p)), g.left)])
	g.left -= int64(n)
	return n, err
}

// connect connects, encrypts and logs in. If it fails, the delivery says what that means for everybody.
func (e *email) connect(ctx context.Context) (*conversation, *sdk.Delivery) {
	fail := func(err error, h hidden) (*conversation, *sdk.Delivery) {
		d := connectFault(err)
		d.Message = h.in(d.Message)
		return nil, &d
	}
	c := &conversation{stop: func() bool { return true }}
	dial := func(dialing context.Context, network, address string) (net.Conn, error) {
		var d net.Dialer
		conn, err := d.DialContext(dialing, network, address)
		if err != nil {
			return nil, err
		}
		c.conn = &guarded{Conn: conn, left: maxDialogue}
		// When the attempt is over so is the connection, whatever the library thinks of time.
		c.stop = context.AfterFunc(ctx, func() { _ = conn.Close() })
		if e.TLS != "implicit" {
			return c.conn, nil
		}
		secure := tls.Client(c.conn, e.tlsConfig)
		return secure, secure.HandshakeContext(dialing)
	}
	policy := gomail.NoTLS
	if e.TLS == "starttls" {
		policy = gomail.TLSMandatory
	}
	options := []gomail.Option{
		gomail.WithPort(e.port), gomail.WithTLSPolicy(policy), gomail.WithTLSConfig(e.tlsConfig.Clone()), gomail.WithHELO(e.Helo),
		gomail.WithDialContextFunc(dial), gomail.WithTimeout(attemptTime), gomail.WithoutNoop(), gomail.WithoutRset(),
	}
	if !e.needsUTF8() {
		// A message that is marked as SMTPUTF8 comes back from every server on its way that does not know that.
		options = append(options, gomail.WithoutSMTPUTF8())
	}
	if e.Username != "" {
		password, err := e.password.value()
		if err != nil {
			return nil, &sdk.Delivery{Outcome: sdk.PermanentConfig, Message: err.Error()}
		}
		c.hidden = hide(password, base64.StdEncoding.EncodeToString([]byte(password)), base64.StdEncoding.EncodeToString([]byte("\x00"+e.Username+"\x00"+password)))
		options = append(options, gomail.WithUsername(e.Username), gomail.WithPassword(password), authOption(e.Auth))
	}
	client, err := gomail.NewClient(e.host, options...)
	if err != nil {
		return nil, &sdk.Delivery{Outcome: sdk.PermanentConfig, Message: c.hidden.in(err.Error())}
	}
	c.smtp, err = client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		c.stop()
		if c.conn != nil {
			_ = c.conn.Close() // the library leaves it open
		}
		return fail(timely(ctx, err), c.hidden)
	}
	return c, nil
}

// timely is an error that says if the time was over.
func timely(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	return err
}

func (e *email) needsUTF8() bool {
	for _, a := range append([]string{e.from.Address}, e.order...) {
		for i := range len(a) {
			if a[i] >= 0x80 {
				return true
			}
		}
	}
	return false
}

// authOption is how a user logs in. NTLM, which the library would prefer, does not work with the names of users that most
// servers have.
func authOption(auth string) gomail.Option {
	switch auth {
	case "plain":
		return gomail.WithSMTPAuth(gomail.SMTPAuthPlain)
	case "login":
		return gomail.WithSMTPAuth(gomail.SMTPAuthLogin)
	case "cram-md5":
		return gomail.WithSMTPAuth(gomail.SMTPAuthCramMD5)
	case "xoauth2":
		return gomail.WithSMTPAuth(gomail.SMTPAuthXOAUTH2)
	}
	return gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthSCRAMSHA256PLUS, gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthSCRAMSHA1PLUS, gomail.SMTPAuthSCRAMSHA1,
		gomail.SMTPAuthCramMD5, gomail.SMTPAuthPlain, gomail.SMTPAuthLogin)
}

// close says goodbye and does not wait long for the answer.
func (c *conversation) close() {
	_ = c.conn.Conn.SetDeadline(time.Now().Add(time.Second))
	_ = c.smtp.Quit() // nothing depends on it
	c.stop()
	_ = c.conn.Close()
}

// step is a part of the dialogue about a message.
type step string

const (
	stepSender    step = "MAIL"
	stepRecipient step = "RCPT"
	stepData      step = "DATA"
	stepContent   step = "the message"
	stepEnd       step = "the end of the message"
)

// send sends a message to one recipient. alive says that the connection can take another.
func (c *conversation) send(ctx context.Context, from, to string, message []byte) (d sdk.Delivery, alive bool) {
	at, id, err := c.dialogue(from, to, message)
	err = timely(ctx, err)
	if err == nil {
		d = sdk.Delivery{Outcome: sdk.Delivered, Code: "250", ProviderID: id}
	} else {
		d = sendFault(at, err)
	}
	d.Message, d.ProviderID, d.Bytes = c.hidden.in(d.Message), c.hidden.in(d.ProviderID), len(message)
	var said *textproto.Error
	switch {
	case err == nil:
		return d, true
	case !errors.As(err, &said) || said.Code == 421: // which is a server's goodbye
		return d, false
	}
	return d, at == stepEnd || c.smtp.Reset() == nil
}

// dialogue gives a message to the server, and says how far it came.
func (c *conversation) dialogue(from, to string, message []byte) (at step, id string, err error) {
	if err := c.smtp.Mail("<" + from + ">"); err != nil {
		return stepSender, "", err
	}
	if err := c.smtp.Rcpt("<" + to + ">"); err != nil {
		return stepRecipient, "", err
	}
	w, err := c.smtp.Data()
	if err != nil {
		return stepData, "", err
	}
	if _, err := w.Write(message); err != nil {
		return stepContent, "", err
	}
	if err := w.Close(); err != nil {
		return stepEnd, "", err
	}
	if closed, ok := w.(*smtp.DataCloser); ok {
		id = closed.ServerResponse()
	}
	return stepEnd, id, nil
}

// room is the longest message that the server takes; 0 if it does not say.
func (c *conversation) room() int {
	if ok, text := c.smtp.Extension("SIZE"); ok {
		if n, err := strconv.ParseUint(text, 10, 31); err == nil {
			return int(n)
		}
	}
	return 0
}

// enhanced is an enhanced status code at the beginning of what a server says. Many give one without having said that they
// would.
var enhanced = regexp.MustCompile(`^[245]\.\d{1,3}\.\d{1,3}\b`)

// codeOf is what a server says as a number, and its enhanced status code if it gives one.
func codeOf(said *textproto.Error) (code, detail string) {
	detail = enhanced.FindString(said.Msg)
	return strings.TrimSpace(strconv.Itoa(said.Code) + " " + detail), detail
}

// connectFault says what it means that no server let us in.
func connectFault(err error) sdk.Delivery {
	var said *textproto.Error
	var garbage textproto.ProtocolError
	var op net.Error
	switch {
	case errors.As(err, &said):
		d := sdk.Delivery{Outcome: sdk.PermanentConfig, Message: said.Msg}
		if d.Code, _ = codeOf(said); said.Code/100 == 4 {
			d.Outcome = sdk.Temporary
		}
		return d
	case isCertificate(err), errors.As(err, &garbage), errors.Is(err, errTalkative):
		d := fault(err, false)
		d.Outcome = sdk.PermanentConfig
		return d
	case errors.As(err, &op), isTimeout(err), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return fault(err, false)
	}
	// What is left are the library's own words: the server offers neither what tls nor what auth says.
	return sdk.Delivery{Outcome: sdk.PermanentConfig, Code: "config", Message: err.Error()}
}

// sendFault says what it means that a message was not taken.
func sendFault(at step, err error) sdk.Delivery {
	var said *textproto.Error
	if !errors.As(err, &said) {
		d := fault(err, at == stepEnd)
		d.Message = "at " + string(at) + ": " + d.Message
		return d
	}
	d := sdk.Delivery{Message: "to " + string(at) + ": " + said.Msg}
	var detail string
	d.Code, detail = codeOf(said)
	switch {
	case said.Code/100 == 4, detail == "5.2.2", said.Code == 552 && at == stepRecipient:
		// A mailbox that is full may be emptied; RFC 5321 has 552 after RCPT taken for 452.
		d.Outcome = sdk.Temporary
	case said.Code == 530 || said.Code == 535 || said.Code == 538 || at == stepSender:
		d.Outcome = sdk.PermanentConfig
	default:
		d.Outcome = sdk.PermanentRecipient
	}
	return d
}
