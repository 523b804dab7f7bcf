package probe

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
)

// asked keeps what servers were asked, in order.
type asked struct {
	mu   sync.Mutex
	said []string
}

func (a *asked) add(head, body string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.said = append(a.said, head+body)
}

func (a *asked) last(t *testing.T) string {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.said) == 0 {
		t.Fatal("nothing was asked")
	}
	return a.said[len(a.said)-1]
}

// place is where a server redirects to.
type place struct {
	mu sync.Mutex
	to string
}

func (p *place) set(to string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.to = to
}

func (p *place) get() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.to
}

// redirector answers /status/… with that status and the Location given, all else with 200.
func redirector(t *testing.T, log *asked, location *place) string {
	t.Helper()
	at := listen(t, "127.0.0.1:0", func(conn net.Conn) {
		head, body, ok := readRequest(conn)
		if !ok {
			return
		}
		log.add(head, body)
		path := strings.Fields(head)[1]
		if status, ok := strings.CutPrefix(path, "/status/"); ok {
			fmt.Fprintf(conn, "HTTP/1.1 %s Moved\r\nLocation: %s\r\nContent-Length: 4\r\n\r\n", status, location.get())
			if !strings.HasPrefix(head, "HEAD ") {
				conn.Write([]byte("gone"))
			}
			return
		}
		if strings.HasPrefix(head, "HEAD ") {
			conn.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"))
			return
		}
		conn.Write([]byte(okAnswer))
	})
	return "http://" + at.String()
}

func TestRedirectsChangeTheMethodAsCurlDoes(t *testing.T) {
	leavesNothing(t)
	location, log := &place{to: "/there?q=1#part"}, &asked{}
	base := redirector(t, log, location)
	for _, c := range []struct {
		status   int
		from, to string
	}{
		{301, "POST", "GET"}, {302, "POST", "GET"}, {303, "POST", "GET"}, {307, "POST", "POST"}, {308, "POST", "POST"},
		{301, "PUT", "PUT"}, {302, "PUT", "PUT"}, {303, "PUT", "GET"}, {307, "PUT", "PUT"},
		{301, "HEAD", "HEAD"}, {303, "HEAD", "HEAD"}, {302, "GET", "GET"}, {303, "GET", "GET"},
	} {
		target := Target{URL: parseURL(t, fmt.Sprint(base, "/status/", c.status)), Method: c.from, MaxRedirects: 1,
			Header: []Field{{"Content-Type", "text/plain"}}}
		if c.from[0] == 'P' {
			target.Body = []byte("data")
		}
		res := runTarget(t, target)
		wantOutcome(t, res, OutcomeOK, PhaseTransfer, "")
		got := log.last(t)
		if !strings.HasPrefix(got, c.to+" /there?q=1 HTTP/1.1\r\n") {
			t.Errorf("%d of %s asks %q", c.status, c.from, got)
		}
		keeps := c.to[0] == 'P'
		if strings.HasSuffix(got, "\r\n\r\ndata") != keeps || strings.Contains(got, "Content-Length") != keeps ||
			len(target.Body) > 0 && strings.Contains(got, "Content-Type") != keeps {
			t.Errorf("%d of %s asks %q", c.status, c.from, got)
		}
		if len(res.Hops) != 2 || res.Hops[0].Status != c.status || res.Hops[0].Location != base+"/there?q=1" || res.Hops[1].Method != c.to {
			t.Errorf("hops %+v", res.Hops)
		}
		if got := res.Curl(); got.NumRedirects != 1 || got.NumConnects != 2 || got.Redirect.Time < res.Hops[0].Total {
			t.Errorf("%+v", got)
		}
	}
}

func TestRedirectsThatMustNotBeFollowedAreRedirect(t *testing.T) {
	location, log := &place{}, &asked{}
	base := redirector(t, log, location)
	for _, c := range []struct {
		location, text string
		max            int
	}{
		{"/status/302", "more than 3 redirects", 3},
		{"file:///etc/passwd", `scheme "file" is neither http nor https`, 3},
		{"javascript:alert(1)", "neither http nor https", 3},
		{"http:///nowhere", "no host", 3},
		{"http://a b/", "can not be parsed", 3},
		{"http://user:hunter2@a:b:c/", "can not be parsed", 3},
		{"http://127.0.0.1:0/", "port is not between", 3},
		{"http://x\"y/?token=hunter2", "", 3},
		{"http://user:hunter2@127.0.0.1:99999/?api_key=hunter2#hunter2", "?api_key=xxx", 3},
		{"/\x00", "can not be parsed", 3},
		{"/" + strings.Repeat("%0a", 20000), "line of more than", 3},
	} {
		t.Run(clip(c.location, 30), func(t *testing.T) {
			leavesNothing(t)
			location.set(c.location)
			res := runTarget(t, Target{URL: parseURL(t, base+"/status/302"), MaxRedirects: c.max})
			if c.text != "" && strings.HasPrefix(c.text, "line") && res.Outcome == OutcomeOK {
				return // it fits after all
			}
			wantOutcome(t, res, OutcomeRedirect, PhaseTransfer, c.text)
			if strings.Contains(fmt.Sprintf("%v %+v", res.Err, res), "hunter2") {
				t.Errorf("secret is told: %v %+v", res.Err, res)
			}
			if got := res.Last(); got.Status != 302 || len(got.Location) > maxURLText+10 {
				t.Errorf("%+v", got)
			}
			// When nothing is to be followed, nothing is wrong with it.
			res = runTarget(t, Target{URL: parseURL(t, base+"/status/302")})
			wantOutcome(t, res, OutcomeOK, PhaseTransfer, "")
		})
	}
}

