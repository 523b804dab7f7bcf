package main

import (
	"bufio"
	"crypto/hmac"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/sdk"
)

// mailServer speaks SMTP by a script: for each verb what it answers, and what it was told.
type mailServer struct {
	address string
	// greeting and answers are what it says; an answer that is empty is none at all, and then it hangs.
	greeting string
	features []string
	answers  map[string]func(line string) string

	mu    sync.Mutex
	heard []string
	mails []string
}

func (s *mailServer) note(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = append(s.heard, line)
}

// lines are what it was told so far.
func (s *mailServer) lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.heard)
}

func (s *mailServer) received() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mails)
}

// always is an answer that does not depend on anything.
func always(text string) func(string) string { return func(string) string { return text } }

func (s *mailServer) start(t testing.TB) *mailServer {
	t.Helper()
	s.address = listen(t, s.serve)
	return s
}

// envelope is how RFC 5321 has paths.
var envelope = regexp.MustCompile(`^(MAIL FROM|RCPT TO):<[^<> ]+@[^<> ]+>( BODY=8BITMIME)?( SMTPUTF8)?$`)

func (s *mailServer) serve(conn net.Conn) {
	say := func(text string) bool {
		if text == "" {
			hang(conn)
			return false
		}
		_, err := io.WriteString(conn, text+"\r\n")
		return err == nil
	}
	greeting := s.greeting
	if greeting == "" {
		greeting = "220 test"
	}
	if greeting == "nothing" {
		greeting = ""
	}
	if !say(greeting) {
		return
	}
	r := bufio.NewReader(conn)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		s.note(line)
		verb := strings.ToUpper(strings.SplitN(line, " ", 2)[0])
		answer := "250 ok"
		switch verb {
		case "EHLO":
			answer = "250-test"
			for _, f := range s.features {
				answer += "\r\n250-" + f
			}
			answer += "\r\n250 HELP"
		case "MAIL", "RCPT":
			if !envelope.MatchString(line) {
				answer = "501 5.5.4 that is no path"
			}
		case "DATA":
			answer = "354 go on"
		case "QUIT":
			answer = "221 bye"
		}
		if own, ok := s.answers[verb]; ok {
			answer = own(line)
		}
		if !say(answer) || verb == "QUIT" {
			return
		}
		if verb == "AUTH" && strings.HasPrefix(answer, "334") {
			for strings.HasPrefix(answer, "334") {
				line, err := r.ReadString('\n')
				if err != nil {
					return
				}
				s.note(strings.TrimRight(line, "\r\n"))
				if answer = s.answers["334"](strings.TrimRight(line, "\r\n")); !say(answer) {
					return
				}
			}
		}
		if verb != "DATA" || !strings.HasPrefix(answer, "354") {
			continue
		}
		var mail strings.Builder
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			if line == ".\r\n" {
				break
			}
			mail.WriteString(strings.TrimPrefix(line, "."))
		}
		answer = "250 2.0.0 queued as 4F1"
		if own, ok := s.answers["."]; ok {
			answer = own(mail.String())
		}
		if strings.HasPrefix(answer, "250") {
			s.mu.Lock()
			s.mails = append(s.mails, mail.String())
			s.mu.Unlock()
		}
		if !say(answer) {
			return
		}
	}
}

// mailTo is a configuration for a server without TLS.
func mailTo(address string, to ...string) object {
	if len(to) == 0 {
		to = []string{"ops@example.com"}
	}
	return object{"smtp": address, "tls": "none", "from": "监控 <alert@example.com>", "to": to, "helo": "monitor.example.com"}
}

