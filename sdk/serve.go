package sdk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

// maxMessage is the longest message that a plugin takes from the daemon: a configuration with very many targets.
const maxMessage = 64 << 20

// Serve is the whole of a plugin's main function. It returns only when the plugin has to end.
func Serve(p Plugin) {
	if len(os.Args) == 2 && os.Args[1] == wire.DescribeCommand {
		manifest, err := p.describe()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Printf("%s\n", manifest)
		return
	}
	if len(os.Args) == 2 && os.Args[1] == wire.ValidateCommand {
		if err := p.validate(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if len(os.Args) > 2 && os.Args[1] == wire.CommandCommand {
		os.Exit(p.command(os.Args[2], os.Args[3:]))
	}
	if os.Getenv(wire.CookieKey) != wire.CookieValue {
		fmt.Fprintf(os.Stderr, "%s %s is a plugin of Vedette, which starts it for a block\n\n  plugin %q { … }\n\nin its configuration. `%s %s` shows what it can do.\n",
			p.Name, p.Version, p.Name, os.Args[0], wire.DescribeCommand)
		os.Exit(2)
	}
	if os.Getenv("GOGC") == "" {
		// A plugin keeps little, and many of them run beside each other: so their heaps begin with 2 MiB and not with 4, and
		// grow by half of what they keep.
		debug.SetGCPercent(50)
	}
	logger := hclog.New(&hclog.LoggerOptions{Output: os.Stderr, JSONFormat: true, Level: hclog.Trace})
	service := newService(&p, logger)
	dieWithDaemon(func() bool { return service.sessions.Load() > 0 })
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig: goplugin.HandshakeConfig{MagicCookieKey: wire.CookieKey, MagicCookieValue: wire.CookieValue},
		VersionedPlugins: map[int]goplugin.PluginSet{
			wire.Protocol: {"plugin": service},
		},
		// go-plugin itself has nothing to say that an author or ops want to read.
		Logger: hclog.NewNullLogger(),
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(opts, serverOptions(logger)...)...)
		},
	})
}

// Server returns a gRPC server that serves the plugin by the contract: what Serve serves, for tests that have a listener
// of their own. See package sdktest.
func (p *Plugin) Server(logger hclog.Logger) *grpc.Server {
	server := grpc.NewServer(serverOptions(logger)...)
	newService(p, logger).register(server)
	return server
}

// serverOptions are those of every server of the contract.
func serverOptions(logger hclog.Logger) []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.ForceServerCodecV2(newCodec()),
		// A panic in what the author wrote fails the call, not the process.
		grpc.UnaryInterceptor(func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (answer any, err error) {
			defer func() {
				if r := recover(); r != nil {
					logger.Error("panic", "call", info.FullMethod, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
					err = status.Errorf(codes.Internal, "panic: %v", r)
				}
			}()
			return handler(ctx, req)
		}),
	}
}

// service answers the daemon's calls.
type service struct {
	goplugin.NetRPCUnsupportedPlugin
	wire.UnimplementedPluginServer

	plugin   *Plugin
	logger   hclog.Logger
	notifier *notifier // nil in a plugin without channels
	sessions atomic.Int64

	mu sync.Mutex
	// Set by Configure, which the daemon calls before Session.
	configured bool
	collector  Collector
	streamer   Streamer
	env        Env
	request    *wire.ConfigureRequest
	out        *outbox
}

func newService(p *Plugin, logger hclog.Logger) *service {
	s := &service{plugin: p, logger: logger}
	if len(p.Channels) > 0 {
		s.notifier = &notifier{types: p.Channels, env: func() (Env, bool) {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.env, s.configured
		}}
	}
	return s
}

// GRPCServer implements go-plugin's GRPCPlugin.
func (s *service) GRPCServer(_ *goplugin.GRPCBroker, server *grpc.Server) error {
	s.register(server)
	return nil
}

func (s *service) register(server *grpc.Server) {
	wire.RegisterPluginServer(server, s)
	if s.notifier != nil {
		wire.RegisterNotifierServer(server, s.notifier)
	}
}

// GRPCClient implements go-plugin's GRPCPlugin; the daemon has its own.
func (s *service) GRPCClient(context.Context, *goplugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("the sdk is the plugin's side")
}

// Configure implements the contract.
func (s *service) Configure(_ context.Context, req *wire.ConfigureRequest) (*wire.ConfigureResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logger.SetLevel(hclog.LevelFromString(req.LogLevel))
	s.request, s.out = req, newOutbox(int(req.MaxBatchBytes))
	s.env = Env{
		Instance:      req.Instance,
		Logger:        s.logger,
		StateDir:      req.StateDir,
		Interval:      req.Interval.AsDuration(),
		Timeout:       req.Timeout.AsDuration(),
		DaemonVersion: req.DaemonVersion,
		Out:           openEmitter{context.Background(), s.out},
	}
	if s.plugin.New.build != nil {
		built, err := s.plugin.New.build(req.Config, s.env)
		if err != nil {
			return &wire.ConfigureResponse{Problems: problemsOf(err)}, nil
		}
		// It may be megabytes, and nobody reads it again.
		req.Config = nil
		s.collector, _ = built.(Collector)
		s.streamer, _ = built.(Streamer)
	}
	s.configured = true
	return &wire.ConfigureResponse{}, nil
}

// Session implements the contract.
func (s *service) Session(stream grpc.BidiStreamingServer[wire.Control, wire.Batch]) error {
	s.sessions.Add(1)
	defer s.sessions.Add(-1)
	s.mu.Lock()
	configured := s.configured
	run := session{stream: stream, out: s.out, streamer: s.streamer, window: max(1, int(s.request.GetWindow()))}
	if s.collector != nil {
		run.ticker = &ticker{collector: s.collector, interval: s.env.Interval, timeout: s.env.Timeout, splay: s.request.Splay.AsDuration(), out: s.out, logger: s.logger}
	}
	s.mu.Unlock()
	if !configured {
		return status.Error(codes.FailedPrecondition, "Session was called before Configure")
	}
	return run.run()
}
