package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/sdk"
)

// templateAt is how the targets of a list are probed: as those of targetAt.
func templateAt() *probeConfig {
	c := targetAt("", "").probeConfig
	return &c
}

// lists are the points that lists made of themselves.
func (s *streaming) lists(t *testing.T) []map[string]any {
	t.Helper()
	var all []map[string]any
	for _, p := range s.out.Points() {
		if p.Measurement == listMeasurement.Name {
			all = append(all, values(t, p))
		}
	}
	return all
}

func (s *streaming) lastOfLists(t *testing.T) map[string]any {
	t.Helper()
	all := s.lists(t)
	if len(all) == 0 {
		return nil
	}
	return all[len(all)-1]
}

// write replaces a file as a whole, with a time that is past what an editor may still be writing.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	then := time.Now().Add(-time.Minute)
	if err := os.Chtimes(path+".new", then, then); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func TestAFileOfTargetsIsFollowedAndItsLabelsBecomeTags(t *testing.T) {
	hello := site(t, says(200, "hello"))
	path := filepath.Join(t.TempDir(), "branches.yml")
	write(t, path, fmt.Sprintf(`
- targets: ["%[1]s/a"]
  labels: {target: north, app: tills, region: "Norden 北", __meta_x: gone}
- targets: ["%[2]s/b"]
`, hello, strings.TrimPrefix(hello, "http://")))
	template := templateAt()
	template.Labels = map[string]string{"line": "ct", "region": "unknown"}
	template.Expect = &expectConfig{BodyContains: "hello", BodyLimit: 1 << 20}
	s := startWatching(t, config{FileSD: []fileSDConfig{{Name: "branches", Files: []sdk.Path{sdk.Path(path)},
		Refresh: 100 * time.Millisecond, MaxTargets: 10, Target: template}}})
	waitFor(t, "points of both", func() bool { return len(s.of(t, "north")) > 0 && len(s.of(t, hello+"/b")) > 0 })
	for name, want := range map[string]map[string]string{
		"north":      {"target": "north", "app": "tills", "region": "Norden 北", "line": "ct", "url": hello + "/a", "method": "GET"},
		hello + "/b": {"target": hello + "/b", "region": "unknown", "line": "ct", "url": hello + "/b", "method": "GET"},
	} {
		p := s.of(t, name)[0]
		if got := tagsOf(t, p); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("tags %v, want %v", got, want)
		}
		if f := values(t, p); f["body_matched"] != true || f["outcome"] != "ok" {
			t.Errorf("%s: fields %v", name, f)
		}
	}
	if f := s.lastOfLists(t); f["ok"] != true || f["targets"] != int64(2) || f["refused"] != int64(0) {
		t.Errorf("the list says of itself %v", f)
	}

	// One goes, one stays, one comes; the one that stays keeps its place in the schedule.
	write(t, path, fmt.Sprintf(`[{targets: ["%[1]s/a"], labels: {target: north, app: tills, region: "Norden 北", __meta_x: gone}}, {targets: ["%[1]s/c"]}]`, hello))
	waitFor(t, "points of the new one", func() bool { return len(s.of(t, hello+"/c")) > 0 })
	gone, stays := len(s.of(t, hello+"/b")), len(s.of(t, "north"))
	waitFor(t, "points of the one that stays", func() bool { return len(s.of(t, "north")) > stays+5 })
	if n := len(s.of(t, hello+"/b")); n > gone+1 { // its last probe may have been under way
		t.Errorf("%d points of the one that is gone", n-gone)
	}
}

