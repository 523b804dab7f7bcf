package probe

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// rewrite replaces a file as configuration tools do: by renaming another one over it.
func rewrite(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func TestFilesAreReadAgainWhenTheyHaveChanged(t *testing.T) {
	leavesNothing(t)
	log := &asked{}
	base := redirector(t, log, &place{})
	for _, c := range []struct {
		name   string
		target func(path string) Target
		first  string
		want   string
		second string
		then   string
	}{
		{"password", func(path string) Target { return Target{User: "alice", PasswordFile: path} },
			"one\n", "Authorization: Basic YWxpY2U6b25l\r\n", "two\r\n", "Authorization: Basic YWxpY2U6dHdv\r\n"},
		{"token", func(path string) Target { return Target{TokenFile: path} },
			"one", "Authorization: Bearer one\r\n", "two", "Authorization: Bearer two\r\n"},
		{"body", func(path string) Target { return Target{Method: "POST", BodyFile: path} },
			"one\n", "\r\n\r\none\n", "twice\n", "Content-Length: 6\r\n\r\ntwice\n"},
	} {
		path := writeFile(t, c.name, []byte(c.first))
		target := c.target(path)
		target.URL, target.Timeout = parseURL(t, base), patience
		p := newProber(t, target)
		ask := func(want string) {
			t.Helper()
			res := p.Run(t.Context())
			checkResult(t, res)
			wantOutcome(t, res, OutcomeOK, PhaseTransfer, "")
			if got := log.last(t); !strings.Contains(got, want) {
				t.Errorf("%s: asked %q, want %q", c.name, got, want)
			}
		}
		ask(c.want)
		ask(c.want)
		rewrite(t, path, c.second)
		ask(c.then)
		// In place, and of the same length, within the granularity of the file system's clock.
		if err := os.WriteFile(path, []byte(strings.ToUpper(c.second)), 0o600); err != nil {
			t.Fatal(err)
		}
		ask(strings.NewReplacer("dHdv", "VFdP", "two", "TWO", "twice", "TWICE").Replace(c.then))
	}
}

func TestUnchangedFileIsNotReadAgain(t *testing.T) {
	path := writeFile(t, "token", []byte("one"))
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	f := &file{what: "the token", path: path, limit: 10}
	if got, err := f.line(); err != nil || got != "one" {
		t.Fatal(got, err)
	}
	f.content = []byte("kept")
	if got, err := f.line(); err != nil || got != "kept" {
		t.Errorf("%q, %v", got, err)
	}
	rewrite(t, path, "two")
	if got, err := f.line(); err != nil || got != "two" {
		t.Errorf("%q, %v", got, err)
	}
}

// A probe whose secret can not be read asks nothing: without it the answer would be about something else.
func TestFileThatCanNotBeReadIsSendAndNothingIsAsked(t *testing.T) {
	leavesNothing(t)
	log := &asked{}
	base := redirector(t, log, &place{})
	path := writeFile(t, "token", []byte("hunter2"))
	p := newProber(t, Target{URL: parseURL(t, base), TokenFile: path, Timeout: patience})
	for _, c := range []struct {
		change func() error
		text   string
	}{
		{func() error { return os.Remove(path) }, "reading the bearer token: "},
		{func() error { return os.WriteFile(path, []byte("hunter2\nhunter2\n"), 0o600) }, "does not hold exactly one line"},
		{func() error { return os.WriteFile(path, nil, 0o600) }, "does not hold exactly one line"},
		{func() error { return os.WriteFile(path, []byte(strings.Repeat("hunter2", 10000)), 0o600) }, "is longer than 65536 bytes"},
		{func() error { return os.Remove(path) }, "no such file"},
		{func() error { return syscall.Mkfifo(path, 0o600) }, "is not a regular file"},
	} {
		if err := c.change(); err != nil {
			t.Fatal(err)
		}
		res := p.Run(t.Context())
		checkResult(t, res)
		wantOutcome(t, res, OutcomeSend, PhaseDNS, c.text)
		if strings.Contains(res.Err.Error(), "hunter2") || res.Curl().Connect.Reached || res.Last().Resolved.Reached {
			t.Errorf("%v, %+v", res.Err, res.Last())
		}
	}
	if len(log.said) != 0 {
		t.Errorf("asked %q", log.said)
	}
}

func TestFilesMustBeThereAtTheBeginning(t *testing.T) {
	u := parseURL(t, "https://shop.example/")
	none := filepath.Join(t.TempDir(), "none")
	text := writeFile(t, "text", []byte("hunter2"))
	for name, c := range map[string]struct {
		target Target
		text   string
	}{
		"body":        {Target{URL: u, BodyFile: none}, "reading the body: "},
		"password":    {Target{URL: u, User: "a", PasswordFile: none}, "reading the password: "},
		"token":       {Target{URL: u, TokenFile: none}, "reading the bearer token: "},
		"proxy":       {Target{URL: u, Proxy: parseURL(t, "http://a@b"), ProxyPasswordFile: none}, "reading the password of the proxy: "},
		"certificate": {Target{URL: u, CertFile: none, KeyFile: text}, "reading the client's certificate: "},
		"key":         {Target{URL: u, CertFile: text, KeyFile: none}, "reading the client's key: "},
		"no PEM":      {Target{URL: u, CertFile: text, KeyFile: text}, "client's certificate " + text},
	} {
		if _, err := New(c.target); err == nil || !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want an error with %q", name, err, c.text)
		}
	}
}
