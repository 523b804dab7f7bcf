package main

import (
	"bufio"
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/sdk"
	"github.com/vedette-monitor/vedette/sdk/sdktest"
)

func TestAProvidersYesIsTheOnlyYes(t *testing.T) {
	for name, r := range robots {
		t.Run(name, func(t *testing.T) {
			p := provide(t, says(200, r.yes))
			c := open(t, typeOf(name), r.config(p.URL))
			d := c.one(t, firing())
			if d.Outcome != sdk.Delivered || d.Bytes == 0 && name != "webhook" || d.Message != "" {
				t.Errorf("the delivery is %+v", d)
			}
			if len(p.asked()) != 1 {
				t.Errorf("it was asked %d times", len(p.asked()))
			}
			c.tellsNothing(t, d)
		})
	}
}

func TestAnAnswerIsJudgedByWhatItSays(t *testing.T) {
	const (
		temporary, recipient, config, unknown = sdk.Temporary, sdk.PermanentRecipient, sdk.PermanentConfig, sdk.Unknown
	)
	for _, tc := range []struct {
		channel string
		status  int
		body    string
		outcome sdk.Outcome
		code    string
	}{
		{"dingtalk", 200, `{"errcode":310000,"errmsg":"keywords not in content"}`, config, "errcode 310000"},
		{"dingtalk", 200, `{"errcode":130101,"errmsg":"send too fast"}`, temporary, "errcode 130101"},
		{"dingtalk", 200, `{"errcode":460101,"errmsg":"message too long"}`, recipient, "errcode 460101"},
		{"dingtalk", 200, `{"errcode":300005,"errmsg":"token is not exist"}`, config, "errcode 300005"},
		{"dingtalk", 200, `{"errcode":-1,"errmsg":"busy"}`, temporary, "errcode -1"},
		{"dingtalk", 200, `{"errcode":99,"errmsg":"new"}`, temporary, "errcode 99"},
		{"dingtalk", 200, `{"errcode":"0"}`, unknown, "answer"},
		{"dingtalk", 200, `{"status":"ok"}`, unknown, "answer"},
		{"dingtalk", 200, `<html>Welcome to the hotel</html>`, unknown, "answer"},
		{"dingtalk", 200, ``, unknown, "answer"},
		{"wecom", 200, `{"errcode":45009,"errmsg":"api freq out of limit"}`, temporary, "errcode 45009"},
		{"wecom", 200, `{"errcode":93000,"errmsg":"invalid webhook url"}`, config, "errcode 93000"},
		{"wecom", 200, `{"errcode":40058,"errmsg":"content exceed max length"}`, recipient, "errcode 40058"},
		{"feishu", 200, `{"code":9499,"msg":"too many request"}`, temporary, "code 9499"},
		{"feishu", 200, `{"code":11232,"msg":"frequency limited"}`, temporary, "code 11232"},
		{"feishu", 200, `{"code":19021,"msg":"sign match fail"}`, config, "code 19021"},
		{"feishu", 200, `{"code":19022,"msg":"Ip Not Allowed"}`, config, "code 19022"},
		{"feishu", 200, `{"code":19024,"msg":"Key Words Not Found"}`, config, "code 19024"},
		{"feishu", 400, `{"code":9499,"msg":"Bad Request"}`, recipient, "400"},
		{"feishu", 400, `{"code":9499,"msg":"too many request"}`, temporary, "code 9499"},
		{"feishu", 400, `{"code":19021,"msg":"sign match fail"}`, config, "code 19021"},
		{"feishu", 403, `{"code":11232,"msg":"frequency limited"}`, temporary, "code 11232"},
		{"feishu", 400, `{"code":0,"msg":"success"}`, recipient, "400"},
		{"dingtalk", 400, `{"errcode":99,"errmsg":"new"}`, recipient, "400"},
		{"dingtalk", 503, `{"errcode":310000,"errmsg":"sign"}`, temporary, "503"},
		{"feishu", 200, `{"StatusCode":19021,"StatusMessage":"sign"}`, config, "StatusCode 19021"},
		{"slack", 200, `invalid_token`, config, "invalid_token"},
		{"slack", 200, `<html>`, unknown, "error"},
		{"slack", 403, `invalid_token`, config, "invalid_token"},
		{"slack", 404, `no_service`, config, "no_service"},
		{"slack", 404, `channel_not_found`, recipient, "channel_not_found"},
		{"slack", 410, `channel_is_archived`, recipient, "channel_is_archived"},
		{"slack", 400, `invalid_blocks`, recipient, "invalid_blocks"},
		{"slack bot", 200, `{"ok":false,"error":"channel_not_found"}`, recipient, "channel_not_found"},
		{"slack bot", 200, `{"ok":false,"error":"token_revoked"}`, config, "token_revoked"},
		{"slack bot", 200, `{"ok":false,"error":"ratelimited"}`, temporary, "ratelimited"},
		{"slack bot", 200, `{"error":"x"}`, unknown, "answer"},
		{"telegram", 401, `{"ok":false,"error_code":401,"description":"Unauthorized"}`, config, "401"},
		{"telegram", 404, `{"ok":false,"error_code":404,"description":"Not Found"}`, config, "404"},
		{"telegram", 403, `{"ok":false,"error_code":403,"description":"Forbidden: bot was kicked"}`, recipient, "403"},
		{"telegram", 400, `{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}`, recipient, "400"},
		{"telegram", 400, `{"ok":false,"error_code":400,"description":"group upgraded","parameters":{"migrate_to_chat_id":-1009}}`, recipient, "400"},
		{"telegram", 429, `{"ok":false,"error_code":429,"description":"Too Many Requests","parameters":{"retry_after":35}}`, temporary, "429"},
		{"telegram", 502, `<html>Bad Gateway</html>`, temporary, "502"},
		{"telegram", 200, `{}`, unknown, "answer"},
		{"pagerduty", 400, `{"status":"invalid event","message":"Event object is invalid","errors":["routing_key is invalid"]}`, config, "400"},
		{"pagerduty", 400, `{"status":"invalid event","message":"Event object is invalid","errors":["Length of 'summary' is too long"]}`, recipient, "400"},
		{"pagerduty", 202, `{"status":"queued?"}`, temporary, "queued?"},
		{"pagerduty", 202, `hello`, unknown, "answer"},
		{"sms", 200, `{"code":"BUSY","msg":"later"}`, temporary, "BUSY"},
		{"sms", 200, `{"code":"BAD_NUMBER","msg":"no such"}`, recipient, "BAD_NUMBER"},
		{"sms", 200, `{"code":"BAD_SIGN"}`, config, "BAD_SIGN"},
		{"sms", 200, `{"code":"NEW"}`, temporary, "NEW"},
		{"sms", 200, `{"kode":"OK"}`, unknown, "answer"},
		{"sms", 200, `OK`, unknown, "answer"},
	} {
		t.Run(fmt.Sprintf("%s %d %.40s", tc.channel, tc.status, tc.body), func(t *testing.T) {
			r := robots[tc.channel]
			p := provide(t, says(tc.status, tc.body))
			c := open(t, typeOf(tc.channel), r.config(p.URL))
			d := c.one(t, firing())
			if d.Outcome != tc.outcome || d.Code != tc.code || d.Message == "" {
				t.Errorf("the delivery is %+v, want %v with code %q", d, tc.outcome, tc.code)
			}
			points := c.points.Points()
			if len(points) != 1 {
				t.Fatalf("there are %d points", len(points))
			}
		})
	}
}

