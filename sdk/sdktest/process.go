package sdktest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

// process is a plugin's program that runs as the daemon runs it: with a lifeline on standard input, in a process group
// and a directory of its own, with little of an environment, and connected to with mutual TLS.
type process struct {
	cmd      *exec.Cmd
	dir      string
	lifeline *os.File
	conn     *grpc.ClientConn
	exited   chan struct{}
	stray    lines // lines on standard output beside the handshake
	log      lines // lines on standard error
}

// lines keeps the first lines that a process wrote.
type lines struct {
	mu   sync.Mutex
	list []string
}

func (l *lines) read(r io.Reader) {
	scanner := bufio.NewReaderSize(r, 64<<10)
	for {
		line, _, err := scanner.ReadLine()
		if err != nil {
			return
		}
		l.mu.Lock()
		if len(l.list) < 1000 {
			l.list = append(l.list, string(line))
		}
		l.mu.Unlock()
	}
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.list, "\n")
}

// describe asks the program for its manifest.
func describe(ctx context.Context, binary string) (*wire.Manifest, []byte, error) {
	cmd := exec.CommandContext(ctx, binary, wire.DescribeCommand)
	cmd.Env, cmd.WaitDelay = []string{}, time.Second
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	out, err := cmd.Output()
	if err != nil {
		return nil, nil, fmt.Errorf("`%s %s`: %w: %s", binary, wire.DescribeCommand, err, errOut.String())
	}
	var m wire.Manifest
	if err := json.Unmarshal(out, &m); err != nil {
		return nil, nil, fmt.Errorf("`%s %s` printed no manifest: %w", binary, wire.DescribeCommand, err)
	}
	return &m, out, nil
}

// startProcess starts the program and shakes hands.
func startProcess(ctx context.Context, binary string) (_ *process, err error) {
	// A socket's path has to be short.
	dir, err := os.MkdirTemp("", "vp")
	if err != nil {
		return nil, err
	}
	p := &process{dir: dir, exited: make(chan struct{})}
	cert, certPEM, err := wire.NewCertificate()
	if err != nil {
		return nil, err
	}
	p.cmd = exec.Command(binary)
	p.cmd.Dir = dir
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.Env = []string{
		wire.CookieKey + "=" + wire.CookieValue, "PLUGIN_PROTOCOL_VERSIONS=" + strconv.Itoa(wire.Protocol),
		"PLUGIN_MIN_PORT=10000", "PLUGIN_MAX_PORT=25000", "PLUGIN_UNIX_SOCKET_DIR=" + dir, wire.ClientCertVariable + "=" + string(certPEM),
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"),
	}
	stdin, lifeline, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { _ = stdin.Close() }()
	p.lifeline, p.cmd.Stdin = lifeline, stdin
	stdout, toUs, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { _ = toUs.Close() }()
	p.cmd.Stdout = toUs
	stderr, log, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	p.cmd.Stderr = log
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go p.log.read(stderr)
	handshake := make(chan string, 1)
	go func() {
		reader := bufio.NewReaderSize(stdout, 64<<10)
		for line, readErr := reader.ReadString('\n'); readErr == nil; line, readErr = reader.ReadString('\n') {
			if strings.Count(line, "|") >= 4 && len(handshake) == 0 {
				handshake <- strings.TrimSpace(line)
				break
			}
			p.stray.mu.Lock()
			p.stray.list = append(p.stray.list, line)
			p.stray.mu.Unlock()
		}
		p.stray.read(reader)
	}()
	go func() {
		_ = p.cmd.Wait()
		close(p.exited)
		_ = stdout.SetReadDeadline(time.Now().Add(time.Second))
		_ = stderr.SetReadDeadline(time.Now().Add(time.Second))
	}()
	defer func() {
		if err != nil {
			p.kill()
		}
	}()
	select {
	case line := <-handshake:
		return p, p.connect(line, cert)
	case <-p.exited:
		return nil, fmt.Errorf("the plugin ended before its handshake; it wrote: %s", &p.log)
	case <-ctx.Done():
		return nil, errors.New("the plugin did not shake hands in time")
	}
}

// connect follows the handshake line: core protocol, protocol, network, address, grpc, certificate.
func (p *process) connect(line string, cert tls.Certificate) error {
	fields := strings.Split(line, "|")
	if len(fields) < 6 || fields[0] != "1" || fields[1] != strconv.Itoa(wire.Protocol) || fields[2] != "unix" || fields[4] != "grpc" {
		return fmt.Errorf("the handshake line is %q, and should be 1|%d|unix|PATH|grpc|CERTIFICATE", line, wire.Protocol)
	}
	der, err := base64.RawStdEncoding.DecodeString(fields[5])
	if err != nil {
		return fmt.Errorf("the certificate in the handshake is not base64 without padding: %w", err)
	}
	server, err := x509.ParseCertificate(der)
	if err != nil {
		return fmt.Errorf("the certificate in the handshake: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(server)
	config := &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: pool, ServerName: "localhost", MinVersion: tls.VersionTLS12}
	address := fields[3]
	if !filepath.IsAbs(address) {
		address = filepath.Join(p.dir, address)
	}
	p.conn, err = grpc.NewClient("passthrough:///plugin", grpc.WithTransportCredentials(credentials.NewTLS(config)),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxBatch)),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", address)
		}))
	return err
}

// open configures the plugin and opens its session.
func (p *process) open(ctx context.Context, req *wire.ConfigureRequest, hold bool) (*session, error) {
	client := wire.NewPluginClient(p.conn)
	answer, err := client.Configure(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("calling Configure: %w", err)
	}
	if len(answer.Problems) > 0 {
		return nil, fmt.Errorf("the plugin refuses the configuration: %s", strings.Join(texts(answer.Problems), "; "))
	}
	stream, err := client.Session(ctx)
	if err != nil {
		return nil, fmt.Errorf("calling Session: %w", err)
	}
	return newSession(stream, hold), nil
}

// gone waits for the end of the process and of its group.
func (p *process) gone(ctx context.Context) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-p.exited:
			if syscall.Kill(-p.cmd.Process.Pid, 0) == syscall.ESRCH {
				return nil
			}
		default:
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			select {
			case <-p.exited:
				return errors.New("a process that the plugin started is still there")
			default:
				return errors.New("the plugin is still there")
			}
		}
	}
}

// kill ends the process and cleans up after it.
func (p *process) kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.exited
	if p.conn != nil {
		_ = p.conn.Close()
	}
	_ = p.lifeline.Close()
	_ = os.RemoveAll(p.dir)
}

// memory returns the resident memory of the process in bytes, and false where it is not known.
func (p *process) memory() (int64, bool) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/statm")
	if err != nil {
		return 0, false
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0, false
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err == nil
}
