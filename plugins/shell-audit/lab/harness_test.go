package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/vedette-monitor/vedette/plugins/shell-audit/drop"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/hook"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/hook/terminal"
)

// patience bounds every wait for something that should happen.
const patience = 30 * time.Second

// person is the user who types: one whom nobody else is.
const person = 61235

// programs are those of this repository, built for the tests.
var programs string

func TestMain(m *testing.M) {
	code, err := withPrograms(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

func withPrograms(m *testing.M) (int, error) {
	root, err := filepath.Abs("../../..")
	if err != nil {
		return 1, err
	}
	if programs, err = os.MkdirTemp("", "vedette-lab-"); err != nil {
		return 1, err
	}
	defer os.RemoveAll(programs)
	for _, cmd := range []*exec.Cmd{
		exec.Command("make", "-s", "-C", root, "bin/"+hook.Library),
		exec.Command("cp", filepath.Join(root, "bin", hook.Library), programs),
		exec.Command("go", "build", "-o", filepath.Join(programs, "vedette"), "../../../daemon"),
		exec.Command("go", "build", "-o", filepath.Join(programs, "shell-audit"), ".."),
	} {
		if out, err := cmd.CombinedOutput(); err != nil {
			return 1, fmt.Errorf("%s: %w: %s", cmd, err, out)
		}
	}
	if path := os.Getenv("VEDETTE_INFLUXD"); path == "" {
		return 1, errors.New("VEDETTE_INFLUXD names no InfluxDB: run make test")
	} else if err := os.Symlink(path, filepath.Join(programs, "influxd")); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// host is a tree in which the audit is installed, with a daemon that collects.
type host struct {
	t              *testing.T
	root, home     string
	config         string
	said           *os.File
	mu             sync.Mutex
	daemon         *exec.Cmd
	ended, stopped chan struct{} // of the daemon; of what starts it again
}

// newHost makes a host whose plugin block has these further settings.
func newHost(t *testing.T, settings string) *host {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("shells of another user are audited here: run this test as root")
	}
	root, err := os.MkdirTemp("", "vedette-lab-host-")
	if err != nil {
		t.Fatal(err)
	}
	h := &host{t: t, root: root, home: root + "/home", config: root + "/config.hcl"}
	t.Cleanup(h.leave)
	for _, dir := range []string{"/etc/zsh", "/etc/fish/conf.d", "/home", "/data"} {
		if err := os.MkdirAll(root+dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// Whatever the mask of this process is, and but for the home, which is the person's.
	if out, err := exec.Command("chmod", "-R", "go+rX", root).CombinedOutput(); err != nil {
		t.Fatal(string(out))
	}
	if err := errors.Join(os.Chmod(root, 0o755), os.Chown(h.home, person, person), os.Chmod(h.home, 0o700), os.Chmod(root+"/data", 0o700)); err != nil {
		t.Fatal(err)
	}
	h.write("/etc/bash.bashrc", "# of the system\n")
	h.write("/etc/zsh/zshrc", "# of the system\n")
	h.write("/config.hcl", fmt.Sprintf(`
vantage {
  host = "lab"
}
daemon {
  data_dir  = "%[1]s/data"
  listen    = "127.0.0.1:0"
  log_level = "debug"
}
influxdb {
  embedded = true
  port     = 0
}
plugin "shell-audit" {
  directory = "%[1]s/data/audit"
  spool     = "%[1]s%[2]s"
  socket    = "%[1]s%[3]s"
  %[4]s
}
`, root, hook.DefaultSpool, hook.DefaultSocket, settings))
	if h.said, err = os.Create(root + "/log"); err != nil {
		t.Fatal(err)
	}
	// As the installation does, so that nothing is lost before the collector runs for the first time.
	if out, err := exec.Command("install", "-d", "-m", "711", filepath.Dir(root+hook.DefaultSpool), filepath.Dir(filepath.Dir(root+hook.DefaultSpool)),
		filepath.Dir(filepath.Dir(filepath.Dir(root+hook.DefaultSpool)))).CombinedOutput(); err != nil {
		t.Fatal(string(out))
	}
	spool, err := drop.Open(root+hook.DefaultSpool, drop.Usual, nil, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	spool.Close()
	if err := hook.Install(hook.Options{Root: root, Library: filepath.Join(programs, hook.Library), Version: "lab"}); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *host) write(name, text string) {
	h.t.Helper()
	if err := os.WriteFile(h.root+name, []byte(text), 0o644); err != nil {
		h.t.Fatal(err)
	}
}

// leave stops all, and takes away what only root can.
func (h *host) leave() {
	h.stop()
	if h.t.Failed() {
		if text, err := os.ReadFile(h.root + "/log"); err == nil {
			h.t.Logf("the daemon said:\n%s", text[max(0, len(text)-20_000):])
		}
	}
	_ = h.said.Close()
	_ = exec.Command("chattr", "-R", "-a", "-i", h.root+hook.DefaultSpool).Run()
	if err := os.RemoveAll(h.root); err != nil {
		h.t.Error(err)
	}
}

// start starts the daemon, and again whenever it has ended before stop.
func (h *host) start() {
	h.t.Helper()
	h.stopped = make(chan struct{})
	stopped := h.stopped
	if err := h.launch(); err != nil {
		h.t.Fatal(err)
	}
	go func() {
		for {
			h.mu.Lock()
			ended := h.ended
			h.mu.Unlock()
			select {
			case <-stopped:
				return
			case <-ended:
			}
			select {
			case <-stopped:
				return
			default:
			}
			if err := h.launch(); err != nil {
				h.t.Error(err)
				return
			}
		}
	}()
	h.waitFor("the plugin is ready", func() bool {
		var st status
		return h.status(&st) && len(st.Plugins) == 1 && st.Plugins[0].State == "ready"
	})
	h.waitFor("the collector listens", func() bool {
		conn, err := net.Dial("unixpacket", h.root+hook.DefaultSocket)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
}

func (h *host) launch() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	cmd := exec.Command(filepath.Join(programs, "vedette"), "run", "--config", h.config)
	cmd.Stdout, cmd.Stderr = h.said, h.said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	h.daemon, h.ended = cmd, ended
	return nil
}

// stop ends the daemon as a service manager does.
func (h *host) stop() {
	if h.stopped == nil {
		return
	}
	close(h.stopped)
	h.stopped = nil
	h.mu.Lock()
	cmd, ended := h.daemon, h.ended
	h.mu.Unlock()
	_ = cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-ended:
	case <-time.After(patience):
		h.t.Error("the daemon does not end")
		_ = cmd.Process.Kill()
		<-ended
	}
}

func (h *host) waitFor(what string, met func() bool) {
	h.t.Helper()
	for deadline := time.Now().Add(patience); !met(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			all, _ := h.query("SELECT * FROM records.shell_command WHERE uid = " + strconv.Itoa(person))
			for _, r := range append(all, h.events(".*")...) {
				h.t.Log(r)
			}
			left, _ := exec.Command("find", h.root+hook.DefaultSpool, "-type", "f", "-printf", "%p %s\n").CombinedOutput()
			h.t.Fatalf("waited in vain: %s; in the spool are\n%s", what, left)
		}
	}
}

// vedette runs a command of the daemon's client.
func (h *host) vedette(args ...string) ([]byte, error) {
	cmd := exec.Command(filepath.Join(programs, "vedette"), append(args, "--config", h.config)...)
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, &errOut)
	}
	return out, err
}

type status struct {
	Plugins []struct {
		State string
		Pid   int
	}
	InfluxDB struct{ Pid int }
}

func (h *host) status(into *status) bool {
	out, err := h.vedette("status", "-o", "json")
	return err == nil && json.Unmarshal(out, into) == nil
}

// row is a row of an answer of InfluxDB.
type row map[string]any

func (r row) text(name string) string {
	s, _ := r[name].(string)
	return s
}

func (r row) int(name string) int64 {
	n, ok := r[name].(json.Number)
	if !ok {
		return -1
	}
	i, _ := n.Int64()
	return i
}

// query asks InfluxDB.
func (h *host) query(q string) ([]row, error) {
	out, err := h.vedette("query", "-o", "json", q)
	if err != nil {
		return nil, err
	}
	var series []struct {
		Columns []string
		Rows    [][]any
	}
	d := json.NewDecoder(bytes.NewReader(out))
	d.UseNumber()
	if err := d.Decode(&series); err != nil {
		return nil, err
	}
	var rows []row
	for _, s := range series {
		for _, values := range s.Rows {
			r := row{}
			for i, v := range values {
				if v != nil {
					r[s.Columns[i]] = v
				}
			}
			rows = append(rows, r)
		}
	}
	return rows, nil
}

// commands are the rows of commands of hooks.
func (h *host) commands() []row {
	rows, err := h.query("SELECT * FROM records.shell_command WHERE source = 'hook'")
	if err != nil {
		return nil
	}
	return rows
}

// events are the rows of events of a kind: of the person's, for there may be others on this machine.
func (h *host) events(kind string) []row {
	rows, err := h.query("SELECT * FROM records.shell_event WHERE kind =~ /^" + kind + "$/ AND (uid = " + strconv.Itoa(person) + " OR kind =~ /^st/)")
	if err != nil {
		return nil
	}
	return rows
}

// pids are the processes of a program that belong to this host.
func (h *host) pids(program string) []int {
	h.t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		h.t.Fatal(err)
	}
	h.mu.Lock()
	daemon := h.daemon.Process.Pid
	h.mu.Unlock()
	var pids []int
	for _, dir := range dirs {
		exe, err := os.Readlink(dir + "/exe")
		if err != nil || filepath.Base(exe) != program {
			continue
		}
		stat, err := os.ReadFile(dir + "/stat")
		if err != nil {
			continue
		}
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if len(fields) > 1 && fields[1] == strconv.Itoa(daemon) {
			pid, _ := strconv.Atoi(filepath.Base(dir))
			pids = append(pids, pid)
		}
	}
	return pids
}

// kill ends what belongs to this host at once: vedette, shell-audit or influxd.
func (h *host) kill(program string) bool {
	h.t.Helper()
	if program == "vedette" {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.daemon.Process.Kill() == nil
	}
	pids := h.pids(program)
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	return len(pids) > 0
}

// as runs programs as the person does.
func (h *host) as(uid int, program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Dir = h.home
	cmd.Env = []string{"HOME=" + h.home, "ZDOTDIR=" + h.home, "XDG_CONFIG_HOME=" + h.home + "/.config", "XDG_DATA_HOME=" + h.home + "/.local",
		"XDG_RUNTIME_DIR=" + h.home, "PATH=/usr/local/bin:/usr/bin:/bin", "TERM=xterm", "LANG=C.UTF-8", "USER=person"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
	return cmd
}

// session is a shell that somebody types into.
type session struct {
	*terminal.Terminal
	t *testing.T
}

// shell starts a shell that reads the hooks of this host, and waits for its first prompt.
func (h *host) shell(t *testing.T, name string) *session {
	t.Helper()
	var cmd *exec.Cmd
	switch name {
	case "bash":
		h.write("/home/.bashrc", ". "+h.root+"/etc/bash.bashrc\n"+terminal.BashReady)
		cmd = h.as(person, "bash", "--rcfile", h.home+"/.bashrc", "-i")
	case "zsh":
		h.write("/home/.zshrc", ". "+h.root+"/etc/zsh/zshrc\n"+terminal.ZshReady)
		cmd = h.as(person, "zsh", "-i")
	case "fish":
		config := h.home + "/.config/fish"
		if err := os.MkdirAll(config, 0o755); err != nil {
			t.Fatal(err)
		}
		h.write("/home/.config/fish/config.fish", "source "+h.root+"/etc/fish/conf.d/vedette-audit.fish\n"+terminal.FishReady)
		if out, err := exec.Command("chown", "-R", strconv.Itoa(person), h.home+"/.config").CombinedOutput(); err != nil {
			t.Fatal(string(out))
		}
		cmd = h.as(person, "fish", "-i")
	}
	return startSession(t, cmd)
}

func startSession(t *testing.T, cmd *exec.Cmd) *session {
	t.Helper()
	term, err := terminal.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(term.Close)
	s := &session{term, t}
	if _, err := term.Prompt(within(t)); err != nil {
		t.Fatal(err)
	}
	return s
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// run types lines, each when the one before has ended, and returns what the last one printed.
func (s *session) run(lines ...string) string {
	s.t.Helper()
	out := ""
	for _, line := range lines {
		ctx, cancel := context.WithTimeout(s.t.Context(), patience)
		var err error
		out, err = s.Run(ctx, line)
		cancel()
		if err != nil {
			s.t.Fatalf("running %q: %v", line, err)
		}
	}
	return out
}