func TestEachAnswerOfAMailServerHasItsOutcome(t *testing.T) {
	for _, tc := range []struct {
		verb, answer string
		outcome      sdk.Outcome
		code         string
	}{
		{"RCPT", "450 4.7.1 greylisted, try again", sdk.Temporary, "450 4.7.1"},
		{"RCPT", "451 4.3.0 local trouble", sdk.Temporary, "451 4.3.0"},
		{"RCPT", "452 4.2.2 mailbox full", sdk.Temporary, "452 4.2.2"},
		{"RCPT", "552 mailbox full", sdk.Temporary, "552"},
		{"RCPT", "550 5.2.2 over quota", sdk.Temporary, "550 5.2.2"},
		{"RCPT", "550 5.1.1 no such user", sdk.PermanentRecipient, "550 5.1.1"},
		{"RCPT", "551 5.7.1 not here", sdk.PermanentRecipient, "551 5.7.1"},
		{"RCPT", "553 5.1.3 what is that", sdk.PermanentRecipient, "553 5.1.3"},
		{"RCPT", "530 5.7.0 log in first", sdk.PermanentConfig, "530 5.7.0"},
		{"RCPT", "421 4.3.2 going down", sdk.Temporary, "421 4.3.2"},
		{"MAIL", "550 5.7.1 sender refused", sdk.PermanentConfig, "550 5.7.1"},
		{"MAIL", "451 later", sdk.Temporary, "451"},
		{"DATA", "451 4.3.0 later", sdk.Temporary, "451 4.3.0"},
		{".", "554 5.7.1 looks like spam", sdk.PermanentRecipient, "554 5.7.1"},
		{".", "552 5.3.4 too large", sdk.PermanentRecipient, "552 5.3.4"},
		{".", "451 4.7.1 greylisted", sdk.Temporary, "451 4.7.1"},
		{".", "250 2.0.0 queued as 4F1", sdk.Delivered, "250"},
	} {
		s := (&mailServer{features: []string{"ENHANCEDSTATUSCODES", "8BITMIME"}, answers: map[string]func(string) string{tc.verb: always(tc.answer)}}).start(t)
		d := open(t, "email", mailTo(s.address)).one(t, firing())
		if d.Outcome != tc.outcome || d.Code != tc.code || d.Recipient != "ops@example.com" || d.Bytes == 0 {
			t.Errorf("after %s: %s it is %+v, want %v with %q", tc.verb, tc.answer, d, tc.outcome, tc.code)
		}
		if d.Outcome != sdk.Delivered && !strings.Contains(d.Message, tc.answer[len(tc.answer)-5:]) || !strings.HasPrefix(d.Message, "to ") && d.Message != "" {
			t.Errorf("after %s: %s it says %q", tc.verb, tc.answer, d.Message)
		}
	}
}

func TestAServerThatLetsNobodyInSaysWhy(t *testing.T) {
	for _, tc := range []struct {
		greeting string
		outcome  sdk.Outcome
		code     string
	}{
		{"421 4.3.2 too busy", sdk.Temporary, "421 4.3.2"},
		{"554 5.7.1 you are on a list", sdk.PermanentConfig, "554 5.7.1"},
		{"HTTP/1.1 400 Bad Request", sdk.PermanentConfig, "network"},
		{strings.Repeat("220-"+strings.Repeat("x", 1000)+"\r\n", 2000), sdk.PermanentConfig, "network"},
	} {
		s := (&mailServer{greeting: tc.greeting}).start(t)
		d := open(t, "email", mailTo(s.address)).one(t, firing())
		if d.Outcome != tc.outcome || d.Code != tc.code {
			t.Errorf("after %.40q it is %+v, want %v with %q", tc.greeting, d, tc.outcome, tc.code)
		}
	}
}

func TestAMailServerThatHangsEndsAtTheDeadline(t *testing.T) {
	for verb, want := range map[string]sdk.Outcome{
		"greeting": sdk.Temporary, "EHLO": sdk.Temporary, "MAIL": sdk.Temporary, "RCPT": sdk.Temporary, "DATA": sdk.Temporary, ".": sdk.Unknown,
	} {
		t.Run(verb, func(t *testing.T) {
			t.Parallel()
			s := &mailServer{answers: map[string]func(string) string{verb: always("")}}
			if verb == "greeting" {
				s.greeting = "nothing"
			}
			s.start(t)
			c := open(t, "email", mailTo(s.address, "a@example.com", "b@example.com"))
			begun := time.Now()
			report := c.Notify(within(t, 300*time.Millisecond), firing())
			if took := time.Since(begun); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
			if len(report.Deliveries) != 2 || report.Deliveries[0].Outcome != want || report.Deliveries[0].Code != "timeout" || report.Deliveries[1].Outcome != sdk.Temporary {
				t.Errorf("the report is %+v, want %v for the first", report, want)
			}
		})
	}
}

