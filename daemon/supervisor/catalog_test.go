package supervisor

import (
	"os"
	"strings"
	"testing"
)

func TestAPluginIsAskedWhatIsWrongWithAConfiguration(t *testing.T) {
	t.Setenv("SECRET_OF_THE_DAEMON", "hush")
	catalog, plugin := script(t, `test "$1" = validate && test -z "$SECRET_OF_THE_DAEMON" || exit 1
read -r config
test "$config" = '{"a":1}' && echo '[{"path":["target","0","url"],"summary":"no scheme","detail":"Give it one."}]'`)
	problems, err := catalog.Validate(plugin, []byte(`{"a":1}`+"\n"), nil)
	if err != nil || len(problems) != 1 {
		t.Fatalf("%v, %v", problems, err)
	}
	p := problems[0]
	if strings.Join(p.Path, ".") != "target.0.url" || p.Summary != "no scheme" || p.Detail != "Give it one." {
		t.Errorf("got %v", p)
	}
}

func TestAPluginThatDoesNotCheckAConfigurationIsReported(t *testing.T) {
	for name, tc := range map[string]struct{ body, want string }{
		"fails":      {"echo 'no \033[1mluck' >&2; exit 3", "exit status 3: no \uFFFD[1mluck"},
		"no list":    {"echo '{}'", "printed no list of problems"},
		"a hole":     {"echo '[null]'", "printed no list of problems"},
		"nothing":    {"", "printed no list of problems"},
		"too much":   {"yes | head -c 5000000", "more than 4194304 bytes"},
		"never ends": {"sleep 300 & sleep 300", "took longer than 5s"},
		"deaf":       {"exec <&-; echo '[]x'", "printed no list of problems"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			catalog, plugin := script(t, tc.body)
			_, err := catalog.Validate(plugin, []byte(`{"a":"`+strings.Repeat("x", 1<<20)+`"}`), nil)
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "did not check its configuration") {
				t.Errorf("error %v, want it to contain %q", err, tc.want)
			}
		})
	}
}

func TestAProgramThatWasReplacedSinceItDescribedItselfIsNotAsked(t *testing.T) {
	manifest := `echo '{"name":"x","version":"1","roles":["collector"],"protocols":[1]}'`
	catalog, plugin := script(t, manifest)
	_, first, err := catalog.Inspect(plugin, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, again, err := catalog.Inspect(plugin, nil); err != nil || again != first {
		t.Errorf("the same file has the SHA256 %s and then %s, %v", first, again, err)
	}
	// As long as before, at the same place, and with the time of before: only the kernel's own time tells.
	path := catalog.Path(plugin)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	other := strings.Replace("#!/bin/sh\n"+manifest, `"1"`, `"2"`, 1)
	if err := os.WriteFile(path, []byte(other), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if _, err := catalog.Validate(plugin, []byte("{}"), nil); err == nil || !strings.Contains(err.Error(), "has changed since it described itself") {
		t.Errorf("the error is %v", err)
	}
	if m, sum, err := catalog.Inspect(plugin, nil); err != nil || sum == first || m.Version != "2" {
		t.Errorf("the changed program is %+v with %s, %v", m, sum, err)
	}
}
