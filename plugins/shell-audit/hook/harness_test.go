package hook

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/vedette-monitor/vedette/plugins/shell-audit/drop"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/hook/terminal"
	written "github.com/vedette-monitor/vedette/plugins/shell-audit/record"
	"golang.org/x/sys/unix"
)

// person is the uid of the users in tests: not root, and of nobody else.
const person = 61234

var library string

func TestMain(m *testing.M) {
	if socket := os.Getenv("VEDETTE_TEST_COLLECTOR"); socket != "" {
		fmt.Fprintln(os.Stderr, collect(socket, os.Stdout))
		os.Exit(1)
	}
	root, err := filepath.Abs("../../..")
	if err == nil {
		cmd := exec.Command("make", "-s", "-C", root, "bin/"+Library)
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		err = cmd.Run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "building the builtin for bash:", err)
		os.Exit(1)
	}
	library = filepath.Join(root, "bin", Library)
	os.Exit(m.Run())
}

// bed is a tree with the hooks installed, a spool as the collector makes it, and a home.
type bed struct {
	root, spool, home, socket string
	uid                       int
}

// needRoot ends a test that switches users. The Makefile tells others which tests these are.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test starts shells of another user: run it as root")
	}
}

func newBed(t *testing.T, change ...func(*Options)) *bed {
	t.Helper()
	needRoot(t)
	root, err := os.MkdirTemp("", "vedette-hook-")
	if err != nil {
		t.Fatal(err)
	}
	b := &bed{root: root, uid: person, spool: root + DefaultSpool, home: root + "/home", socket: root + DefaultSocket}
	t.Cleanup(func() {
		_ = b.appendOnly(false)
		_ = os.RemoveAll(root)
	})
	for _, d := range []struct {
		name string
		mode os.FileMode
	}{{"", 0o755}, {"/etc/zsh", 0o755}, {"/run/vedette", 0o755}, {DefaultSpool, 0o711}, {DefaultSpool + "/u", 0o711}, {DefaultSpool + "/new", 0o733 | os.ModeSticky}, {"/home", 0o700}} {
		if err := os.MkdirAll(root+d.name, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(root+d.name, d.mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(b.home, b.uid, b.uid); err != nil {
		t.Fatal(err)
	}
	b.write(t, "/etc/bash.bashrc", "# of the system\n")
	b.write(t, "/etc/zsh/zshrc", "# of the system\n")
	b.makeLog(t)
	options := Options{Root: root, Library: library, Version: "test"}
	for _, c := range change {
		c(&options)
	}
	if err := Install(options); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bed) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(b.root+name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (b *bed) log() string { return fmt.Sprintf("%s/u/%d.log", b.spool, b.uid) }

// makeLog makes the user's file, as the collector does.
func (b *bed) makeLog(t *testing.T) {
	t.Helper()
	d, err := drop.Open(b.spool, drop.Usual, nil, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Admit(b.uid); err != nil {
		t.Fatal(err)
	}
}

func (b *bed) appendOnly(on bool) error {
	f, err := os.Open(b.log())
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	flags := 0
	if on {
		flags = 0x20 // FS_APPEND_FL
	}
	return unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flags)
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// command is a program of the person's.
func (b *bed) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Dir = b.home
	cmd.Env = []string{"HOME=" + b.home, "ZDOTDIR=" + b.home, "XDG_CONFIG_HOME=" + b.home + "/.config", "XDG_DATA_HOME=" + b.home + "/.local", "XDG_RUNTIME_DIR=" + b.home,
		"PATH=/usr/local/bin:/usr/bin:/bin", "TERM=xterm", "LANG=C.UTF-8", "USER=person"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(b.uid), Gid: uint32(b.uid)}}
	return cmd
}

// shell starts a shell that reads the hook and then rc, and waits for its first prompt.
func (b *bed) shell(t *testing.T, name, rc string, change ...func(*exec.Cmd)) *session {
	t.Helper()
	var cmd *exec.Cmd
	switch {
	case strings.HasPrefix(filepath.Base(name), "bash"):
		b.write(t, "/home/.bashrc", ". "+b.root+"/etc/bash.bashrc\n"+terminal.BashReady+rc)
		cmd = b.command(name, "--rcfile", b.home+"/.bashrc", "-i")
	case name == "zsh":
		b.write(t, "/home/.zshrc", ". "+b.root+"/etc/zsh/zshrc\n"+terminal.ZshReady+rc)
		cmd = b.command("zsh", "-i")
	case name == "fish":
		if err := os.MkdirAll(b.home+"/.config/fish", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := exec.Command("chown", "-R", strconv.Itoa(b.uid), b.home+"/.config").Run(); err != nil {
			t.Fatal(err)
		}
		b.write(t, "/home/.config/fish/config.fish", "source "+b.root+"/"+fishFile+"\n"+terminal.FishReady+rc)
		cmd = b.command("fish", "-i")
	}
	for _, c := range change {
		c(cmd)
	}
	term, err := terminal.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	s := &session{Terminal: term, t: t}
	t.Cleanup(term.Close)
	if _, err := term.Prompt(within(t)); err != nil {
		t.Fatal(err)
	}
	return s
}

// session is a shell in a test.
type session struct {
	*terminal.Terminal
	t *testing.T
}

// run types lines, each when the one before has ended, and returns what the last one printed.
func (s *session) run(lines ...string) string {
	s.t.Helper()
	out := ""
	for _, line := range lines {
		var err error
		if out, err = s.Run(within(s.t), line); err != nil {
			s.t.Fatalf("running %q: %v", line, err)
		}
	}
	return out
}

// record is what a hook wrote.
type record struct {
	kind, shell          string
	pid, start, seq      int64
	hist, t0, t1         int64
	rc, full             int64
	cwd, cmd, file, line string
}

// records are all that the hooks have written, by shell and number. Anything else in a file is an error.
func (b *bed) records(t *testing.T) []record {
	t.Helper()
	files, err := filepath.Glob(b.spool + "/new/*")
	if err != nil {
		t.Fatal(err)
	}
	var all []record
	for _, file := range append(files, b.log()) {
		data, err := os.ReadFile(file)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		all = append(all, parse(t, file, data)...)
	}
	slices.SortStableFunc(all, func(a, b record) int {
		if a.pid != b.pid {
			return int(a.pid - b.pid)
		}
		return int(a.seq - b.seq)
	})
	return all
}

func parse(t *testing.T, file string, data []byte) []record {
	t.Helper()
	var all []record
	for len(data) > 0 {
		one, rest, found := bytes.Cut(data, []byte{0})
		data = rest
		if len(one) == 0 && len(data) > 0 {
			continue // closed what a full disk had cut
		}
		r, err := parseOne(string(one))
		if err != nil || !found {
			t.Fatalf("%s has %q: %v", file, one, err)
		}
		r.file = file
		all = append(all, r)
	}
	return all
}

func parseOne(text string) (record, error) {
	r, err := written.Parse([]byte(text + "\x00"))
	head, _, _ := strings.Cut(text, "\n")
	return record{
		kind: string(r.Kind), shell: r.Shell, pid: int64(r.PID), start: r.Birth, seq: r.Seq, hist: r.History, t0: int64(r.Started), t1: int64(r.Ended),
		rc: int64(r.Exit), full: r.Full, cwd: r.Cwd, cmd: r.Command, line: head,
	}, err
}

// commands are the texts of the started and of the complete commands.
func commands(all []record) []string {
	var texts []string
	for _, r := range all {
		if r.kind == "S" || r.kind == "C" {
			texts = append(texts, r.cmd)
		}
	}
	return texts
}

func wantCommands(t *testing.T, all []record, want ...string) {
	t.Helper()
	if got := commands(all); !slices.Equal(got, want) {
		t.Errorf("recorded were\n%s\nand not\n%s", strings.Join(quoted(got), "\n"), strings.Join(quoted(want), "\n"))
	}
}

func quoted(all []string) []string {
	var q []string
	for _, s := range all {
		q = append(q, strconv.Quote(s))
	}
	return q
}

// wantWhole checks that each shell's numbers begin with 1 and have no gap, and that starts and ends pair.
func wantWhole(t *testing.T, all []record) {
	t.Helper()
	next, open := map[int64]int64{}, map[int64]record{}
	for _, r := range all {
		if next[r.pid]++; r.seq != next[r.pid] {
			t.Errorf("record %d of shell %d has the number %d: %s", next[r.pid], r.pid, r.seq, r.line)
			next[r.pid] = r.seq
		}
		if r.start <= 0 {
			t.Errorf("a record does not tell when its shell started: %s", r.line)
		}
		switch r.kind {
		case "S":
			open[r.pid] = r
		case "E":
			if s := open[r.pid]; s.t0 != r.t0 || s.hist != r.hist || s.kind == "" || r.t1 != 0 && r.t1 < r.t0 {
				t.Errorf("an end fits no start: %s after %s", r.line, s.line)
			}
			delete(open, r.pid)
		}
	}
}
