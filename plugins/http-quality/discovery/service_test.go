package discovery

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// service is a web service with a list that changes.
type service struct {
	status  int
	body    string
	tag     string
	asked   []*http.Request
	address string
}

func newService(t *testing.T) *service {
	t.Helper()
	s := &service{status: 200}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.address = server.URL + "/targets?key=hush"
	return s
}

// ServeHTTP implements http.Handler.
func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.asked = append(s.asked, r)
	if s.tag != "" {
		w.Header().Set("ETag", s.tag)
		if r.Header.Get("If-None-Match") == s.tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	w.WriteHeader(s.status)
	_, _ = fmt.Fprint(w, s.body)
}

func (s *service) source(t *testing.T, more func(*Service)) *HTTP {
	t.Helper()
	u, err := url.Parse(s.address)
	if err != nil {
		t.Fatal(err)
	}
	how := Service{URL: u, UserAgent: "vedette/test", Refresh: 90 * time.Second, Timeout: 20 * time.Second}
	if more != nil {
		more(&how)
	}
	return NewHTTP(how)
}

func TestAServicesListIsReadAndABadAnswerKeepsIt(t *testing.T) {
	s := newService(t)
	source := s.source(t, nil)
	var parts map[string]Part
	for _, step := range []struct {
		status     int
		body, want string
		mistake    string
	}{
		{500, "", "", "answers with status 500"},
		{200, `[{"targets":["a","b"]}]`, "a b", ""},
		{200, `<html>please log in</html>`, "a b", "no list"},
		{404, `[]`, "a b", "status 404"},
		{200, strings.Repeat(" ", maxBytes+1), "a b", "longer than"},
		{200, `[{"targets":["c"]}]`, "c", ""},
		{200, `[]`, "", ""},
	} {
		s.status, s.body = step.status, step.body
		next, err := source.Read(context.Background(), parts)
		if got := addresses(flatten(next)); got != step.want {
			t.Errorf("%d %.30s: found %q, want %q", step.status, step.body, got, step.want)
		}
		if step.mistake == "" && err != nil || step.mistake != "" && (err == nil || !strings.Contains(err.Error(), step.mistake)) || err != nil && strings.Contains(err.Error(), "hush") {
			t.Errorf("%d %.30s: error %v, want %q", step.status, step.body, err, step.mistake)
		}
		for key := range next {
			if strings.Contains(key, "hush") {
				t.Errorf("the key is %s", key)
			}
		}
		parts = next
	}
	if got := s.asked[0].Header; got.Get("Accept") != "application/json" || got.Get("X-Prometheus-Refresh-Interval-Seconds") != "90" || got.Get("User-Agent") != "vedette/test" {
		t.Errorf("the request has %v", got)
	}
}

func TestAListThatHasNotChangedIsNotSentAgain(t *testing.T) {
	s := newService(t)
	source := s.source(t, nil)
	s.tag, s.body = `"1"`, `[{"targets":["a"]}]`
	var parts map[string]Part
	for n, want := range []string{"a", "a", "b"} {
		if n == 2 {
			s.tag, s.body = `"2"`, `[{"targets":["b"]}]`
		}
		next, err := source.Read(context.Background(), parts)
		if got := addresses(flatten(next)); err != nil || got != want {
			t.Errorf("reading %d found %q, %v", n, got, err)
		}
		parts = next
	}
	if got := s.asked[1].Header.Get("If-None-Match"); got != `"1"` {
		t.Errorf("the second request names %q", got)
	}
}

