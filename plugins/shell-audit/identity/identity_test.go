package identity

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const alice = 60001

func TestAProcessIsWhomTheKernelSaysItIs(t *testing.T) {
	cmd := exec.Command("/bin/sleep", "60")
	cmd.Dir = "/usr"
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	p, err := Of(cmd.Process.Pid, 0)
	for err == nil && p.Exe == "" { // until it is that program
		p, err = Of(cmd.Process.Pid, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	if p.Parent != os.Getpid() || p.UID != os.Getuid() || p.EUID != os.Geteuid() || p.Cwd != "/usr" || p.Birth == 0 {
		t.Errorf("got %+v", p)
	}
	if _, err := Of(p.PID, p.Birth); err != nil {
		t.Error(err)
	}
	if _, err := Of(p.PID, p.Birth+1); !errors.Is(err, ErrGone) {
		t.Errorf("another one of that number: %v", err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if _, err := Of(p.PID, p.Birth); !errors.Is(err, ErrGone) {
		t.Errorf("after its end: %v", err)
	}
}

func TestALoginThatAnybodyCanClaimIsNotAttested(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("another user claims a login here: run this test as root")
	}
	// While nobody has logged in, whoever likes sets the user of the login: a kernel's rule.
	cmd := exec.Command("/bin/sh", "-c", "echo 0 > /proc/self/loginuid && exec sleep 60")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: alice, Gid: alice}}
	cmd.Dir = "/"
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		p, err := Of(cmd.Process.Pid, 0)
		if err != nil {
			t.Fatalf("the login could not be claimed: %v", err)
		}
		if p.LoginUID == 0 {
			if p.Attested || p.UID != alice {
				t.Errorf("got %+v", p)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the login was not claimed")
		}
	}
}

func TestStatIsReadWhateverAProgramCallsItself(t *testing.T) {
	rest := " S 7 8 9 34819 10 0 0 0 0 0 0 0 0 0 20 0 1 0 4242 0"
	for _, name := range []string{"bash", "a b", ") S 1 1 1 0 1", "((", "x\ny"} {
		parent, terminal, birth, err := parseStat([]byte("5 (" + name + ")" + rest))
		if err != nil || parent != 7 || terminalName(terminal) != "pts/3" || birth != 4242 {
			t.Errorf("%q: parent %d, terminal %d, birth %d, %v", name, parent, terminal, birth, err)
		}
	}
	for _, text := range []string{"", "5 (x", "5 (x) S", "5 (x)" + strings.Replace(rest, "4242", "x", 1)} {
		if _, _, _, err := parseStat([]byte(text)); err == nil {
			t.Errorf("%q was understood", text)
		}
	}
}

func TestTerminalsHaveTheirNames(t *testing.T) {
	for number, want := range map[int]string{0: "", 136 << 8: "pts/0", 136<<8 | 255: "pts/255", 136<<8 | 1<<20: "pts/256", 4<<8 | 1: "tty1",
		4<<8 | 64: "ttyS0", 204<<8 | 64: "204:64"} {
		if got := terminalName(number); got != want {
			t.Errorf("%#x is %q, want %q", number, got, want)
		}
	}
}

func TestNamesComeFromTheSystemAndASlowOneDelaysNobodyForLong(t *testing.T) {
	if got := NewNames().Of(0); got != "root" {
		t.Errorf("user 0 is %q", got)
	}
	if got := NewNames().Of(alice); got != strconv.Itoa(alice) {
		t.Errorf("user %d is %q", alice, got)
	}
	answer := make(chan struct{})
	var asked atomic.Int64
	n := NewNames()
	n.wait = time.Millisecond
	n.lookUp = func(uid string) (*user.User, error) {
		asked.Add(1)
		<-answer
		return &user.User{Username: "u" + uid}, nil
	}
	got := []string{n.Of(5), n.Of(5), n.Of(5)}
	if !slices.Equal(got, []string{"5", "5", "5"}) || asked.Load() > 1 {
		t.Errorf("got %v, asked %d times", got, asked.Load())
	}
	close(answer)
	for deadline := time.Now().Add(20 * time.Second); n.Of(5) != "u5"; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(fmt.Sprint("it is still ", n.Of(5)))
		}
	}
}