func TestAServerThatDripsEndsAtTheDeadlineToo(t *testing.T) {
	address := listen(t, func(conn net.Conn) {
		for {
			if _, err := io.WriteString(conn, "220-"); err != nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
	begun := time.Now()
	report := open(t, "email", mailTo(address)).Notify(within(t, 300*time.Millisecond), firing())
	if took := time.Since(begun); took > 5*time.Second || report.Deliveries[0].Outcome != sdk.Temporary {
		t.Errorf("after %v it is %+v", took, report)
	}
}

func TestOneBadRecipientStopsNoOther(t *testing.T) {
	to := []string{"a@example.com", "full@example.com", "nobody@example.com", "甲 <b@example.com>"}
	s := (&mailServer{features: []string{"ENHANCEDSTATUSCODES"}, answers: map[string]func(string) string{"RCPT": func(line string) string {
		switch {
		case strings.Contains(line, "full@"):
			return "452 4.2.2 mailbox full"
		case strings.Contains(line, "nobody@"):
			return "550 5.1.1 no such user"
		}
		return "250 ok"
	}}}).start(t)
	c := open(t, "email", mailTo(s.address, to...))
	report := c.Notify(within(t, patience), firing())
	var got []string
	for _, d := range report.Deliveries {
		got = append(got, d.Recipient+" "+outcomeName(d.Outcome)+" "+d.Code)
	}
	want := []string{"a@example.com delivered 250", "full@example.com temporary 452 4.2.2", "nobody@example.com permanent_recipient 550 5.1.1", "b@example.com delivered 250"}
	if !slices.Equal(got, want) {
		t.Errorf("the deliveries are %q, want %q", got, want)
	}
	if mails := s.received(); len(mails) != 2 || strings.Contains(mails[0], "b@example.com") || strings.Contains(mails[1], "a@example.com") {
		t.Errorf("%d mails came", len(mails))
	}
	connections := 0
	for _, line := range s.lines() {
		if strings.HasPrefix(line, "EHLO") {
			connections++
		}
	}
	if connections != 1 {
		t.Errorf("there were %d connections", connections)
	}
	again := firing()
	again.Recipients, again.Attempt = []string{"full@example.com"}, 2
	if report := c.Notify(within(t, patience), again); len(report.Deliveries) != 1 || report.Deliveries[0].Recipient != "full@example.com" {
		t.Errorf("the second attempt is %+v", report)
	}
}

func TestAServerThatEndsTheConnectionInBetweenIsCalledAgain(t *testing.T) {
	s := &mailServer{answers: map[string]func(string) string{"RCPT": func(line string) string {
		if strings.Contains(line, "a@") {
			return "421 4.7.0 too many recipients here, goodbye"
		}
		return "250 ok"
	}}}
	s.start(t)
	report := open(t, "email", mailTo(s.address, "a@example.com", "b@example.com")).Notify(within(t, patience), firing())
	if report.Deliveries[0].Outcome != sdk.Temporary || report.Deliveries[1].Outcome != sdk.Delivered {
		t.Errorf("the report is %+v", report)
	}
}

func TestWithoutTheEncryptionThatIsDemandedNothingIsSent(t *testing.T) {
	s := (&mailServer{features: []string{"AUTH PLAIN LOGIN"}}).start(t)
	config := mailTo(s.address)
	config["tls"], config["username"], config["password"] = "starttls", "user", key
	c := open(t, "email", config)
	d := c.one(t, firing())
	if d.Outcome != sdk.PermanentConfig || !strings.Contains(d.Message, "STARTTLS") {
		t.Errorf("it is %+v", d)
	}
	for _, line := range s.lines() {
		if !strings.HasPrefix(line, "EHLO") && line != "QUIT" {
			t.Errorf("the server was told %q", line)
		}
	}
	c.tellsNothing(t, d)

	// Nor does a server's refusal of STARTTLS bring it to speak in clear.
	s = (&mailServer{features: []string{"STARTTLS", "AUTH PLAIN"}, answers: map[string]func(string) string{"STARTTLS": always("454 4.7.0 not now")}}).start(t)
	config["smtp"] = s.address
	if d := open(t, "email", config).one(t, firing()); d.Outcome != sdk.Temporary || d.Code != "454 4.7.0" {
		t.Errorf("it is %+v", d)
	}
	for _, line := range s.lines() {
		if strings.HasPrefix(line, "AUTH") || strings.HasPrefix(line, "MAIL") {
			t.Errorf("the server was told %q", line)
		}
	}
}

// authenticating is a server that wants a user and knows the password key. It is on loopback, where a password may go in clear.
func authenticating(mechanisms string) *mailServer {
	const challenge = "<1896.697170952@test>"
	s := &mailServer{features: []string{"AUTH " + mechanisms}}
	decode := func(text string) string {
		raw, _ := base64.StdEncoding.DecodeString(text)
		return string(raw)
	}
	verdict := func(good bool) string {
		if good {
			return "235 2.7.0 welcome"
		}
		return "535 5.7.8 wrong"
	}
	step := ""
	s.answers = map[string]func(string) string{
		"AUTH": func(line string) string {
			parts := strings.Split(line, " ")
			switch step = parts[1]; step {
			case "PLAIN":
				return verdict(decode(parts[2]) == "\x00user\x00"+key)
			case "LOGIN":
				return "334 " + base64.StdEncoding.EncodeToString([]byte("Username:"))
			case "CRAM-MD5":
				return "334 " + base64.StdEncoding.EncodeToString([]byte(challenge))
			case "XOAUTH2":
				return verdict(decode(parts[2]) == "user=user\x01auth=Bearer "+key+"\x01\x01")
			}
			return "504 5.5.4 unknown"
		},
		"334": func(line string) string {
			switch step {
			case "LOGIN":
				step = "LOGIN password"
				if decode(line) != "user" {
					return verdict(false)
				}
				return "334 " + base64.StdEncoding.EncodeToString([]byte("Password:"))
			case "LOGIN password":
				return verdict(decode(line) == key)
			}
			mac := hmac.New(md5.New, []byte(key))
			mac.Write([]byte(challenge))
			return verdict(decode(line) == "user "+hex.EncodeToString(mac.Sum(nil)))
		},
	}
	return s
}

func TestAUserLogsInAsTheServerWantsIt(t *testing.T) {
	for _, tc := range []struct{ auth, offered, taken string }{
		{"plain", "PLAIN LOGIN", "PLAIN"}, {"login", "PLAIN LOGIN", "LOGIN"}, {"cram-md5", "PLAIN CRAM-MD5", "CRAM-MD5"}, {"xoauth2", "XOAUTH2 PLAIN", "XOAUTH2"},
		{"auto", "NTLM LOGIN PLAIN", "PLAIN"}, {"auto", "LOGIN", "LOGIN"}, {"auto", "PLAIN LOGIN CRAM-MD5", "CRAM-MD5"},
	} {
		s := authenticating(tc.offered).start(t)
		config := mailTo(s.address)
		config["auth"], config["username"], config["password"] = tc.auth, "user", key
		c := open(t, "email", config)
		d := c.one(t, firing())
		if d.Outcome != sdk.Delivered {
			t.Errorf("%s of %s: it is %+v", tc.auth, tc.offered, d)
		}
		if !slices.ContainsFunc(s.lines(), func(l string) bool { return strings.HasPrefix(l, "AUTH "+tc.taken) }) {
			t.Errorf("%s of %s: the server was told %q", tc.auth, tc.offered, s.lines())
		}
		c.tellsNothing(t, d)
		config["password"] = key + "x"
		c = open(t, "email", config)
		if d = c.one(t, firing()); d.Outcome != sdk.PermanentConfig || d.Code != "535 5.7.8" {
			t.Errorf("%s of %s: with a wrong password it is %+v", tc.auth, tc.offered, d)
		}
		c.tellsNothing(t, d)
		if len(s.received()) != 1 {
			t.Errorf("%s of %s: %d mails came", tc.auth, tc.offered, len(s.received()))
		}
	}
	for _, tc := range []struct{ auth, offered string }{{"cram-md5", "PLAIN"}, {"auto", "GSSAPI"}} {
		s := authenticating(tc.offered).start(t)
		config := mailTo(s.address)
		config["auth"], config["username"], config["password"] = tc.auth, "user", key
		if d := open(t, "email", config).one(t, firing()); d.Outcome != sdk.PermanentConfig {
			t.Errorf("%s of %s: it is %+v", tc.auth, tc.offered, d)
		}
	}
}

func TestAPasswordThatWasRotatedIsUsedAtOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("old")
	s := authenticating("PLAIN").start(t)
	config := mailTo(s.address)
	config["username"], config["password_file"] = "user", file
	c := open(t, "email", config)
	if d := c.one(t, firing()); d.Outcome != sdk.PermanentConfig {
		t.Errorf("with the old password it is %+v", d)
	}
	write(key)
	if d := c.one(t, firing()); d.Outcome != sdk.Delivered {
		t.Errorf("with the new password it is %+v", d)
	}
}

func TestOnlyWhatNeedsItIsSentAsSMTPUTF8(t *testing.T) {
	for to, want := range map[string]bool{"王小明 <ops@example.com>": false, "值班@example.com": true} {
		s := (&mailServer{features: []string{"8BITMIME", "SMTPUTF8"}}).start(t)
		if d := open(t, "email", mailTo(s.address, to)).one(t, firing()); d.Outcome != sdk.Delivered {
			t.Errorf("%s: it is %+v", to, d)
		}
		if got := slices.ContainsFunc(s.lines(), func(l string) bool { return strings.HasPrefix(l, "MAIL") && strings.HasSuffix(l, " SMTPUTF8") }); got != want {
			t.Errorf("%s: the server was told %q", to, s.lines())
		}
	}
}

func TestANameOfAnyLengthFitsTheLinesOfAHead(t *testing.T) {
	name := strings.Repeat("监控中心", 20)
	s := (&mailServer{}).start(t)
	config := mailTo(s.address, name+" <ops@example.com>", "\"Duty, A. \\\"X\\\"\" <duty@example.com>")
	config["from"], config["reply_to"] = name+" <alert@example.com>", "答复 <reply@example.com>"
	open(t, "email", config).Notify(within(t, patience), firing())
	for i, want := range []mail.Address{{Name: name, Address: "ops@example.com"}, {Name: `Duty, A. "X"`, Address: "duty@example.com"}} {
		text := s.received()[i]
		m, err := mail.ReadMessage(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		for field, want := range map[string]mail.Address{"To": want, "From": {Name: name, Address: "alert@example.com"}, "Reply-To": {Name: "答复", Address: "reply@example.com"}} {
			list, err := m.Header.AddressList(field)
			if err != nil || len(list) != 1 || *list[0] != want || strings.Contains(m.Header.Get(field), "?q?") {
				t.Errorf("%s is %q, %v", field, m.Header.Get(field), err)
			}
		}
		head, _, _ := strings.Cut(text, "\r\n\r\n")
		for line := range strings.SplitSeq(head, "\r\n") {
			if len(line) > 78 {
				t.Errorf("a line has %d bytes: %s", len(line), line)
			}
		}
	}
}

func TestAMessageThatWasTakenIsDeliveredWhateverHappensThen(t *testing.T) {
	s := (&mailServer{answers: map[string]func(string) string{"QUIT": always("")}}).start(t)
	begun := time.Now()
	if d := open(t, "email", mailTo(s.address)).one(t, firing()); d.Outcome != sdk.Delivered || time.Since(begun) > 10*time.Second {
		t.Errorf("after %v it is %+v", time.Since(begun), d)
	}
}

func TestAllAttemptsHaveOneMessageID(t *testing.T) {
	s := (&mailServer{}).start(t)
	c := open(t, "email", mailTo(s.address))
	first := firing()
	report := c.Notify(within(t, patience), first)
	again := firing()
	again.Attempt = 2
	c.Notify(within(t, patience), again)
	next := firing()
	next.Id, next.ThreadState = "n-2", report.Thread
	c.Notify(within(t, patience), next)
	odd := firing()
	odd.Id, odd.ThreadState = "odd id\r\n<x>@", map[string]string{"message_id": "x>\r\nBcc: evil@example.com"}
	c.Notify(within(t, patience), odd)
	var ids, parents []string
	for _, m := range s.received() {
		ids = append(ids, headerOf(m, "Message-ID"))
		parents = append(parents, headerOf(m, "In-Reply-To")+" "+headerOf(m, "References"))
	}
	if len(ids) != 4 || ids[0] != "<vedette.n-1@example.com>" || ids[1] != ids[0] || ids[2] != "<vedette.n-2@example.com>" || ids[3] != "<vedette."+hashOf("message odd id\r\n<x>@")+"@example.com>" {
		t.Errorf("the ids are %q", ids)
	}
	root := "<vedette." + hashOf("message thread t-1") + "@example.com>"
	want := []string{root + " " + root, root + " " + root, ids[0] + " " + root + " " + ids[0], root + " " + root}
	if !slices.Equal(parents, want) {
		t.Errorf("the threads are %q, want %q", parents, want)
	}
}

// headerOf is a header of a mail, unfolded.
func headerOf(mail, name string) string {
	head, _, _ := strings.Cut(mail, "\r\n\r\n")
	head = strings.ReplaceAll(strings.ReplaceAll(head, "\r\n ", " "), "\r\n\t", " ")
	for line := range strings.SplitSeq(head, "\r\n") {
		if n, value, ok := strings.Cut(line, ": "); ok && strings.EqualFold(n, name) {
			return value
		}
	}
	return ""
}

func TestAMailChannelThatCanNotWorkIsRefused(t *testing.T) {
	for what, tc := range map[string]struct {
		change object
		path   string
	}{
		"no server":             {object{"smtp": ""}, "smtp"},
		"a port too much":       {object{"smtp": "a:99999"}, "smtp"},
		"an address as server":  {object{"smtp": "smtp://a/"}, "smtp"},
		"no sender":             {object{"from": "alert"}, "from"},
		"a sender of two lines": {object{"from": "a\r\nBcc: b@c.d <x@y.z>"}, "from"},
		"nobody":                {object{"to": []string{}}, "to"},
		"no address":            {object{"to": []string{"a@b.c", "ops"}}, "to.1"},
		"password without user": {object{"password": "x"}, "username"},
		"user without password": {object{"username": "x"}, "password"},
		"in clear":              {object{"smtp": "mail.example.com", "username": "x", "password": "y"}, "tls"},
		"two passwords":         {object{"username": "x", "password": "y", "password_file": "/z"}, "password"},
		"no certificates":       {object{"ca_file": "/dev/null"}, "ca_file"},
		"greeting":              {object{"helo": "a b"}, "helo"},
	} {
		config := mailTo("127.0.0.1:25")
		for name, value := range tc.change {
			config[name] = value
		}
		_, err := tryOpen("email", config)
		if err == nil || !strings.HasPrefix(placed(err).Error(), tc.path+": ") {
			t.Errorf("%s: it is %v", what, fmt.Sprint(err))
		}
	}
}
