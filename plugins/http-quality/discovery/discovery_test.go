package discovery

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
)

// script is a source that answers what it is told to.
type script struct {
	mu    sync.Mutex
	parts map[string]Part
	err   error
}

// say changes the answer.
func (s *script) say(parts map[string]Part, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parts, s.err = parts, err
}

// Read implements Source.
func (s *script) Read(context.Context, map[string]Part) (map[string]Part, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.parts, s.err
}

func list(addresses ...string) map[string]Part {
	return map[string]Part{"x": {Groups: []Group{{Targets: addresses, Labels: map[string]string{"line": "ct"}}}}}
}

// follower notes what a finder finds.
type follower struct {
	mu    sync.Mutex
	found [][]Target
	read  int
}

func (f *follower) follow(t *testing.T, finder *Finder) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		finder.Run(ctx, func(targets []Target) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.found = append(f.found, targets)
		}, func(Status) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.read++
		})
	})
	stop = sync.OnceFunc(func() {
		cancel()
		all.Wait()
	})
	t.Cleanup(stop)
	return stop
}

// times is how often something was found.
func (f *follower) times() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.found)
}

func (f *follower) last() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.found) == 0 {
		return "nothing"
	}
	return addresses(f.found[len(f.found)-1])
}

func addresses(targets []Target) string {
	var all []string
	for _, t := range targets {
		all = append(all, t.Address)
	}
	return strings.Join(all, " ")
}

func TestABadAnswerKeepsTheLastGoodOneAndIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		source := &script{parts: list("a", "b")}
		var f follower
		finder := New(source, time.Second, 3, "", hclog.New(&hclog.LoggerOptions{Output: &log}))
		stop := f.follow(t, finder)
		step := func() {
			time.Sleep(time.Second)
			synctest.Wait()
		}
		synctest.Wait()
		if f.last() != "a b" {
			t.Errorf("found %s", f.last())
		}
		source.say(list("a", "b"), errors.New("no list"))
		step()
		step()
		if s := finder.Status(); s.Err == nil || s.Targets != 2 || time.Since(s.Good) != 2*time.Second {
			t.Errorf("got %+v", s)
		}
		// One that is too long is as bad.
		source.say(list("a", "b", "c", "d"), nil)
		step()
		if s := finder.Status(); s.Err == nil || !strings.Contains(s.Err.Error(), "4 targets, and max_targets is 3") || s.Targets != 2 {
			t.Errorf("got %+v", s)
		}
		if f.last() != "a b" || f.times() != 1 {
			t.Errorf("found %s, in %d findings", f.last(), f.times())
		}
		// An empty one is good.
		source.say(map[string]Part{"x": {}}, nil)
		step()
		if s := finder.Status(); s.Err != nil || s.Targets != 0 || f.last() != "" {
			t.Errorf("got %+v, found %q", s, f.last())
		}
		stop()
		if n := strings.Count(log.String(), "no list"); n != 1 {
			t.Errorf("the mistake was logged %d times:\n%s", n, log.String())
		}
	})
}

func TestTheLastGoodAnswerOutlivesTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "found.json")
	synctest.Test(t, func(t *testing.T) {
		var f follower
		stop := f.follow(t, New(&script{parts: list("a", "b")}, time.Second, 10, path, hclog.NewNullLogger()))
		synctest.Wait()
		stop()
	})
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v", info, err)
	}
	synctest.Test(t, func(t *testing.T) {
		bad := &keeping{errors.New("away")}
		var f follower
		finder := New(bad, time.Second, 10, path, hclog.NewNullLogger())
		stop := f.follow(t, finder)
		time.Sleep(time.Minute)
		synctest.Wait()
		stop()
		if len(f.found) != 1 || f.found[0][0].Labels["line"] != "ct" {
			t.Errorf("found %v", f.found)
		}
		if f.last() != "a b" {
			t.Errorf("found %s", f.last())
		}
		if s := finder.Status(); s.Targets != 2 || s.Err == nil || !s.Good.IsZero() {
			t.Errorf("got %+v", s)
		}
	})
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		var f follower
		f.follow(t, New(&script{parts: list("c")}, time.Second, 10, path, hclog.NewNullLogger()))
		synctest.Wait()
		if f.last() != "c" {
			t.Errorf("after the file was damaged it found %s", f.last())
		}
	})
}

