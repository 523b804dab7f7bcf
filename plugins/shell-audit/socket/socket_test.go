package socket

import (
	"context"
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
	"golang.org/x/sys/unix"

	"github.com/vedette-monitor/vedette/plugins/shell-audit/identity"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/record"
)

const patience = 20 * time.Second

const alice, bob = 60001, 60002

// asShell is set in the environment of this program where it has to do what a shell does: its value is the path of the socket.
const asShell = "VEDETTE_TEST_SHELL"

func TestMain(m *testing.M) {
	if path := os.Getenv(asShell); path != "" {
		if err := shell(path, os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// shell connects and says something: its command, and how.
func shell(path string, args []string) error {
	conn, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: path, Net: "unixpacket"})
	if err != nil {
		return err
	}
	defer conn.Close()
	message := own(args[1])
	switch args[0] {
	case "send":
		_, err = conn.Write(message)
	case "hand over": // the connection to whoever listens at another path
		var to *net.UnixConn
		if to, err = net.DialUnix("unix", nil, &net.UnixAddr{Name: args[2], Net: "unix"}); err != nil {
			return err
		}
		var file *os.File
		if file, err = conn.File(); err != nil {
			return err
		}
		if _, _, err = to.WriteMsgUnix([]byte("x"), unix.UnixRights(int(file.Fd())), nil); err != nil {
			return err
		}
		_, _ = to.Read(make([]byte, 1)) // until it is done with it
	case "close and stay":
		if _, err = conn.Write(message); err == nil {
			err = conn.Close()
		}
		fmt.Println("closed")
		_, _ = os.Stdin.Read(make([]byte, 1))
	}
	return err
}

// own is a record of this very process.
func own(command string) []byte {
	me, err := identity.Of(os.Getpid(), 0)
	if err != nil {
		panic(err)
	}
	return of(me.PID, me.Birth, command)
}

func of(pid int, birth int64, command string) []byte {
	b, err := record.Record{Kind: record.Complete, Shell: "bash", PID: pid, Birth: birth, Seq: 1, History: record.NoHistory,
		Started: 1, Ended: 2, Cwd: "/", Command: command, Full: int64(len(command))}.Append(nil)
	if err != nil {
		panic(err)
	}
	return b
}

// listening is a server whose events are kept.
type listening struct {
	path string
	mu   sync.Mutex
	all  []Event
}

func listen(t *testing.T, limits Limits) *listening {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("other users connect here: run this test as root")
	}
	dir, err := os.MkdirTemp("", "vedette-socket-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	l := &listening{path: filepath.Join(dir, "hook.sock")}
	s, err := Listen(l.path, limits, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Run(ctx, func(e Event) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.all = append(l.all, e)
		})
	}()
	t.Cleanup(func() {
		stop()
		select {
		case <-ended:
		case <-time.After(patience):
			t.Error("the server does not end")
		}
	})
	return l
}

func (l *listening) events() []Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Event(nil), l.all...)
}

// wait waits for that many events of a kind and returns them.
func (l *listening) wait(t *testing.T, kind Kind, n int) []Event {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		var found []Event
		for _, e := range l.events() {
			if e.Kind == kind {
				found = append(found, e)
			}
		}
		if len(found) >= n {
			return found
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d events of kind %d, want %d: %+v", len(found), kind, n, l.events())
		}
	}
}

// program is a copy of this program that every user can run.
func program(t *testing.T) string {
	t.Helper()
	me, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(me)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "vedette-shell-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "shell")
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(path, text, 0o755), os.Chmod(path, 0o755)); err != nil {
		t.Fatal(err)
	}
	return path
}

func (l *listening) shell(t *testing.T, program string, how *syscall.SysProcAttr, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(program, args...)
	// The race detector would keep it a second longer.
	cmd.Env = []string{asShell + "=" + l.path, "GORACE=atexit_sleep_ms=0"}
	cmd.Dir = "/"
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = how
	return cmd
}

func user(uid uint32) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
}