func TestABadAnswerOfAServiceKeepsTheTargetsThatItNamedLast(t *testing.T) {
	hello := site(t, says(200, "hello"))
	var answer atomic.Value
	answer.Store(fmt.Sprintf(`[{"targets": ["%s/a"]}]`, hello))
	var asked atomic.Int64
	service := site(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if _, password, _ := r.BasicAuth(); password != "hush" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte(answer.Load().(string)))
	})
	s := startWatching(t, config{HTTPSD: []httpSDConfig{{Name: "cmdb", URL: strings.Replace(service, "http://", "http://me:hush@", 1),
		Refresh: 100 * time.Millisecond, Timeout: patience, MaxTargets: 10, Target: templateAt()}}})
	name := hello + "/a"
	waitFor(t, "points", func() bool { return len(s.of(t, name)) > 0 })
	for _, bad := range []string{`{"error": "down"}`, `[{"targets": 1}]`, `<html>`, `null`} {
		answer.Store(bad)
		before := asked.Load()
		waitFor(t, "two readings", func() bool { return asked.Load() > before+2 })
		points := len(s.of(t, name))
		waitFor(t, "more points after "+bad, func() bool { return len(s.of(t, name)) > points })
		waitFor(t, "a point that tells of it", func() bool { return s.lastOfLists(t)["ok"] == false })
	}
	if f := s.lastOfLists(t); f["targets"] != int64(1) || f["age"].(float64) <= 0 || strings.Contains(fmt.Sprint(s.lists(t)), "hush") {
		t.Errorf("the list says of itself %v", f)
	}
	answer.Store(`[]`)
	waitFor(t, "the empty list to be believed", func() bool {
		f := s.lastOfLists(t)
		return f["ok"] == true && f["targets"] == int64(0)
	})
	after := len(s.of(t, name))
	reads := asked.Load()
	waitFor(t, "three readings", func() bool { return asked.Load() > reads+3 })
	if n := len(s.of(t, name)); n > after+1 {
		t.Errorf("%d points of a target that is gone", n-after)
	}
}

func TestWhatAListNamedIsProbedAfterARestartThoughTheServiceIsGone(t *testing.T) {
	hello := site(t, says(200, "hello"))
	var down atomic.Bool
	service := site(t, func(w http.ResponseWriter, _ *http.Request) {
		if down.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		fmt.Fprintf(w, `[{"targets": ["%s/a"]}]`, hello)
	})
	block := httpSDConfig{Name: "cmdb", URL: service, Refresh: time.Hour, Timeout: patience, MaxTargets: 10, Target: templateAt()}
	state := t.TempDir()
	for _, isDown := range []bool{false, true} {
		down.Store(isDown)
		s := startWatchingIn(t, state, config{HTTPSD: []httpSDConfig{block}})
		waitFor(t, "points", func() bool { return len(s.of(t, hello+"/a")) > 0 })
		waitFor(t, "the list's point", func() bool { return s.lastOfLists(t)["ok"] == !isDown })
		s.end(t)
	}
}

func TestWhatAListSaysWrongCostsThatTargetAlone(t *testing.T) {
	hello := site(t, says(200, "hello"))
	group := func(address string, labels map[string]string) map[string]any {
		return map[string]any{"targets": []string{address}, "labels": labels}
	}
	many := map[string]string{}
	for i := range maxLabels + 1 {
		many[fmt.Sprint("l", i)] = "x"
	}
	good := group(hello+"/good", map[string]string{"target": "good"})
	for name, tc := range map[string]struct {
		bad  map[string]any
		want string
	}{
		"no address":            {group("http://[", nil), "(no address)"},
		"another scheme":        {group("file:///etc/passwd", nil), "file:///etc/passwd"},
		"a field's name":        {group(hello+"/x", map[string]string{"error": "x"}), `"error" can not be a label`},
		"time":                  {group(hello+"/x", map[string]string{"time": "x"}), `"time" can not be a label`},
		"a name with a space":   {group(hello+"/x", map[string]string{"a b": "x"}), `label "a b"`},
		"a value of two lines":  {group(hello+"/x", map[string]string{"a": "x\ny"}), `label "a"`},
		"too many labels":       {group(hello+"/x", many), "has 31 labels"},
		"named twice":           {good, "named twice"},
		"the same series":       {group(strings.Replace(hello, "http://", "http://u:hush@", 1)+"/good", map[string]string{"target": "good"}), "with the same tags"},
		"that of a block":       {group(hello+"/own", map[string]string{"target": "own"}), "with the same tags"},
		"a secret in its query": {group("ftp://x/?token=hush", nil), "token=xxx"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := json.Marshal([]any{good, tc.bad})
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "list.json")
			write(t, path, string(text))
			s := startWatching(t, config{Targets: []targetConfig{targetAt("own", hello+"/own")}, FileSD: []fileSDConfig{{Name: "x",
				Files: []sdk.Path{sdk.Path(path)}, Refresh: time.Hour, MaxTargets: 10, Target: templateAt()}}})
			waitFor(t, "the good one's points", func() bool { return len(s.of(t, "good")) > 0 && len(s.of(t, "own")) > 0 })
			waitFor(t, "the list's point", func() bool { return len(s.lists(t)) > 0 })
			f := s.lastOfLists(t)
			refusal, _ := f["refusal"].(string)
			if f["targets"] != int64(1) || f["refused"] != int64(1) || !strings.Contains(refusal, tc.want) || strings.Contains(refusal, "hush") {
				t.Errorf("the list says of itself %v, want %q", f, tc.want)
			}
		})
	}
}