func TestAnswersThatLeadNowhereAreAnswers(t *testing.T) {
	leavesNothing(t)
	for _, answer := range []string{
		"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 302 Found\r\nLocation:\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 304 Not Modified\r\nLocation: /\r\nContent-Length: 7\r\n\r\n", "HTTP/1.1 300 Choices\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
	} {
		at := says(t, answer)
		res := runTarget(t, Target{URL: parseURL(t, "http://"+at.String()), MaxRedirects: 5})
		wantOutcome(t, res, OutcomeStatus, PhaseTransfer, "expected 2xx")
		if len(res.Hops) != 1 {
			t.Errorf("%d hops", len(res.Hops))
		}
	}
}

func TestCredentialsStayAtHome(t *testing.T) {
	leavesNothing(t)
	log := &asked{}
	away := redirector(t, log, &place{})
	home := &place{to: away + "/landing"}
	base := redirector(t, log, home)
	header := []Field{{"Cookie", "session=hunter2"}, {"X-Own", "kept"}, {"Host", "shop.vedette.test"}}
	ask := func(target Target) string {
		target.MaxRedirects = 1
		wantOutcome(t, runTarget(t, target), OutcomeOK, PhaseTransfer, "")
		return log.last(t)
	}
	withUser := parseURL(t, base+"/status/302")
	withUser.User = parseURL(t, "http://user:hunter2@x").User

	// Another port of the same host is another place, for credentials; the name of the host remains.
	got := ask(Target{URL: withUser, Header: header})
	if strings.Contains(got, "hunter2") || strings.Contains(got, "Authorization") || !strings.Contains(got, "X-Own: kept\r\n") {
		t.Errorf("asks away %q", got)
	}
	got = ask(Target{URL: withUser, Header: []Field{{"authorization", "Bearer hunter2"}}})
	if strings.Contains(strings.ToLower(got), "authorization") {
		t.Errorf("asks away %q", got)
	}

	home.set(base + "/landing")
	got = ask(Target{URL: withUser, Header: header})
	if !strings.Contains(got, "Authorization: Basic dXNlcjpodW50ZXIy\r\n") || !strings.Contains(got, "session=hunter2") ||
		!strings.Contains(got, "Host: shop.vedette.test\r\n") {
		t.Errorf("asks at home %q", got)
	}
}

func TestDowngradeIsFollowedAndVisible(t *testing.T) {
	leavesNothing(t)
	ca := newAuthority(t)
	plain := says(t, okAnswer)
	secure := secureServer(t, serverConfig(t, ca, nil), func(conn net.Conn) {
		readRequest(conn)
		fmt.Fprintf(conn, "HTTP/1.1 301 Moved\r\nLocation: http://%s/\r\nContent-Length: 0\r\n\r\n", plain)
	})
	res := runTarget(t, Target{URL: parseURL(t, "https://"+secure.String()), RootCAs: ca.pool, MaxRedirects: 1})
	wantOutcome(t, res, OutcomeOK, PhaseTransfer, "")
	if !res.Downgraded() || !res.Curl().AppConnect.Reached || res.Last().Secure {
		t.Errorf("%+v", res)
	}
	if res := probeURL(t, "http://"+plain.String()); res.Downgraded() {
		t.Error("one hop is no downgrade")
	}
}

func TestHopThatFailsAfterARedirectKeepsTheFirst(t *testing.T) {
	leavesNothing(t)
	at := says(t, "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/x\r\nContent-Length: 0\r\n\r\n")
	res := runTarget(t, Target{URL: parseURL(t, "http://"+at.String()), MaxRedirects: 1})
	wantOutcome(t, res, OutcomeConnect, PhaseTCP, "connecting to 127.0.0.1:1: connection refused")
	got := res.Curl()
	if len(res.Hops) != 2 || got.HTTPCode != 0 || got.NumRedirects != 1 || got.NumConnects != 1 || !got.StartTransfer.Reached {
		t.Errorf("%+v", got)
	}
}