func connect(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	conn, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: path, Net: "unixpacket"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestARecordIsOfTheUserWhomTheKernelNames(t *testing.T) {
	shell := program(t)
	setuid := program(t)
	if err := os.Chmod(setuid, 0o755|os.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		program string
		how     *syscall.SysProcAttr
		want    int
	}{
		"a user":                   {shell, user(alice), alice},
		"root":                     {shell, nil, 0},
		"a setuid program of root": {setuid, user(alice), alice},
		"root of a user namespace": {shell, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 0, Gid: 0}, Cloneflags: syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: alice, Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: alice, Size: 1}}}, alice},
	} {
		t.Run(name, func(t *testing.T) {
			l := listen(t, Usual)
			cmd := l.shell(t, tc.program, tc.how, "send", name)
			if err := cmd.Run(); err != nil {
				t.Fatal(err)
			}
			e := l.wait(t, Message, 1)[0]
			if e.UID != tc.want || e.Record.Command != name || e.Record.PID != cmd.Process.Pid {
				t.Errorf("the record is of user %d, process %d: %+v", e.UID, e.Record.PID, e.Record)
			}
		})
	}
}

func TestWhatAnotherProcessSendsOverAConnectionIsNoRecord(t *testing.T) {
	l := listen(t, Usual)
	// A user connects and leaves the connection to root, as the standard error of something that sudo runs.
	path := filepath.Join(filepath.Dir(l.path), "hand-over.sock")
	to, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	cmd := l.shell(t, program(t), user(alice), "hand over", "x", path)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	conn, err := to.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	control := make([]byte, 64)
	_, n, _, _, err := conn.ReadMsgUnix(make([]byte, 1), control)
	if err != nil {
		t.Fatal(err)
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil {
		t.Fatal(err)
	}
	descriptors, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		t.Fatal(err)
	}
	hers, err := identity.Of(cmd.Process.Pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range [][]byte{own("as root"), of(hers.PID, hers.Birth, "as her")} {
		if _, err := unix.Write(descriptors[0], m); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range l.wait(t, Violation, 2) {
		if !errors.Is(e.Err, ErrMismatch) || e.Peer.UID != alice {
			t.Errorf("violation of user %d: %v", e.Peer.UID, e.Err)
		}
	}
	_ = unix.Close(descriptors[0])
	_ = conn.Close()
	_ = cmd.Wait()
	for _, e := range l.events() {
		if e.Kind == Message {
			t.Errorf("a record was taken: %+v", e)
		}
	}
}

func TestEvenRootIsNobodyElse(t *testing.T) {
	l := listen(t, Usual)
	conn := connect(t, l.path)
	me, err := identity.Of(os.Getpid(), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, claim := range []unix.Ucred{{Pid: 1, Uid: bob}, {Pid: 1}, {Pid: int32(me.PID), Uid: bob, Gid: bob}} {
		if _, _, err := conn.WriteMsgUnix(of(me.PID, me.Birth, "forged"), unix.UnixCredentials(&claim), nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range l.wait(t, Violation, 3) {
		if !errors.Is(e.Err, ErrMismatch) {
			t.Errorf("violation %v", e.Err)
		}
	}
	for what, m := range map[string][]byte{
		"of another process": of(1, 1, "x"), "of an earlier process": of(me.PID, me.Birth-1, "x"),
	} {
		if _, err := conn.Write(m); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	l.wait(t, Violation, 5)
	if _, err := conn.Write(own("true")); err != nil {
		t.Fatal(err)
	}
	if e := l.wait(t, Message, 1)[0]; e.UID != 0 || e.Record.Command != "true" {
		t.Errorf("the record is of user %d: %+v", e.UID, e.Record)
	}
}

func TestBadMessagesCostTheirOwnConnectionAndNobodyElses(t *testing.T) {
	l := listen(t, Limits{Connections: 100, OfUser: 100, Rate: 1e6, Burst: 1e6})
	before := descriptors(t)
	bad, good := connect(t, l.path), connect(t, l.path)
	if err := bad.SetWriteBuffer(4 << 20); err != nil {
		t.Fatal(err)
	}
	long := make([]byte, 100<<10)
	for _, m := range [][]byte{long, []byte("x"), []byte("1 C raw bash\n\x00")} {
		if _, err := bad.Write(m); err != nil {
			t.Fatal(err)
		}
	}
	var open []int
	for range 50 {
		open = append(open, int(os.Stderr.Fd()))
	}
	// A kernel that can refuse descriptors does, and the sender is told.
	want := 3
	if _, _, err := bad.WriteMsgUnix(own("x"), unix.UnixRights(open...), nil); err == nil {
		want++
	}
	l.wait(t, Violation, want)
	if _, err := good.Write(own("good")); err != nil {
		t.Fatal(err)
	}
	if e := l.wait(t, Message, 1); len(e) != 1 || e[0].Record.Command != "good" {
		t.Errorf("records %+v", e)
	}
	// A message of no bytes is the end, also with credentials beside it.
	_ = bad.Close()
	_ = good.Close()
	for deadline := time.Now().Add(patience); descriptors(t) > before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d descriptors are left open, %d were before", descriptors(t), before)
		}
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

func TestAFloodOfOneUserDelaysNoOther(t *testing.T) {
	l := listen(t, Limits{Connections: 100, OfUser: 3, Rate: 10, Burst: 20})
	flood := connect(t, l.path)
	if err := flood.SetWriteDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	message := own("flood")
	for {
		if _, err := flood.Write(message); err != nil {
			break // its queue is full
		}
	}
	shell := program(t)
	const victims = 10
	for n := range victims {
		if err := l.shell(t, shell, user(alice), "send", "victim "+strconv.Itoa(n)).Run(); err != nil {
			t.Fatal(err)
		}
	}
	got := 0
	for deadline := time.Now().Add(patience); got < victims && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		got = 0
		for _, e := range l.events() {
			if e.UID == alice && strings.HasPrefix(e.Record.Command, "victim") {
				got++
			}
		}
	}
	if got != victims {
		t.Errorf("%d of %d records of the other user came", got, victims)
	}
}

func TestAUserHasSoManyConnectionsAndNoMore(t *testing.T) {
	l := listen(t, Limits{Connections: 100, OfUser: 3, Rate: 1e6, Burst: 1e6})
	for range 5 {
		connect(t, l.path)
	}
	for _, e := range l.wait(t, Violation, 2) {
		if !strings.Contains(e.Err.Error(), "too many connections") {
			t.Errorf("violation %v", e.Err)
		}
	}
}

func TestTheEndOfAConnectionSaysWhetherItsShellIsStillThere(t *testing.T) {
	l := listen(t, Usual)
	shell := program(t)
	stays := l.shell(t, shell, user(alice), "close and stay", "x")
	in, err := stays.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := stays.Start(); err != nil {
		t.Fatal(err)
	}
	if e := l.wait(t, Closed, 1)[0]; !e.Alive || e.Peer.PID != stays.Process.Pid {
		t.Errorf("the shell that stays: alive %v, process %d", e.Alive, e.Peer.PID)
	}
	_ = in.Close()
	_ = stays.Wait()
	goes := l.shell(t, shell, user(bob), "send", "x")
	if err := goes.Run(); err != nil {
		t.Fatal(err)
	}
	if e := l.wait(t, Closed, 2)[1]; e.Alive || e.Peer.PID != goes.Process.Pid {
		t.Errorf("the shell that went: alive %v, process %d", e.Alive, e.Peer.PID)
	}
}

func TestASecondCollectorIsRefusedAndOneThatWasKilledReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	first, err := Listen(path, Usual, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path, Usual, hclog.NewNullLogger()); err == nil || !strings.Contains(err.Error(), "another collector") {
		t.Errorf("a second one: %v", err)
	}
	first.listener.SetUnlinkOnClose(false)
	_ = first.listener.Close()
	again, err := Listen(path, Usual, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	_ = again.listener.Close()
}