func TestMistakesOfListsAreFoundWithTheirPlaces(t *testing.T) {
	files := func(change func(*fileSDConfig)) error {
		c := fileSDConfig{Name: "a", Files: []sdk.Path{"a.yml"}, Target: templateAt()}
		change(&c)
		return c.Validate()
	}
	service := func(change func(*httpSDConfig)) error {
		c := httpSDConfig{Name: "a", URL: "https://cmdb.example.com/", Target: templateAt()}
		change(&c)
		return c.Validate()
	}
	if err := files(func(*fileSDConfig) {}); err != nil {
		t.Error(err)
	}
	if err := service(func(c *httpSDConfig) { c.Target = nil }); err != nil {
		t.Error(err)
	}
	for want, err := range map[string]error{
		"files: files is empty":                       files(func(c *fileSDConfig) { c.Files = nil }),
		"files/1: file \"b.txt\" is not known to be":  files(func(c *fileSDConfig) { c.Files = append(c.Files, "b.txt") }),
		"name: a list without a name":                 files(func(c *fileSDConfig) { c.Name = "" }),
		"target/method: method":                       files(func(c *fileSDConfig) { c.Target.Method = "G ET" }),
		"target/expect/status/0: status":              service(func(c *httpSDConfig) { c.Target.Expect = &expectConfig{Status: []string{"x"}} }),
		"url: url is no address":                      service(func(c *httpSDConfig) { c.URL = "cmdb:hush" }),
		"bearer_token_file: bearer_token_file and":    service(func(c *httpSDConfig) { c.User, c.BearerTokenFile = "a", "b" }),
		"password_file: password_file is given with":  service(func(c *httpSDConfig) { c.PasswordFile = "b" }),
		"url: authorization is given in url and":      service(func(c *httpSDConfig) { c.URL, c.User = "https://a:hush@b/", "c" }),
		"ca_file: reading the certificates":           service(func(c *httpSDConfig) { c.CAFile = "/no/such/file" }),
		"target/labels/url: \"url\" can not be a lab": service(func(c *httpSDConfig) { c.Target.Labels = map[string]string{"url": "x"} }),
	} {
		if got := placed(t, err); !strings.HasPrefix(got, want) || strings.Contains(got, "hush") {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	c := config{FileSD: []fileSDConfig{{Name: "a"}}, HTTPSD: []httpSDConfig{{Name: "a"}}}
	if got := placed(t, c.Validate()); !strings.HasPrefix(got, `http_sd/0: a list "a" is there already`) {
		t.Errorf("got %q", got)
	}
}

func TestTheListsPointIsAsItIsDeclared(t *testing.T) {
	declared := map[string]string{}
	for _, f := range listMeasurement.Fields {
		declared[f.Name] = string(f.Type)
	}
	path := filepath.Join(t.TempDir(), "list.json")
	write(t, path, `[{"targets": ["ftp://x"]}]`)
	s := startWatching(t, config{FileSD: []fileSDConfig{{Name: "x", Files: []sdk.Path{sdk.Path(path), sdk.Path(path + "-none.json")},
		Refresh: 100 * time.Millisecond, MaxTargets: 10, Target: templateAt()}}})
	waitFor(t, "the list's point", func() bool { return len(s.lists(t)) > 0 })
	seen := map[string]bool{}
	for _, p := range s.out.Points() {
		if p.Measurement != listMeasurement.Name {
			continue
		}
		if got := tagsOf(t, p); got["list"] != "x" || got["kind"] != "file_sd" || len(got) != 2 {
			t.Errorf("tags %v", got)
		}
		for _, f := range p.Fields {
			seen[f.Key] = true
			if kind := typeOf(f.Any()); kind != declared[f.Key] {
				t.Errorf("field %s is %s, declared as %q", f.Key, kind, declared[f.Key])
			}
		}
	}
	for _, name := range []string{"ok", "targets", "refused", "error", "refusal"} {
		if !seen[name] {
			t.Errorf("field %s is never there", name)
		}
	}
}

// placed is a mistake with the path to its attribute.
func placed(t *testing.T, err error) string {
	t.Helper()
	var problem *sdk.Problem
	if !errors.As(err, &problem) {
		t.Fatalf("error %v has no place", err)
	}
	return strings.Join(problem.Path, "/") + ": " + problem.Error()
}
