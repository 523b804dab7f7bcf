package supervisor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/vedette-monitor/vedette/daemon/process"
)

// tailTime is how long the output of a plugin that has ended is still read. A process that the plugin started may hold
// the other end open for ever.
const tailTime = 200 * time.Millisecond

// handshakeLine is how go-plugin's handshake begins: core protocol, application protocol, network, address.
var handshakeLine = regexp.MustCompile(`^\d+\|\d+\|(unix|tcp)\|`)

// child is a plugin's process. It implements go-plugin's runner.Runner, because go-plugin's own believes what a
// plugin writes: a stray line before the handshake keeps it from starting, a long line after it blocks the plugin, and
// a malformed log line ends the daemon. Here only the handshake passes, and everything else is read by the log reader.
type child struct {
	cmd    *exec.Cmd
	log    *logReader
	stdout *io.PipeReader // what go-plugin sees: the handshake line
	// nice is nil for that of the daemon, memoryLimit 0 for none.
	nice        *int
	memoryLimit int64
	exceeded    atomic.Pointer[error] // set when the plugin was killed for its memory

	readers sync.WaitGroup

	mu      sync.Mutex
	process *process.Child // nil before the start
	killed  bool
}

// newChild prepares a process that writes its log to log.
func newChild(cmd *exec.Cmd, log *logReader) *child {
	return &child{cmd: cmd, log: log}
}

// Start starts the process.
func (c *child) Start(context.Context) error {
	var pipes [6]*os.File
	defer func() {
		for _, f := range pipes {
			if f != nil {
				_ = f.Close()
			}
		}
	}()
	for i := 0; i < len(pipes); i += 2 {
		reader, writer, err := os.Pipe()
		if err != nil {
			return fmt.Errorf("making a pipe for the plugin: %w", err)
		}
		pipes[i], pipes[i+1] = reader, writer
	}
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = pipes[0], pipes[3], pipes[5]

	c.mu.Lock()
	defer c.mu.Unlock()
	if c.killed {
		return errors.New("the plugin was stopped before it started")
	}
	started, err := process.Start(c.cmd, syscall.SIGTERM)
	if err != nil {
		return err
	}
	if c.nice != nil {
		if err := started.Renice(*c.nice); err != nil {
			_ = started.Signal(syscall.SIGKILL)
			<-started.Done()
			return unfit{fmt.Errorf("giving the plugin nice = %d, which only root may do below that of the daemon: %w", *c.nice, err)}
		}
	}
	c.process = started
	lifeline, stdout, stderr := pipes[1], pipes[2], pipes[4]
	pipes[1], pipes[2], pipes[4] = nil, nil, nil

	if c.memoryLimit > 0 {
		c.readers.Go(func() { c.watchMemory(started, c.memoryLimit) })
	}
	handshake, toGoPlugin := io.Pipe()
	c.stdout = handshake
	c.readers.Go(func() { c.readStdout(stdout, toGoPlugin) })
	c.readers.Go(func() { c.log.read(stderr) })
	go func() {
		<-started.Done()
		// The end of the process is the end of the handshake, if there was none, and soon of its output.
		_ = toGoPlugin.Close()
		end := time.Now().Add(tailTime)
		_ = stdout.SetReadDeadline(end)
		_ = stderr.SetReadDeadline(end)
		c.readers.Wait()
		_ = stdout.Close()
		_ = stderr.Close()
		_ = lifeline.Close()
	}()
	return nil
}

// readStdout passes the handshake line on and logs every other line.
func (c *child) readStdout(stdout io.Reader, handshake *io.PipeWriter) {
	lines := bufio.NewReaderSize(&pacedReader{from: stdout}, maxLine)
	passed := false
	for {
		line, more, err := lines.ReadLine()
		if err != nil {
			return
		}
		if !passed && !more && handshakeLine.Match(line) {
			passed = true
			// go-plugin reads this line and no other.
			_, _ = fmt.Fprintf(handshake, "%s\n", line)
			continue
		}
		c.log.stray(line)
		for more && err == nil {
			_, more, err = lines.ReadLine()
		}
	}
}

// why is what ended a plugin with which a call has failed: its own end is the better answer than that of the connection.
func (c *child) why(err error) error {
	if status.Code(err) != codes.Unavailable {
		return err
	}
	select {
	case <-c.process.Done():
	case <-time.After(tailTime):
		return err
	}
	exit := c.process.Err()
	if exit == nil {
		return errors.New("the plugin ended by itself, with exit status 0")
	}
	return fmt.Errorf("the plugin ended by itself: %w", exit)
}

// Wait waits for the end of the process.
func (c *child) Wait(ctx context.Context) error {
	select {
	case <-c.process.Done():
		return c.process.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Kill ends the plugin and all processes of its group, and waits until its output was read. A child that was not
// started will not start any more.
func (c *child) Kill(context.Context) error {
	c.mu.Lock()
	c.killed = true
	started := c.process
	c.mu.Unlock()
	if started == nil {
		return nil
	}
	err := started.Signal(syscall.SIGKILL)
	<-started.Done()
	c.readers.Wait()
	return err
}

// Stdout is what go-plugin reads the handshake from.
func (c *child) Stdout() io.ReadCloser { return c.stdout }

// Stderr is empty: go-plugin never sees a plugin's log.
func (c *child) Stderr() io.ReadCloser { return io.NopCloser(strings.NewReader("")) }

// Name is the plugin's program.
func (c *child) Name() string { return c.cmd.Path }

// ID is the pid, or nothing before the start.
func (c *child) ID() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.process == nil {
		return ""
	}
	return strconv.Itoa(c.process.Pid())
}

// Diagnose returns what the plugin wrote last.
func (c *child) Diagnose(context.Context) string { return c.log.tail() }

// PluginToHost returns the address as it is: plugin and daemon share a file system.
func (c *child) PluginToHost(network, address string) (string, string, error) {
	return network, address, nil
}

// HostToPlugin returns the address as it is.
func (c *child) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}
