// Messages is a plugin that speaks the contract without the SDK, and so chooses how many points its messages have.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/vedette-monitor/vedette/bench/load"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

type config struct {
	Start  string `json:"start"`
	Done   string `json:"done"`
	Points int    `json:"points"`
	Each   int    `json:"each"`
}

var manifest = wire.Manifest{
	Name: "messages", Version: "1.0.0", Doc: "Emits a load in messages of a size.", Protocols: []int{wire.Protocol},
	Roles: []wire.Role{wire.RoleStreamer},
	Config: wire.Schema{Attributes: []wire.Attribute{
		{Name: "start", Type: wire.TypePath, Required: true, Doc: "File whose appearance is the sign to begin."},
		{Name: "done", Type: wire.TypePath, Required: true, Doc: "File that is made when all points are acknowledged."},
		{Name: "points", Type: wire.TypeInt, Required: true, Doc: "How many points."},
		{Name: "each", Type: wire.TypeInt, Required: true, Doc: "How many of them a message has."},
	}},
	Measurements: []wire.Measurement{{
		Name: "load", Doc: "A point of the load.",
		Tags: []wire.TagSchema{{Name: "region", Doc: "one of four"}, {Name: "target", Doc: "one of a hundred"}},
		Fields: []wire.FieldSchema{
			{Name: "a", Type: "float", Doc: "some number"}, {Name: "b", Type: "float", Doc: "another one"},
			{Name: "n", Type: "int", Doc: "number of the point, from 0"},
		},
	}},
}

type service struct {
	goplugin.NetRPCUnsupportedPlugin
	wire.UnimplementedPluginServer
	config config
	window int
}

func (s *service) GRPCServer(_ *goplugin.GRPCBroker, server *grpc.Server) error {
	wire.RegisterPluginServer(server, s)
	return nil
}

func (s *service) GRPCClient(context.Context, *goplugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("this is the plugin's side")
}

func (s *service) Configure(_ context.Context, r *wire.ConfigureRequest) (*wire.ConfigureResponse, error) {
	s.window = int(r.Window)
	return &wire.ConfigureResponse{}, json.Unmarshal(r.Config, &s.config)
}

func (s *service) Session(stream grpc.BidiStreamingServer[wire.Control, wire.Batch]) error {
	acks := make(chan uint64, s.window)
	go func() {
		defer close(acks)
		for {
			c, err := stream.Recv()
			if err != nil || c.GetStop() != nil {
				return
			}
			if a := c.GetAck(); a != nil {
				acks <- a.Seq
			}
		}
	}()
	load.Wait(s.config.Start)
	began := time.Now()
	var seq, acked uint64
	for i := 0; i < s.config.Points; {
		for seq-acked >= uint64(s.window) {
			if _, ok := <-acks; !ok {
				return errors.New("stopped before the end")
			}
			acked++
		}
		b := &wire.Batch{}
		for ; len(b.Points) < s.config.Each && i < s.config.Points; i++ {
			b.Points = append(b.Points, point(i, began))
		}
		seq++
		b.Seq = seq
		if err := stream.Send(b); err != nil {
			return err
		}
	}
	for ; acked < seq; acked++ {
		if _, ok := <-acks; !ok {
			return errors.New("stopped before the end")
		}
	}
	if err := os.WriteFile(s.config.Done, nil, 0o600); err != nil {
		return err
	}
	beat := time.NewTicker(5 * time.Second)
	defer beat.Stop()
	for {
		select {
		case <-beat.C:
			if err := stream.Send(&wire.Batch{Beat: &wire.Beat{Points: uint64(s.config.Points)}}); err != nil {
				return err
			}
		case <-acks:
			return nil
		}
	}
}

func point(i int, began time.Time) *wire.Point {
	p := load.At(i, began)
	return &wire.Point{
		Measurement: "load", Time: p.Time.UnixNano(),
		Tags: []*wire.Tag{{Key: "region", Value: p.Region}, {Key: "target", Value: p.Target}},
		Fields: []*wire.Field{
			{Key: "a", Value: &wire.Field_Float{Float: p.A}}, {Key: "b", Value: &wire.Field_Float{Float: p.B}},
			{Key: "n", Value: &wire.Field_Int{Int: p.N}},
		},
	}
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == wire.DescribeCommand {
		text, err := json.Marshal(manifest)
		if err != nil {
			panic(err)
		}
		fmt.Printf("%s\n", text)
		return
	}
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig:  goplugin.HandshakeConfig{MagicCookieKey: wire.CookieKey, MagicCookieValue: wire.CookieValue},
		VersionedPlugins: map[int]goplugin.PluginSet{wire.Protocol: {"plugin": &service{}}},
		Logger:           hclog.NewNullLogger(),
		GRPCServer: func(o []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(o, grpc.MaxRecvMsgSize(64<<20))...)
		},
	})
}
