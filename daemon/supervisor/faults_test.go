package supervisor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

// The faults of go-plugin's own runner, each shown twice: that it is there with go-plugin's runner, so that the test can
// see it, and that it is not with ours.

// way is how a plugin is run.
type way string

const (
	theirs way = "go-plugin's runner"
	ours   way = "our runner"
)

// onBothWays runs the test for each way. faulty says whether the fault showed.
func onBothWays(t *testing.T, faulty func(t *testing.T, w way) bool) {
	t.Helper()
	t.Parallel()
	for _, w := range []way{theirs, ours} {
		t.Run(string(w), func(t *testing.T) {
			if shown := faulty(t, w); shown != (w == theirs) {
				t.Errorf("the fault showed: %v", shown)
			}
		})
	}
}

// host is a plugin that was started in one way or the other.
type host struct {
	client wire.PluginClient
	pid    int
	// kill ends the plugin as its way does it; ended is closed once that way has noticed the plugin's end.
	kill  func()
	ended <-chan struct{}
}

// startTheWay starts the test plugin. The environment is what the configuration says, with theirs on top of the whole.
func startTheWay(w way, dir string, env map[string]string) (*host, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if w == ours {
		conn, err := launch(context.Background(), Spec{Path: program, Env: env}, filepath.Join(dir, "run"), newLogReader(hclog.NewNullLogger()))
		if err != nil {
			return nil, err
		}
		return &host{client: conn, pid: conn.pid(), kill: conn.kill, ended: conn.child.process.Done()}, nil
	}
	cmd := exec.Command(program)
	// So that the test can clean up after what go-plugin leaves behind; go-plugin itself kills one process only.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	client := goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig:  goplugin.HandshakeConfig{MagicCookieKey: wire.CookieKey, MagicCookieValue: wire.CookieValue},
		VersionedPlugins: map[int]goplugin.PluginSet{wire.Protocol: {"plugin": clientPlugin{}}},
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		AutoMTLS:         true,
		Cmd:              cmd,
		Logger:           hclog.New(&hclog.LoggerOptions{Output: io.Discard, Level: hclog.Debug}),
		StartTimeout:     10 * time.Second,
	})
	protocol, err := client.Client()
	if err != nil {
		client.Kill()
		return nil, err
	}
	dispensed, err := protocol.Dispense("plugin")
	if err != nil {
		client.Kill()
		return nil, err
	}
	ended := make(chan struct{})
	go func() {
		for !client.Exited() {
			time.Sleep(5 * time.Millisecond)
		}
		close(ended)
	}()
	return &host{client: dispensed.(wire.PluginClient), pid: cmd.Process.Pid, kill: client.Kill, ended: ended}, nil
}

// shortDir is a directory for sockets, whose paths must not be long.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sv")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func mustStart(t *testing.T, w way, env map[string]string) *host {
	t.Helper()
	dir := shortDir(t)
	h, err := startTheWay(w, dir, env)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// Whatever the test has left, and whatever the fault is.
		for _, member := range group(t, h.pid) {
			_ = syscall.Kill(member, syscall.SIGKILL)
		}
		_ = syscall.Kill(h.pid, syscall.SIGKILL)
		h.kill()
	})
	return h
}

// collect opens a session in the mode and waits for a point, for a moment.
func (h *host) collect(t *testing.T, mode string) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	_, err := h.client.Configure(ctx, &wire.ConfigureRequest{Config: fmt.Appendf(nil, `{"mode": %q, "points": 1}`, mode),
		Interval: durationpb.New(time.Hour), Timeout: durationpb.New(time.Hour), Window: window, MaxBatchBytes: maxBatch, LogLevel: "trace"})
	if err != nil {
		t.Fatal(err)
	}
	stream, err := h.client.Session(ctx, grpc.ForceCodecV2(newRawCodec()))
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan bool, 1)
	go func() {
		var msg []byte
		got <- stream.RecvMsg(&msg) == nil
	}()
	select {
	case ok := <-got:
		return ok
	case <-time.After(3 * time.Second):
		return false
	}
}

func within(d time.Duration, done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	case <-time.After(d):
		return false
	}
}

// childOf waits for the process that the plugin in mode hang or holder has started, by its number in the environment.
func childOf(t *testing.T, h *host) int {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", h.pid, h.pid))
		if err == nil {
			if pid, err := strconv.Atoi(strings.TrimSpace(string(children))); err == nil {
				return pid
			}
		}
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", h.pid))
		for _, task := range tasks {
			if text, err := os.ReadFile(task); err == nil {
				if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
					return pid
				}
			}
		}
	}
	t.Fatal("the plugin has started no process")
	return 0
}

func TestFaultALineOfAPluginsLogEndsTheDaemon(t *testing.T) {
	onBothWays(t, func(t *testing.T, w way) bool {
		daemon, _ := startDaemon(t, w, "badlog")
		return within(3*time.Second, daemon.waited)
	})
}

func TestFaultAPluginOutlivesAKilledDaemon(t *testing.T) {
	onBothWays(t, func(t *testing.T, w way) bool {
		daemon, plugin := startDaemon(t, w, "")
		if err := daemon.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-daemon.waited
		for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
			if gone(plugin) {
				return false
			}
		}
		_ = syscall.Kill(plugin, syscall.SIGKILL)
		return true
	})
}

