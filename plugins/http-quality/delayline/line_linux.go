package delayline

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"
)

// Options are how a line treats packets.
type Options struct {
	Delay time.Duration // each way
	// Drop loses every n-th packet that the client sends; 0 loses none.
	Drop int
}

// RTT is how long an answer takes that costs the other side no time.
func (o Options) RTT() time.Duration { return 2 * o.Delay }

// Line is a line and the two namespaces at its ends.
type Line struct {
	Client, Server *Namespace
}

// priority is that of the process that carries the packets: above all that tests start with a priority of their own.
const priority = 50

// lineProcess is set in the environment of the process that carries the packets, with the line's options.
const lineProcess = "VEDETTE_DELAYLINE"

// Main carries the packets of a line if this process was started for that, and does not return then. A test that opens a
// line calls it first in TestMain.
func Main() {
	if text := os.Getenv(lineProcess); text != "" {
		var delay time.Duration
		var drop int
		if _, err := fmt.Sscanf(text, "%d %d", &delay, &drop); err != nil {
			panic(err)
		}
		err := carry([2]int{3, 4}, delay, drop)
		fmt.Fprintln(os.Stderr, "delay line:", err)
		os.Exit(1)
	}
}

// Open makes a line that lasts as long as the test.
func Open(t testing.TB, o Options) *Line {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("a delay line is made of network namespaces: run this test as root")
	}
	line := &Line{}
	var files []*os.File
	for _, end := range []struct {
		of         **Namespace
		ipv4, ipv6 string
	}{{&line.Client, "192.0.2.1", "2001:db8::1"}, {&line.Server, "192.0.2.2", "2001:db8::2"}} {
		n, err := newNamespace(end.ipv4, end.ipv6)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(n.close)
		file, err := n.device()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = file.Close() }()
		*end.of, files = n, append(files, file)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), lineProcess+"="+strconv.FormatInt(int64(o.Delay), 10)+" "+strconv.Itoa(o.Drop))
	cmd.ExtraFiles = files
	cmd.Stderr = os.Stderr
	if err := line.Client.StartRealtime(cmd, priority); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return line
}
