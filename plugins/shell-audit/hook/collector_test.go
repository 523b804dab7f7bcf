package hook

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// collect reads what hooks tell, until it is killed.
func collect(socket string, to io.Writer) error {
	l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: socket, Net: "unixpacket"})
	if err != nil {
		return err
	}
	if err := os.Chmod(socket, 0o666); err != nil {
		return err
	}
	var mu sync.Mutex
	for {
		c, err := l.AcceptUnix()
		if err != nil {
			return err
		}
		go func() {
			message := make([]byte, 32<<10)
			for {
				n, err := c.Read(message)
				if err != nil || n == 0 {
					_ = c.Close()
					return
				}
				mu.Lock()
				_, _ = to.Write(message[:n])
				mu.Unlock()
			}
		}()
	}
}

// collector is a process that listens to the hooks, so that it can be stopped and killed.
type collector struct {
	cmd  *exec.Cmd
	file string
}

func (b *bed) collector(t *testing.T) *collector {
	t.Helper()
	_ = os.Remove(b.socket)
	c := &collector{cmd: exec.Command(os.Args[0]), file: b.root + fmt.Sprintf("/told-%d", time.Now().UnixNano())}
	out, err := os.Create(c.file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	c.cmd.Env = []string{"VEDETTE_TEST_COLLECTOR=" + b.socket}
	c.cmd.Stdout, c.cmd.Stderr = out, os.Stderr
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.kill)
	until(t, "the collector listens", func() bool {
		st, err := os.Stat(b.socket)
		return err == nil && st.Mode().Perm() == 0o666
	})
	return c
}

func (c *collector) kill() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}

func (c *collector) stop(t *testing.T) {
	t.Helper()
	if err := c.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	until(t, "the collector is stopped", func() bool {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.cmd.Process.Pid))
		var pid int
		var name, state string
		_, _ = fmt.Sscan(string(text), &pid, &name, &state)
		return err == nil && state == "T"
	})
}

// told are the records that came over the socket.
func (c *collector) told(t *testing.T) []record {
	t.Helper()
	data, err := os.ReadFile(c.file)
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, c.file, data)
}

func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never came that %s", what)
		}
	}
}
