package sdk

import (
	"context"
	"errors"
	"fmt"
	"os"

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
	if os.Getenv(wire.CookieKey) != wire.CookieValue {
		fmt.Fprintf(os.Stderr, "%s %s is a plugin of Vedette, which starts it for a block\n\n  plugin %q { … }\n\nin its configuration. `%s %s` shows what it can do.\n",
			p.Name, p.Version, p.Name, os.Args[0], wire.DescribeCommand)
		os.Exit(2)
	}
	logger := hclog.New(&hclog.LoggerOptions{Output: os.Stderr, JSONFormat: true, Level: hclog.Trace})
	dieWithDaemon()
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig: goplugin.HandshakeConfig{MagicCookieKey: wire.CookieKey, MagicCookieValue: wire.CookieValue},
		VersionedPlugins: map[int]goplugin.PluginSet{
			wire.Protocol: {"plugin": &service{plugin: &p, logger: logger}},
		},
		// go-plugin itself has nothing to say that an author or ops want to read.
		Logger: hclog.NewNullLogger(),
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(opts, grpc.MaxRecvMsgSize(maxMessage), grpc.ForceServerCodecV2(newCodec()))...)
		},
	})
}

// service answers the daemon's calls.
type service struct {
	goplugin.NetRPCUnsupportedPlugin
	wire.UnimplementedPluginServer

	plugin *Plugin
	logger hclog.Logger

	// Set by Configure, which the daemon calls before Session.
	collector Collector
	request   *wire.ConfigureRequest
}

// GRPCServer implements go-plugin's GRPCPlugin.
func (s *service) GRPCServer(_ *goplugin.GRPCBroker, server *grpc.Server) error {
	wire.RegisterPluginServer(server, s)
	return nil
}

// GRPCClient implements go-plugin's GRPCPlugin; the daemon has its own.
func (s *service) GRPCClient(context.Context, *goplugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("the sdk is the plugin's side")
}

// Configure implements the contract.
func (s *service) Configure(_ context.Context, req *wire.ConfigureRequest) (*wire.ConfigureResponse, error) {
	s.logger.SetLevel(hclog.LevelFromString(req.LogLevel))
	built, err := s.plugin.New.build(req.Config, Env{
		Instance:      req.Instance,
		Logger:        s.logger,
		StateDir:      req.StateDir,
		Interval:      req.Interval.AsDuration(),
		Timeout:       req.Timeout.AsDuration(),
		DaemonVersion: req.DaemonVersion,
	})
	if err != nil {
		return &wire.ConfigureResponse{Problems: problemsOf(err)}, nil
	}
	s.collector, s.request = built.(Collector), req
	return &wire.ConfigureResponse{}, nil
}

// Session implements the contract.
func (s *service) Session(stream grpc.BidiStreamingServer[wire.Control, wire.Batch]) error {
	if s.collector == nil {
		return status.Error(codes.FailedPrecondition, "Session was called before Configure")
	}
	out := newOutbox(int(s.request.MaxBatchBytes))
	run := session{
		stream: stream,
		out:    out,
		window: max(1, int(s.request.Window)),
		ticker: &ticker{
			collector: s.collector,
			interval:  s.request.Interval.AsDuration(),
			timeout:   s.request.Timeout.AsDuration(),
			out:       out,
			logger:    s.logger,
		},
	}
	return run.run()
}
