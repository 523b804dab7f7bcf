package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/vedette-monitor/vedette/plugins/shell-audit/chain"
	"github.com/vedette-monitor/vedette/sdk"
)

// said is what became of a call of a command.
type said struct {
	out, errOut string
	status      int
	err         string
}

// call calls a command as the daemon's program does.
func call(t *testing.T, name string, config map[string]any, input string, args ...string) said {
	t.Helper()
	c := sdk.Call{Args: args, Stdin: strings.NewReader(input)}
	if config != nil {
		raw, err := json.Marshal(config)
		if err != nil {
			t.Fatal(err)
		}
		c.Config = raw
	}
	var out, errOut bytes.Buffer
	c.Stdout, c.Stderr = &out, &errOut
	for _, one := range plugin().Commands {
		if one.Name != name {
			continue
		}
		err := one.Run(t.Context(), c)
		s := said{out: out.String(), errOut: errOut.String()}
		var exit *sdk.ExitError
		switch {
		case errors.As(err, &exit):
			s.status = exit.Status
			if exit.Err != nil {
				s.err = exit.Err.Error()
			}
		case err != nil:
			s.status, s.err = 1, err.Error()
		}
		return s
	}
	t.Fatalf("there is no command %q", name)
	return said{}
}

// tree is a root with the start-up file of bash.
func tree(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	if err := errors.Join(os.Chmod(filepath.Dir(root), 0o755), os.MkdirAll(filepath.Join(root, "etc"), 0o755)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = exec.Command("chattr", "-R", "-a", root).Run() })
	if err := os.WriteFile(filepath.Join(root, "etc/bash.bashrc"), []byte("# mine\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return root
}

func TestInstallingSaysWhatIsHookedAndWhatComesNext(t *testing.T) {
	root := tree(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "first.key"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	// A builtin of an earlier installation must not be used.
	if err := os.MkdirAll(filepath.Join(root, "usr/lib/vedette"), 0o755); err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(root, "usr/lib/vedette/vedette-audit.so")
	if err := os.WriteFile(old, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	s := call(t, "install", map[string]any{"directory": dir, "socket": "/nowhere.sock"}, "", "--root", root, "--shell", "bash", "--without-builtin", "--notice", "You are watched.")
	if s.status != 0 || s.errOut != "" {
		t.Fatalf("%+v", s)
	}
	for _, want := range []string{"Hooked: bash (without its builtin).", "start from now on", "A login is told: You are watched.", "No collector answers", "vedette audit key --take"} {
		if !strings.Contains(s.out, want) {
			t.Errorf("it does not say %q:\n%s", want, s.out)
		}
	}
	if _, err := os.Stat(old); !os.IsNotExist(err) {
		t.Errorf("the old builtin is still there: %v", err)
	}
	script, err := os.ReadFile(filepath.Join(root, "usr/lib/vedette/audit.bash"))
	if err != nil || !strings.Contains(string(script), "'You are watched.'") {
		t.Errorf("the script has no notice: %v", err)
	}
	if s := call(t, "install", nil, "", "--root", root, "--shell", "bash", "--without-builtin"); s.status != 0 || !strings.Contains(s.out, "Nothing collects yet") {
		t.Errorf("without a configuration: %+v", s)
	}
	if s := call(t, "uninstall", nil, "", "--root", root); s.status != 0 || !strings.Contains(s.out, "The hooks are gone") {
		t.Errorf("%+v", s)
	}
	if text, err := os.ReadFile(filepath.Join(root, "etc/bash.bashrc")); string(text) != "# mine\n" {
		t.Errorf("the start-up file is %q, %v", text, err)
	}
}

func TestInstallingSaysWhatIsWrong(t *testing.T) {
	root := tree(t)
	for name, tc := range map[string]struct {
		args   []string
		want   string
		status int
	}{
		"no builtin":            {[]string{"--root", root}, "--without-builtin", 1},
		"unknown shell":         {[]string{"--root", root, "--without-builtin", "--shell", "csh"}, `no hook for the shell "csh"`, 1},
		"unknown flag":          {[]string{"--shel", "bash"}, "vedette audit install --help", 2},
		"another argument":      {[]string{"bash"}, `there is no argument "bash"`, 2},
		"a notice of two lines": {[]string{"--root", root, "--without-builtin", "--notice", "a\nb"}, "one line", 1},
	} {
		t.Run(name, func(t *testing.T) {
			if s := call(t, "install", nil, "", tc.args...); s.status != tc.status || !strings.Contains(s.err, tc.want) {
				t.Errorf("%+v, want %q", s, tc.want)
			}
		})
	}
}

func TestStatusTellsWhatIsInPlace(t *testing.T) {
	root, dir := tree(t), t.TempDir()
	config := map[string]any{"directory": dir, "socket": "/a.sock", "spool": "/spool"}
	s := call(t, "status", config, "", "--root", root)
	for _, want := range []string{`(?m)^bash +absent +-`, `(?m)^collector +\S*/a\.sock: not there`, `(?m)^spool +\S*/spool: not there`, `(?m)^journal +\S*: not there`, `(?m)^kernel +not known: the collector does not run$`} {
		if !regexp.MustCompile(want).MatchString(s.out) {
			t.Errorf("it has nothing like %s:\n%s", want, s.out)
		}
	}
	if strings.Contains(s.out, "WARNING") {
		t.Errorf("it warns:\n%s", s.out)
	}

	if s := call(t, "install", config, "", "--root", root, "--shell", "bash", "--without-builtin"); s.status != 0 {
		t.Fatalf("%+v", s)
	}
	for _, d := range []string{filepath.Join(root, "spool/u"), filepath.Join(dir, "journal")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for d := root; d != os.TempDir(); d = filepath.Dir(d) { // test directories are private
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "first.key"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: filepath.Join(root, "a.sock"), Net: "unixpacket"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if err := os.WriteFile(filepath.Join(dir, "kernel"), []byte("the kernel is asked by ebpf\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s = call(t, "status", config, "", "--root", root)
	for _, want := range []string{`(?m)^bash +installed +` + regexp.QuoteMeta(version) + ` +without its builtin`, `(?m)^collector +answers at \S*/a\.sock$`, `(?m)^spool +\S*/spool$`, `(?m)^kernel +the kernel is asked by ebpf$`, `(?m)^WARNING: the first key`} {
		if !regexp.MustCompile(want).MatchString(s.out) {
			t.Errorf("it has nothing like %s:\n%s", want, s.out)
		}
	}
	var r report
	moved := map[string]any{"directory": dir, "socket": "/a.sock", "spool": "/elsewhere"}
	if s := call(t, "status", moved, "", "--root", root); !strings.Contains(s.out, "the hooks write to "+filepath.Join(root, "spool")+", which nobody reads") {
		t.Errorf("after the spool has moved:\n%s", s.out)
	}
	if s := call(t, "status", config, "", "--root", root, "-o", "json"); json.Unmarshal([]byte(s.out), &r) != nil || len(r.Shells) != 3 || r.Shells[0].State != "installed" || !r.FirstKeyHere || r.Collector.Problem != "" {
		t.Errorf("as JSON: %s", s.out)
	}
	if err := os.Chmod(filepath.Join(root, "spool"), 0o700); err != nil {
		t.Fatal(err)
	}
	if s := call(t, "status", config, "", "--root", root); !strings.Contains(s.out, "chmod o+x "+filepath.Join(root, "spool")) {
		t.Errorf("it does not say that users are barred:\n%s", s.out)
	}
	if s := call(t, "status", config, "", "-o", "xml"); s.status != 2 || !strings.Contains(s.err, "neither text nor json") {
		t.Errorf("%+v", s)
	}
}

func TestTheFirstKeyIsPrintedUntilItIsTaken(t *testing.T) {
	dir := t.TempDir()
	config := map[string]any{"directory": dir}
	if s := call(t, "key", config, ""); s.status != 1 || !strings.Contains(s.err, "no chain") {
		t.Errorf("before there is one: %+v", s)
	}
	c, key, err := chain.Create(filepath.Join(dir, "chain"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if err := os.WriteFile(filepath.Join(dir, "first.key"), []byte(key.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if s := call(t, "key", config, ""); s.status != 0 || s.out != key.String()+"\n" || !strings.Contains(s.errOut, "key --take") {
			t.Errorf("%+v", s)
		}
	}
	if s := call(t, "key", config, "", "--take"); s.status != 0 || s.out != key.String()+"\n" || !strings.Contains(s.errOut, "gone from this host") {
		t.Errorf("%+v", s)
	}
	if s := call(t, "key", config, ""); s.status != 1 || s.out != "" || !strings.Contains(s.err, "was taken") {
		t.Errorf("afterwards: %+v", s)
	}
}

// closedOutput is an output that nobody takes.
type closedOutput struct{}

func (closedOutput) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestAKeyThatCouldNotBePrintedStays(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "first.key")
	if err := os.WriteFile(path, []byte(chain.Key{1}.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := json.Marshal(map[string]string{"directory": dir})
	if err != nil {
		t.Fatal(err)
	}
	var errOut bytes.Buffer
	err = printKey(t.Context(), sdk.Call{Args: []string{"--take"}, Stdout: closedOutput{}, Stderr: &errOut, Config: config})
	if _, left := os.Stat(path); err == nil || left != nil {
		t.Errorf("error %v, and the key: %v", err, left)
	}
}