// keeping is a source that can not be read.
type keeping struct{ err error }

// Read implements Source.
func (k *keeping) Read(_ context.Context, known map[string]Part) (map[string]Part, error) {
	return known, k.err
}

func TestBothFormatsMeanTheSame(t *testing.T) {
	want := []Group{{Targets: []string{"a:1", "https://b/"}, Labels: map[string]string{"line": "ct", "port": "80"}}, {Targets: []string{"c"}}}
	for name, tc := range map[string]struct {
		parse func([]byte) ([]Group, error)
		text  string
	}{
		"json":             {parseJSON, `[{"targets":["a:1","https://b/"],"labels":{"line":"ct","port":"80"}},{"targets":["c"]}]`},
		"yaml":             {parseYAML, "- targets: ['a:1', \"https://b/\"]\n  labels:\n    line: ct\n    port: 80\n- targets:\n  - c\n"},
		"json within yaml": {parseYAML, `[{"targets":["a:1","https://b/"],"labels":{"line":"ct","port":"80"}},{"targets":["c"]}]`},
	} {
		if got, err := tc.parse([]byte(tc.text)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
}

func TestWhatIsNoListIsRefused(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for _, name := range []string{"b", "c", "d", "e", "f", "g", "h", "i"} {
		before := string(name[0] - 1)
		bomb += name + ": &" + name + " [*" + before + strings.Repeat(",*"+before, 8) + "]\n"
	}
	for name, tc := range map[string]struct {
		parse func([]byte) ([]Group, error)
		text  string
		want  string
	}{
		"nothing":         {parseJSON, "", "EOF"},
		"null":            {parseJSON, "null", "it is null"},
		"a page":          {parseJSON, "<html>", "no list"},
		"half":            {parseJSON, `[{"targets":["a"]}`, "no list"},
		"an object":       {parseJSON, `{"targets":["a"]}`, "no list"},
		"a wrong key":     {parseJSON, `[{"target":["a"]}]`, "target"},
		"a null group":    {parseJSON, `[null]`, "group 0 is null"},
		"a number":        {parseJSON, `[{"targets":["a"],"labels":{"x":1}}]`, "no list"},
		"two":             {parseJSON, `[] []`, "something follows"},
		"yaml: a text":    {parseYAML, "hello", "no list"},
		"yaml: wrong key": {parseYAML, "- target: [a]", "target"},
		"yaml: null":      {parseYAML, "- \n", "group 0 is null"},
		"yaml: two":       {parseYAML, "[]\n---\n[]\n", "second document"},
		"yaml: bomb":      {parseYAML, bomb, "no list"},
	} {
		if got, err := tc.parse([]byte(tc.text)); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
	if got, err := parseYAML([]byte("# nothing\n")); err != nil || len(got) > 0 {
		t.Errorf("an empty file: got %v, %v", got, err)
	}
}

func FuzzLists(f *testing.F) {
	f.Add([]byte(`[{"targets":["a"],"labels":{"x":"y"}}]`))
	f.Add([]byte("- targets: [a]\n  labels: {x: y}\n"))
	f.Add([]byte("- &a [*a]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, parse := range []func([]byte) ([]Group, error){parseJSON, parseYAML} {
			if groups, err := parse(text); err != nil && (groups != nil || strings.ContainsAny(err.Error(), "\n\x00")) {
				t.Errorf("%q: %v, %q", text, groups, err)
			}
		}
	})
}