func TestEveryStatusHasItsOutcome(t *testing.T) {
	outcomes := map[int]sdk.Outcome{
		301: sdk.PermanentConfig, 400: sdk.PermanentRecipient, 401: sdk.PermanentConfig, 403: sdk.PermanentConfig, 404: sdk.PermanentConfig,
		408: sdk.Temporary, 410: sdk.PermanentRecipient, 413: sdk.PermanentRecipient, 425: sdk.Temporary, 429: sdk.Temporary,
		500: sdk.Temporary, 502: sdk.Temporary, 503: sdk.Temporary, 504: sdk.Temporary,
	}
	for name, r := range robots {
		for status, want := range outcomes {
			// The answer repeats what it was asked, as some do.
			p := provide(t, func(w http.ResponseWriter, req *http.Request) {
				w.WriteHeader(status)
				_, _ = fmt.Fprintf(w, "%s %s %s", req.URL, req.Header.Get("Authorization"), req.Header.Get("X-Token"))
			})
			c := open(t, typeOf(name), r.config(p.URL))
			d := c.one(t, firing())
			if d.Outcome != want || d.Code != fmt.Sprint(status) {
				t.Errorf("%s: status %d is %+v, want %v", name, status, d, want)
			}
			c.tellsNothing(t, d)
		}
	}
}

