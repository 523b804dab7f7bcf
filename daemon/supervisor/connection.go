package supervisor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	grpcproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

const (
	startTimeout = 10 * time.Second
	// killGrace is how long a plugin that has drained may take to end by itself.
	killGrace = 500 * time.Millisecond
	// dumpGrace is how long a plugin that hangs may take to print where.
	dumpGrace = time.Second
	// transportWindow is how much of a message may be under way before it is read.
	transportWindow = 256 << 10
	// maxBatch is the longest message that a plugin may send.
	maxBatch = 2 << 20
)

// inherited are the variables of the daemon's environment that a plugin gets. All others, which may hold secrets, it
// does not.
var inherited = []string{"PATH", "HOME", "TZ", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR"}

// connection is a plugin's process that has shaken hands.
type connection struct {
	child  *child
	client *goplugin.Client
	dir    string
	services
}

// services are what a plugin's process serves.
type services struct {
	wire.PluginClient
	wire.NotifierClient
}

// launch starts the plugin's program and shakes hands. dir is the plugin's run directory, which it may fill.
func launch(ctx context.Context, spec Spec, dir string, log *logReader) (*connection, error) {
	program, err := openProgram(spec.Path)
	if err != nil {
		return nil, err
	}
	defer program.close()
	if spec.SHA256 != "" && program.sum != spec.SHA256 {
		if spec.Pinned {
			return nil, unfit{fmt.Errorf("the program %s has changed: its SHA256 is %s, and the lock file has %s; if that is meant, run `vedette plugin lock`", spec.Path, program.sum, spec.SHA256)}
		}
		log.logger.Warn("the plugin's program has changed since the configuration was read; reload to check the configuration against it", "program", spec.Path)
	}
	if err := os.RemoveAll(dir); err != nil {
		return nil, fmt.Errorf("sweeping the run directory of the plugin: %w", err)
	}
	if err := give(dir, spec.Account); err != nil {
		return nil, err
	}
	cert, certPEM, err := wire.NewCertificate()
	if err != nil {
		return nil, err
	}
	cmd := program.command()
	cmd.Dir = dir
	spec.Account.Use(cmd)
	c := &connection{child: newChild(cmd, log), dir: dir}
	c.child.nice, c.child.memoryLimit = spec.Nice, spec.MemoryLimit
	c.client = goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig:  goplugin.HandshakeConfig{MagicCookieKey: wire.CookieKey, MagicCookieValue: wire.CookieValue},
		VersionedPlugins: map[int]goplugin.PluginSet{wire.Protocol: {"plugin": clientPlugin{}}},
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		// What AutoMTLS does, with a certificate that every language can check. go-plugin adds the plugin's own.
		TLSConfig:        &tls.Config{Certificates: []tls.Certificate{cert}, ServerName: "localhost", MinVersion: tls.VersionTLS12},
		SkipHostEnv:      true,
		StartTimeout:     startTimeout,
		UnixSocketConfig: &goplugin.UnixSocketConfig{TempDir: dir},
		Logger:           hclog.NewNullLogger(),
		GRPCDialOptions: []grpc.DialOption{
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxBatch)),
			// With sizes of its own gRPC lets them grow to 16 MiB.
			grpc.WithStaticStreamWindowSize(transportWindow), grpc.WithStaticConnWindowSize(transportWindow),
		},
		RunnerFunc: func(_ hclog.Logger, template *exec.Cmd, _ string) (runner.Runner, error) {
			// The run directory serves one plugin alone, and a socket's path has to be short: go-plugin's own directory
			// in it is not needed.
			cmd.Env = append(append(environment(spec), template.Env...), goplugin.EnvUnixSocketDir+"="+dir, wire.ClientCertVariable+"="+string(certPEM))
			return c.child, nil
		},
	})
	// go-plugin's Start knows no context; the end of the process ends it.
	stop := context.AfterFunc(ctx, func() { _ = c.child.Kill(context.Background()) })
	defer stop()
	protocol, err := c.client.Client()
	if err == nil {
		var dispensed any
		if dispensed, err = protocol.Dispense("plugin"); err == nil {
			c.services = dispensed.(services)
			return c, nil
		}
	}
	c.kill()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if over := c.child.overLimit(); over != nil {
		return nil, over
	}
	return nil, fmt.Errorf("starting the plugin %s: %w", spec.Path, c.whyNotStarted(denied(spec, err), log.tail()))
}