func TestAServiceIsAskedWithSecretsFromFiles(t *testing.T) {
	s := newService(t)
	s.body = "[]"
	dir := t.TempDir()
	file := filepath.Join(dir, "secret")
	put := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("first\n")
	bearer := s.source(t, func(how *Service) { how.TokenFile = file })
	basic := s.source(t, func(how *Service) { how.User, how.PasswordFile = "me", file })
	for _, secret := range []string{"first", "second"} {
		put(secret + "\n")
		for _, source := range []*HTTP{bearer, basic} {
			if _, err := source.Read(context.Background(), nil); err != nil {
				t.Fatal(err)
			}
		}
		token, login := s.asked[len(s.asked)-2], s.asked[len(s.asked)-1]
		if got := token.Header.Get("Authorization"); got != "Bearer "+secret {
			t.Errorf("the token is sent as %q", got)
		}
		if user, password, _ := login.BasicAuth(); user != "me" || password != secret {
			t.Errorf("sent as %s, %s", user, password)
		}
	}
	for _, bad := range []string{"", "two\nlines-of-hush"} {
		put(bad)
		if _, err := bearer.Read(context.Background(), nil); err == nil || !strings.Contains(err.Error(), "not one line") || strings.Contains(err.Error(), "hush") {
			t.Errorf("%q: error %v", bad, err)
		}
	}
	_ = os.Remove(file)
	if _, err := bearer.Read(context.Background(), nil); err == nil || !strings.Contains(err.Error(), "reading a secret") {
		t.Errorf("error %v", err)
	}
}

func TestAServiceThatCanNotBeReachedIsToldWithoutItsAddress(t *testing.T) {
	s := newService(t)
	secure := httptest.NewUnstartedServer(s)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // it would tell of the handshake that fails
	secure.StartTLS()
	defer secure.Close()
	s.address, s.body = secure.URL+"/?token=hush", "[]"
	if _, err := s.source(t, nil).Read(context.Background(), nil); err == nil || strings.Contains(err.Error(), "hush") || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("error %v", err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(secure.Certificate())
	if _, err := s.source(t, func(how *Service) { how.RootCAs = roots }).Read(context.Background(), nil); err != nil {
		t.Error(err)
	}
}

func TestARedirectGetsNoSecretOfTheService(t *testing.T) {
	home, other := newService(t), newService(t)
	other.body = "[]"
	for name, c := range map[string]struct {
		to   string
		kept bool
	}{
		"another port": {other.address, false},
		"another name": {strings.Replace(other.address, "127.0.0.1", "localhost", 1), false},
		"the same":     {"/other", true},
	} {
		asked := map[string]http.Header{}
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked[r.URL.Path] = r.Header
			if r.URL.Path == "/other" {
				_, _ = fmt.Fprint(w, "[]")
				return
			}
			http.Redirect(w, r, c.to, http.StatusFound)
		}))
		home.address, other.asked = server.URL+"/list?token=hush", nil
		source := home.source(t, func(how *Service) { how.User, how.Password = "me", "hush" })
		if _, err := source.Read(context.Background(), nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		server.Close()
		header := asked["/other"]
		if !c.kept && len(other.asked) == 1 {
			header = other.asked[0].Header
		}
		if asked["/list"].Get("Authorization") == "" || header == nil || (header.Get("Authorization") != "") != c.kept || header.Get("Referer") != "" {
			t.Errorf("%s: asked with %v, and then with %v", name, asked["/list"], header)
		}
	}
}

func TestAnErrorOfAServiceTellsNoSecret(t *testing.T) {
	s := newService(t)
	for name, c := range map[string]struct {
		answer func(request string) string
		want   string
	}{
		"a broken redirect": {func(string) string {
			return "HTTP/1.1 302 Found\r\nLocation: http://me:hush@localhost:99x/?token=hush\r\n\r\n"
		}, "no proper answer of HTTP"},
		"a mirror":     {func(request string) string { return request }, "no proper answer of HTTP"},
		"a bad header": {func(request string) string { return "HTTP/1.1 200 OK\r\n" + strings.ReplaceAll(request, ":", "") }, "no proper answer of HTTP"},
		"a loop": {func(string) string {
			return "HTTP/1.1 302 Found\r\nLocation: /?token=hush\r\nContent-Length: 0\r\n\r\n"
		}, "more than 10 redirects"},
		"nothing": {func(string) string { return "" }, "connection closed"},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				request := make([]byte, 4096)
				n, _ := conn.Read(request)
				_, _ = fmt.Fprint(conn, c.answer(string(request[:n])))
				_ = conn.Close()
			}
		}()
		s.address = "http://" + l.Addr().String() + "/list?token=hush"
		_, err = s.source(t, func(how *Service) { how.User, how.Password = "hush", "hush" }).Read(context.Background(), nil)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hush") || strings.Contains(err.Error(), "aHVzaDpodXNo") {
			t.Errorf("%s: error %v", name, err)
		}
		_ = l.Close()
		<-done
	}
}