func TestAProviderSaysWhenToTryAgain(t *testing.T) {
	for name, r := range robots {
		for header, want := range map[string][2]time.Duration{
			"17": {17 * time.Second, 17 * time.Second}, "": {0, 0}, "soon": {0, 0}, "-4": {0, 0}, "999999999": {time.Hour, time.Hour},
			time.Now().Add(10 * time.Minute).UTC().Format(http.TimeFormat): {8 * time.Minute, 10 * time.Minute},
		} {
			p := provide(t, func(w http.ResponseWriter, _ *http.Request) {
				if header != "" {
					w.Header().Set("Retry-After", header)
				}
				w.WriteHeader(429)
			})
			d := open(t, typeOf(name), r.config(p.URL)).one(t, firing())
			if d.Outcome != sdk.Temporary || d.RetryAfter < want[0] || d.RetryAfter > want[1] {
				t.Errorf("%s: with Retry-After %q it is %+v", name, header, d)
			}
		}
	}
	p := provide(t, says(429, `{"ok":false,"error_code":429,"description":"Too Many Requests","parameters":{"retry_after":35}}`))
	if d := open(t, "telegram", robots["telegram"].config(p.URL)).one(t, firing()); d.RetryAfter != 35*time.Second {
		t.Errorf("of Telegram's own parameter came %v", d.RetryAfter)
	}
}

// raw answers a request with bytes, and then does what it likes.
func raw(t testing.TB, then func(net.Conn), answer string) string {
	return "http://" + listen(t, func(conn net.Conn) {
		req, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, req.Body)
		_, _ = io.WriteString(conn, answer)
		if then != nil {
			then(conn)
		}
	})
}