// whyNotStarted says what kept a plugin from shaking hands: its own end is the best answer.
func (c *connection) whyNotStarted(err error, tail string) error {
	if c.child.process != nil {
		select {
		case <-c.child.process.Done():
			switch exit := c.child.process.Err(); {
			case exit == nil:
				err = errors.New("it ended before its handshake, with exit status 0")
			case !strings.Contains(exit.Error(), "killed"):
				err = fmt.Errorf("it ended before its handshake: %w", exit)
			}
		default:
		}
	}
	const most = 1000
	if len(tail) > most {
		tail = "… " + strings.ToValidUTF8(tail[len(tail)-most:], "")
	}
	if tail != "" {
		err = fmt.Errorf("%w; it wrote: %s", err, tail)
	}
	return err
}

// environment is what the plugin's process gets to see: little of the daemon's, and what the configuration says.
func environment(spec Spec) []string {
	env := []string{}
	for _, name := range inherited {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	if !spec.Account.Own() {
		env = append(env, "HOME="+spec.Account.Home)
	}
	if spec.MemoryLimit > 0 {
		env = append(env, "GOMEMLIMIT="+strconv.FormatInt(spec.MemoryLimit/100*goMemoryPercent, 10))
	}
	for _, name := range slices.Sorted(maps.Keys(spec.Env)) {
		env = append(env, name+"="+spec.Env[name])
	}
	return env
}

// pid of the plugin's process.
func (c *connection) pid() int { return c.child.process.Pid() }

// stop ends a plugin that has nothing more to do: it is asked, and then killed.
func (c *connection) stop() {
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		c.client.Kill()
	}()
	timer := time.NewTimer(killGrace)
	defer timer.Stop()
	select {
	case <-asked:
	case <-timer.C:
	}
	c.kill()
	<-asked
}

// dump asks a plugin that hangs where it does so: a Go program prints the stacks of all its goroutines, which go into
// the log, and ends.
func (c *connection) dump() {
	_ = c.child.process.SignalLeader(syscall.SIGQUIT)
	// One that was stopped would only do so when it goes on.
	_ = c.child.process.SignalLeader(syscall.SIGCONT)
	timer := time.NewTimer(dumpGrace)
	defer timer.Stop()
	select {
	case <-c.child.process.Done():
	case <-timer.C:
	}
}

// kill ends the plugin's process group at once, and waits until go-plugin has let go of it.
func (c *connection) kill() {
	_ = c.child.Kill(context.Background())
	c.client.Kill()
	_ = os.RemoveAll(c.dir)
}

// clientPlugin is the daemon's side of go-plugin's plugin.
type clientPlugin struct {
	goplugin.NetRPCUnsupportedPlugin
}

// GRPCServer implements go-plugin's GRPCPlugin; the server is in the sdk.
func (clientPlugin) GRPCServer(*goplugin.GRPCBroker, *grpc.Server) error {
	return errors.New("the daemon serves no plugin")
}

// GRPCClient implements go-plugin's GRPCPlugin.
func (clientPlugin) GRPCClient(_ context.Context, _ *goplugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return services{wire.NewPluginClient(conn), wire.NewNotifierClient(conn)}, nil
}

// rawCodec receives batches as bytes: package point reads them. What the daemon sends is encoded as ever.
type rawCodec struct{ encoding.CodecV2 }

func newRawCodec() rawCodec { return rawCodec{encoding.GetCodecV2(grpcproto.Name)} }

// Unmarshal implements encoding.CodecV2.
func (c rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	if raw, ok := v.(*[]byte); ok {
		*raw = data.Materialize()
		return nil
	}
	return c.CodecV2.Unmarshal(data, v)
}