func TestFaultStoppingAFrozenPluginTakesForEver(t *testing.T) {
	onBothWays(t, func(t *testing.T, w way) bool {
		h := mustStart(t, w, nil)
		freeze(t, h.pid)
		killed := make(chan struct{})
		go func() {
			defer close(killed)
			h.kill()
		}()
		if within(5*time.Second, killed) {
			return false
		}
		_ = syscall.Kill(h.pid, syscall.SIGKILL)
		<-killed
		return true
	})
}

func TestFaultACrashIsNotSeenWhileAnotherProcessHoldsThePipes(t *testing.T) {
	onBothWays(t, func(t *testing.T, w way) bool {
		h := mustStart(t, w, nil)
		h.collect(t, "holder")
		return !within(3*time.Second, h.ended)
	})
}

func TestFaultProcessesOfAPluginOutliveIt(t *testing.T) {
	onBothWays(t, func(t *testing.T, w way) bool {
		h := mustStart(t, w, nil)
		h.collect(t, "hang")
		grandchild := childOf(t, h)
		h.kill()
		for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
			if gone(grandchild) {
				return false
			}
		}
		_ = syscall.Kill(grandchild, syscall.SIGKILL)
		return true
	})
}

func TestFaultALineBeforeTheHandshakeKeepsAPluginFromStarting(t *testing.T) {
	onBothWays(t, func(t *testing.T, w way) bool {
		h, err := startTheWay(w, shortDir(t), map[string]string{"JUNK": "1"})
		if err == nil {
			h.kill()
		}
		return err != nil
	})
}

func TestFaultALongLineOnStandardOutputBlocksThePlugin(t *testing.T) {
	onBothWays(t, func(t *testing.T, w way) bool {
		return !mustStart(t, w, nil).collect(t, "longline")
	})
}

func TestFaultAPluginSeesTheDaemonsSecrets(t *testing.T) {
	if err := os.Setenv("SECRET_OF_THIS_TEST", "hush"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Unsetenv("SECRET_OF_THIS_TEST") })
	for _, w := range []way{theirs, ours} {
		t.Run(string(w), func(t *testing.T) {
			h := mustStart(t, w, nil)
			environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", h.pid))
			if err != nil {
				t.Fatal(err)
			}
			if shown := strings.Contains(string(environ), "hush"); shown != (w == theirs) {
				t.Errorf("the fault showed: %v", shown)
			}
		})
	}
}

func TestFaultTheSocketOfAKilledPluginIsLeftBehind(t *testing.T) {
	tmp := shortDir(t)
	for _, w := range []way{theirs, ours} {
		t.Run(string(w), func(t *testing.T) {
			dir := filepath.Join(tmp, strconv.Itoa(len(w)))
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			h, err := startTheWay(w, dir, map[string]string{"TMPDIR": dir, "PLUGIN_UNIX_SOCKET_DIR": dir})
			if err != nil {
				t.Fatal(err)
			}
			if err := syscall.Kill(h.pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			<-h.ended
			h.kill()
			var sockets []string
			err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
				if err == nil && d.Type()&os.ModeSocket != 0 {
					sockets = append(sockets, path)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if shown := len(sockets) > 0; shown != (w == theirs) {
				t.Errorf("the fault showed: %q", sockets)
			}
		})
	}
}

// daemonProcess is a process of its own that plays the daemon, for faults that would end the test.
type daemonProcess struct {
	cmd    *exec.Cmd
	waited chan struct{}
}

// The variables by which the test binary is told to play the daemon.
const (
	playWay  = "VEDETTE_TEST_PLAY_WAY"
	playMode = "VEDETTE_TEST_PLAY_MODE"
)

// startDaemon starts a daemon that runs the plugin in the mode, and returns it with the plugin's pid.
func startDaemon(t *testing.T, w way, mode string) (*daemonProcess, int) {
	t.Helper()
	dir, err := os.MkdirTemp("", "sv")
	if err != nil {
		t.Fatal(err)
	}
	d := &daemonProcess{cmd: exec.Command(os.Args[0], dir), waited: make(chan struct{})}
	d.cmd.Env = append(os.Environ(), playWay+"="+string(w), playMode+"="+mode)
	// With go-plugin's runner a plugin inherits the daemon's standard input; here it has no end.
	stdin, held, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	d.cmd.Stdin = stdin
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	plugin, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = d.cmd.Wait()
		close(d.waited)
	}()
	t.Cleanup(func() {
		_ = d.cmd.Process.Kill()
		<-d.waited
		_ = stdin.Close()
		_ = held.Close()
		_ = syscall.Kill(plugin, syscall.SIGKILL)
		_ = os.RemoveAll(dir)
	})
	return d, plugin
}

// playDaemon is what the process of startDaemon does.
func playDaemon(w way, mode, dir string) error {
	h, err := startTheWay(w, dir, nil)
	if err != nil {
		return err
	}
	fmt.Println(h.pid)
	ctx := context.Background()
	_, err = h.client.Configure(ctx, &wire.ConfigureRequest{Config: fmt.Appendf(nil, `{"mode": %q, "points": 1}`, mode),
		Interval: durationpb.New(time.Hour), Timeout: durationpb.New(time.Hour), Window: window, MaxBatchBytes: maxBatch, LogLevel: "trace"})
	if err != nil {
		return err
	}
	if _, err := h.client.Session(ctx, grpc.ForceCodecV2(newRawCodec())); err != nil {
		return err
	}
	time.Sleep(time.Minute)
	return errors.New("nobody has ended this")
}
