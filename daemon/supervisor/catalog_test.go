package supervisor

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
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
	_, first, err := catalog.Inspect(plugin, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, again, err := catalog.Inspect(plugin, nil, nil); err != nil || again != first {
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
	if m, sum, err := catalog.Inspect(plugin, nil, nil); err != nil || sum == first || m.Version != "2" {
		t.Errorf("the changed program is %+v with %s, %v", m, sum, err)
	}
}

func script(t *testing.T, body string) (catalog *Catalog, name string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "plugin"), []byte("#!/bin/sh\n"+body), 0o700); err != nil {
		t.Fatal(err)
	}
	return NewCatalog(dir), "plugin"
}

func TestPluginsThatDoNotDescribeThemselvesAreRefusedWithTheReason(t *testing.T) {
	tests := map[string]struct{ body, want string }{
		"fails":        {"echo 'no \033[1mluck' >&2; exit 3", "exit status 3: no \uFFFD[1mluck"},
		"no JSON":      {"echo hello", "printed no manifest"},
		"nothing":      {"", "printed no manifest"},
		"no name":      {"echo '{}'", "without a name or a role"},
		"newer":        {`echo '{"name":"x","version":"9","roles":["collector"],"protocols":[2,3]}'`, "speaks protocol [2 3] and this daemon 1: upgrade the daemon"},
		"older":        {`echo '{"name":"x","version":"9","roles":["collector"],"protocols":[0]}'`, "upgrade the plugin"},
		"too much":     {"yes | head -c 5000000", "more than 4194304 bytes"},
		"never ends":   {"sleep 300 & sleep 300", "took longer than 5s"},
		"child stays":  {`sleep 300 & echo '{"name":"x","version":"9","roles":["collector"],"protocols":[0]}'`, "upgrade the plugin"},
		"reads a lot":  {`echo "$HOME$SECRET_OF_THE_DAEMON" >&2; test -z "$HOME" && cat; exit 1`, "exit status 1"},
		"not a script": {"exit 0\n\x00\xff", "printed no manifest"},
	}
	t.Setenv("SECRET_OF_THE_DAEMON", "hush")
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			catalog, plugin := script(t, tc.body)
			_, err := catalog.Manifest(plugin)
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "hush") {
				t.Errorf("error %v, want it to contain %q", err, tc.want)
			}
		})
	}
}

func TestAProgramThatCanNotBeExecutedIsNotTakenForOneThatIsNotThere(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"orphan": "#!/no/such/interpreter\n", "noise": "\x00\x01\x02"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{"orphan": "can not be executed: the interpreter that its first line names", "noise": "can not be executed: exec format error"} {
		_, err := NewCatalog(dir).Manifest(name)
		if err == nil || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "/proc/") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAProgramThatMayNotRunIsNotRun(t *testing.T) {
	catalog, plugin := script(t, `: >"$(dirname "$(readlink /proc/$$/fd/3)")/ran"`)
	refused := errors.New("not this one")
	if _, _, err := catalog.Inspect(plugin, nil, func(sum string) error {
		if len(sum) != 64 {
			t.Errorf("it is asked whether %q may run", sum)
		}
		return refused
	}); !errors.Is(err, refused) {
		t.Errorf("error %v", err)
	}
	ran := filepath.Join(filepath.Dir(catalog.Path(plugin)), "ran")
	if _, err := os.Stat(ran); err == nil {
		t.Error("it was run")
	}
	if _, _, err := catalog.Inspect(plugin, nil, func(string) error { return nil }); err == nil {
		t.Error("a program that prints nothing has described itself")
	}
	if _, err := os.Stat(ran); err != nil {
		t.Errorf("one that may run was not: %v", err)
	}
}

func TestTheCatalogListsProgramsThatMayBePlugins(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"a": 0o700, "b": 0o755, "notes.txt": 0o600, "vedette": 0o700, "influxd": 0o700} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	catalog := NewCatalog(dir)
	if got := catalog.Names(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("names are %v", got)
	}
	if _, err := catalog.Manifest("notes.txt"); err == nil || !strings.Contains(err.Error(), "must be an executable file") {
		t.Errorf("error %v", err)
	}
	if _, err := catalog.Manifest("influxd"); err == nil || !os.IsNotExist(err) && !strings.Contains(err.Error(), "there is no plugin") {
		t.Errorf("error %v", err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	m, err := catalog.Manifest(program)
	if err != nil || m.Name != "test-plugin" || m.Version != "1.2.3" {
		t.Errorf("manifest %+v, %v", m, err)
	}
}
