package process

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const helperVariable = "VEDETTE_PROCESS_TEST_PARENT"

// TestMain lets the test binary play the daemon that gets killed: it starts a child, says its pid and waits.
func TestMain(m *testing.M) {
	if os.Getenv(helperVariable) == "" {
		os.Exit(m.Run())
	}
	child, err := Start(exec.Command("sleep", "60"), syscall.SIGKILL)
	if err != nil {
		panic(err)
	}
	os.Stdout.WriteString(strconv.Itoa(child.Pid()) + "\n")
	<-child.Done()
}

func TestChildDiesWithAKilledParent(t *testing.T) {
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), helperVariable+"=1")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	waitGone(t, pid)
}

// startWithGrandchild starts a shell that starts a sleep, and returns both.
func startWithGrandchild(t *testing.T, script string) (child *Child, grandchild int) {
	t.Helper()
	cmd := exec.Command("sh", "-c", "sleep 60 & echo $!; "+script)
	// A pipe of exec's would be closed when the child has ended, read or not.
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = out.Close() })
	cmd.Stdout = in
	child, err = Start(cmd, syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	_ = in.Close()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	grandchild, err = strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	return child, grandchild
}

func TestASignalReachesGrandchildren(t *testing.T) {
	child, grandchild := startWithGrandchild(t, "wait")
	if err := child.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-child.Done()
	if child.Err() == nil {
		t.Error("a child that was terminated has no error")
	}
	waitGone(t, grandchild)
	if err := child.Signal(syscall.SIGKILL); err != nil {
		t.Errorf("signalling a child that has ended: %v", err)
	}
}

func TestGrandchildrenEndWithTheChild(t *testing.T) {
	child, grandchild := startWithGrandchild(t, "exit 3")
	<-child.Done()
	var exit *exec.ExitError
	if !errors.As(child.Err(), &exit) || exit.ExitCode() != 3 {
		t.Errorf("the child ended with %v", child.Err())
	}
	waitGone(t, grandchild)
}

func TestAProgramThatIsNotThereIsNamed(t *testing.T) {
	if _, err := Start(exec.Command("/no/such/program"), syscall.SIGKILL); err == nil || !strings.Contains(err.Error(), "/no/such/program") {
		t.Errorf("error %v", err)
	}
}

// waitGone waits until pid has ended; a zombie that nobody has reaped yet has ended too.
func waitGone(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
	}
	t.Fatalf("process %d is still there", pid)
}