// hang waits until the other side has gone.
func hang(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

func TestAServerThatIsSlowEndsAtTheDeadline(t *testing.T) {
	const deadline = 300 * time.Millisecond
	silent := func(t *testing.T) string { return "http://" + listen(t, hang) }
	// It accepts, reads the request, and says no more.
	for what, server := range map[string]struct {
		start func(t *testing.T) string
		want  sdk.Outcome
	}{
		"says nothing": {silent, sdk.Unknown},
		"slow headers": {func(t *testing.T) string {
			return raw(t, func(conn net.Conn) {
				for {
					if _, err := io.WriteString(conn, "X"); err != nil {
						return
					}
					time.Sleep(10 * time.Millisecond)
				}
			}, "HTTP/1.1 200 OK\r\n")
		}, sdk.Unknown},
		"slow body": {func(t *testing.T) string { return raw(t, hang, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{") }, sdk.Unknown},
	} {
		for name, r := range robots {
			t.Run(what+" "+name, func(t *testing.T) {
				t.Parallel()
				c := open(t, typeOf(name), r.config(server.start(t)))
				begun := time.Now()
				report := c.Notify(within(t, deadline), firing())
				took := time.Since(begun)
				want := server.want
				if name == "webhook" || name == "alertmanager" {
					if what == "slow body" {
						want = sdk.Delivered // its status was all that counts
					}
				}
				if len(report.Deliveries) != 1 || report.Deliveries[0].Outcome != want || want != sdk.Delivered && report.Deliveries[0].Code != "timeout" {
					t.Errorf("the report is %+v, want %v", report, want)
				}
				if took > 5*time.Second {
					t.Errorf("it took %v", took)
				}
				c.tellsNothing(t, report.Deliveries...)
			})
		}
	}
}

func TestWhatNeverReachedTheProviderIsTriedAgain(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "http://" + l.Addr().String()
	_ = l.Close()
	for name, r := range robots {
		c := open(t, typeOf(name), r.config(closed))
		if d := c.one(t, firing()); d.Outcome != sdk.Temporary || d.Code != "network" || !strings.Contains(d.Message, "refused") || strings.Contains(d.Message, "Post") {
			t.Errorf("%s: a closed port is %+v", name, d)
		} else {
			c.tellsNothing(t, d)
		}
		c = open(t, typeOf(name), r.config("http://no-such-host.invalid"))
		if d := c.one(t, firing()); d.Outcome != sdk.Temporary || d.Code != "dns" && d.Code != "timeout" {
			t.Errorf("%s: a name that is not there is %+v", name, d)
		}
	}
}

func TestAResetAfterTheRequestLeavesItOpenWhatBecameOfIt(t *testing.T) {
	for name, r := range robots {
		address := raw(t, func(conn net.Conn) { _ = conn.(*net.TCPConn).SetLinger(0) }, "")
		c := open(t, typeOf(name), r.config(address))
		if d := c.one(t, firing()); d.Outcome != sdk.Unknown || d.Code != "network" {
			t.Errorf("%s: a reset is %+v", name, d)
		}
	}
}

func TestARedirectIsFollowedOnlyWhereTheNoticeSurvivesIt(t *testing.T) {
	var elsewhere *provider
	for what, tc := range map[string]struct {
		status int
		to     func(r *http.Request) string
		want   sdk.Outcome
	}{
		"loop":             {307, func(r *http.Request) string { return r.URL.String() }, sdk.PermanentConfig},
		"another host":     {307, func(*http.Request) string { return elsewhere.URL }, sdk.PermanentConfig},
		"becomes a GET":    {302, func(*http.Request) string { return "/there" }, sdk.PermanentConfig},
		"within the host":  {307, func(*http.Request) string { return "/there" }, sdk.Delivered},
		"for ever moved":   {308, func(*http.Request) string { return "/there" }, sdk.Delivered},
		"see other, a GET": {303, func(*http.Request) string { return "/there" }, sdk.PermanentConfig},
	} {
		for name, r := range robots {
			elsewhere = provide(t, says(200, r.yes))
			p := provide(t, func(w http.ResponseWriter, req *http.Request) {
				if req.URL.Path == "/there" {
					_, _ = io.WriteString(w, r.yes)
					return
				}
				w.Header().Set("Location", tc.to(req))
				w.WriteHeader(tc.status)
			})
			c := open(t, typeOf(name), r.config(p.URL))
			d := c.one(t, firing())
			if d.Outcome != tc.want {
				t.Errorf("%s, %s: it is %+v, want %v", what, name, d, tc.want)
			}
			if n := len(elsewhere.asked()); n > 0 {
				t.Errorf("%s, %s: another host was asked", what, name)
			}
			if tc.want == sdk.Delivered {
				if got := p.last(t); got.method != "POST" || len(got.body) == 0 {
					t.Errorf("%s, %s: what arrived is %s with %d bytes", what, name, got.method, len(got.body))
				}
			}
			c.tellsNothing(t, d)
		}
	}
}

func TestAnAnswerOfAGigabyteIsNotRead(t *testing.T) {
	for name, r := range robots {
		sent := make(chan int, 1)
		address := raw(t, func(conn net.Conn) {
			chunk := []byte(strings.Repeat(" ", 1<<20))
			total := 0
			defer func() { sent <- total }()
			for range 1024 {
				n, err := conn.Write(chunk)
				if total += n; err != nil {
					return
				}
			}
		}, "HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
		d := open(t, typeOf(name), r.config(address)).one(t, firing())
		want := sdk.Unknown
		if name == "webhook" || name == "alertmanager" {
			want = sdk.Delivered
		}
		if d.Outcome != want {
			t.Errorf("%s: it is %+v, want %v", name, d, want)
		}
		if n := <-sent; n > 64<<20 {
			t.Errorf("%s: the server could send %d bytes", name, n)
		}
	}
}

func TestACertificateThatIsNotTrustedIsAMatterOfConfiguration(t *testing.T) {
	for name, r := range robots {
		server := httptest.NewUnstartedServer(says(200, r.yes))
		server.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that are meant to fail
		server.StartTLS()
		t.Cleanup(server.Close)
		config := r.config(server.URL)
		d := open(t, typeOf(name), config).one(t, firing())
		if d.Outcome != sdk.PermanentConfig || d.Code != "certificate" {
			t.Errorf("%s: it is %+v", name, d)
		}
		file := filepath.Join(t.TempDir(), "ca.pem")
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
			t.Fatal(err)
		}
		config["ca_file"] = file
		if d := open(t, typeOf(name), config).one(t, firing()); d.Outcome != sdk.Delivered {
			t.Errorf("%s: with ca_file it is %+v", name, d)
		}
		wrong := r.config(strings.Replace(server.URL, "127.0.0.1", "localhost", 1))
		wrong["ca_file"] = file
		if d := open(t, typeOf(name), wrong).one(t, firing()); d.Outcome != sdk.PermanentConfig || d.Code != "certificate" {
			t.Errorf("%s: with another name it is %+v", name, d)
		}
		plain := provide(t, says(200, r.yes))
		if d := open(t, typeOf(name), r.config(strings.Replace(plain.URL, "http:", "https:", 1))).one(t, firing()); d.Outcome != sdk.PermanentConfig {
			t.Errorf("%s: a server without TLS is %+v", name, d)
		}
	}
}

func TestACheckSendsNothingToAnybody(t *testing.T) {
	for name, r := range robots {
		p := provide(t, says(200, r.yes))
		c := open(t, typeOf(name), r.config(p.URL))
		d := c.Check(within(t, patience))
		if d.Outcome != sdk.Delivered {
			t.Errorf("%s: the check is %+v", name, d)
		}
		c.tellsNothing(t, d)
		for _, a := range p.asked() {
			if strings.Contains(string(a.body), "slow") || a.method == "POST" && len(a.body) > 2 {
				t.Errorf("%s: the check sent %s %s %s", name, a.method, a.path, a.body)
			}
		}
		p.Close()
		if d := c.Check(within(t, patience)); d.Outcome != sdk.Temporary {
			t.Errorf("%s: the check of a server that is gone is %+v", name, d)
		}
	}
	for name, r := range robots {
		c := open(t, typeOf(name), r.config("http://"+listen(t, hang)))
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if d := c.Check(ctx); d.Outcome == sdk.Delivered {
			t.Errorf("%s: the check of a server that is silent is %+v", name, d)
		}
		cancel()
	}
}

func TestAFrontDoorThatLeadsElsewhereIsAnAnswerToACheck(t *testing.T) {
	for _, name := range []string{"dingtalk", "slack", "webhook", "pagerduty", "sms"} {
		p := provide(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://www.example.com/", http.StatusFound)
		})
		if d := open(t, name, robots[name].config(p.URL)).Check(within(t, patience)); d.Outcome != sdk.Delivered {
			t.Errorf("%s: the check is %+v", name, d)
		}
	}
}

func TestEachAttemptBeginsWithAnotherRecipient(t *testing.T) {
	p := provide(t, says(200, `{"code":"OK"}`))
	config := robots["sms"].config(p.URL)
	config["to"] = []string{"13800000001", "13800000002", "13800000003"}
	c := open(t, "sms", config)
	for attempt, want := range map[uint32]string{0: "1 2 3", 1: "1 2 3", 2: "2 3 1", 3: "3 1 2", 4: "1 2 3"} {
		n := firing()
		n.Attempt = attempt
		var got []string
		for _, d := range c.Notify(within(t, patience), n).Deliveries {
			got = append(got, strings.TrimPrefix(d.Recipient, "1380000000"))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("attempt %d is in the order %q, want %q", attempt, got, want)
		}
	}
}

func TestAPointNamesNoRecipient(t *testing.T) {
	s := (&mailServer{answers: map[string]func(string) string{"RCPT": always("550 5.1.1 <ops@example.com>: no such user")}}).start(t)
	c := open(t, "email", mailTo(s.address))
	if d := c.one(t, firing()); !strings.Contains(d.Message, "ops@example.com") {
		t.Errorf("it is %+v", d)
	}
	if line := sdktest.Line(c.points.Points()[0]); strings.Contains(line, "ops@") || !strings.Contains(line, "<…>: no such user") {
		t.Errorf("the point is %s", line)
	}
}

func TestASecretInAFileIsReadAgainWhenItChanges(t *testing.T) {
	for _, typ := range []string{"wecom", "webhook"} {
		t.Run(typ, func(t *testing.T) { isReadAgain(t, typ) })
	}
}

func isReadAgain(t *testing.T, typ string) {
	file := filepath.Join(t.TempDir(), "url")
	p := provide(t, says(200, `{"errcode":0}`))
	c := open(t, typ, object{"url_file": file})
	if d := c.one(t, firing()); d.Outcome != sdk.PermanentConfig || !strings.Contains(d.Message, "no such file") {
		t.Errorf("without the file it is %+v", d)
	}
	for _, token := range []string{"one", "two"} {
		if err := os.WriteFile(file, []byte(p.URL+"/send?key="+token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if d := c.one(t, firing()); d.Outcome != sdk.Delivered {
			t.Fatalf("it is %+v", d)
		}
		if got := p.last(t).query; got != "key="+token {
			t.Errorf("the query is %q", got)
		}
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if d := c.one(t, firing()); d.Outcome != sdk.PermanentConfig || !strings.Contains(d.Message, "empty") {
		t.Errorf("with an empty file it is %+v", d)
	}
}

func TestRequestsGoThroughTheProxyThatIsNamed(t *testing.T) {
	target := "http://hooks.example.invalid/services/" + key
	proxy := provide(t, func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := proxyUser(r); user != "u" || password != key || r.URL.String() != target {
			says(407, "for "+r.URL.String()+" you are "+r.Header.Get("Proxy-Authorization")+"")(w, r)
			return
		}
		says(200, "ok")(w, r)
	})
	config := object{"url": target, "proxy": strings.Replace(proxy.URL, "http://", "http://u:"+key+"@", 1)}
	if d := open(t, "webhook", config).one(t, firing()); d.Outcome != sdk.Delivered {
		t.Errorf("it is %+v", d)
	}
	config["proxy"] = strings.Replace(proxy.URL, "http://", "http://v:"+key+"@", 1)
	c := open(t, "webhook", config)
	d := c.one(t, firing())
	if d.Outcome != sdk.PermanentConfig || d.Code != "407" {
		t.Errorf("with another user it is %+v", d)
	}
	c.tellsNothing(t, d)
	proxy.Close()
	c = open(t, "webhook", config)
	if d = c.one(t, firing()); d.Outcome != sdk.Temporary {
		t.Errorf("without the proxy it is %+v", d)
	}
	c.tellsNothing(t, d)
}

func proxyUser(r *http.Request) (user, password string, ok bool) {
	in := http.Request{Header: http.Header{"Authorization": r.Header["Proxy-Authorization"]}}
	return in.BasicAuth()
}

func TestOnlyTheRecipientsThatAreNamedAreTold(t *testing.T) {
	p := provide(t, says(200, `{"code":"OK"}`))
	config := robots["sms"].config(p.URL)
	config["to"] = []string{"13800000001", "13800000002", "13800000003"}
	c := open(t, "sms", config)
	n := firing()
	n.Recipients = []string{"13800000002", "13899999999", "13800000002"}
	report := c.Notify(within(t, patience), n)
	told := map[string]sdk.Outcome{}
	for _, d := range report.Deliveries {
		told[d.Recipient] = d.Outcome
	}
	if len(report.Deliveries) != 2 || told["13800000002"] != sdk.Delivered || told["13899999999"] != sdk.PermanentRecipient {
		t.Errorf("the report is %+v", report)
	}
	if len(p.asked()) != 1 || p.last(t).json(t)["to"] != "13800000002" {
		t.Errorf("it was asked %d times, last %s", len(p.asked()), p.last(t).body)
	}
}
