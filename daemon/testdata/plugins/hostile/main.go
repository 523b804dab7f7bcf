// Hostile is a plugin that does what no plugin should: its mode says what. It speaks the contract by itself, because the
// SDK would not let it.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	grpcproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

var manifest = wire.Manifest{
	Name: "hostile", Version: "6.6.6", Doc: "Does what no plugin should.", Protocols: []int{wire.Protocol},
	Roles:        []wire.Role{wire.RoleStreamer},
	Config:       wire.Schema{Attributes: []wire.Attribute{{Name: "mode", Type: wire.TypeString, Required: true, Doc: "What to do."}}},
	Measurements: []wire.Measurement{{Name: "hostile", Doc: "x", Fields: []wire.FieldSchema{{Name: "v", Type: "float", Doc: "x"}, {Name: "s", Type: "string", Doc: "x"}}}},
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == wire.DescribeCommand {
		_ = json.NewEncoder(os.Stdout).Encode(manifest)
		return
	}
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig:  goplugin.HandshakeConfig{MagicCookieKey: wire.CookieKey, MagicCookieValue: wire.CookieValue},
		VersionedPlugins: map[int]goplugin.PluginSet{wire.Protocol: {"plugin": &hostile{}}},
		Logger:           hclog.NewNullLogger(),
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(opts, grpc.ForceServerCodecV2(codec{encoding.GetCodecV2(grpcproto.Name)}))...)
		},
	})
}

// raw is a message that is sent as it is.
type raw []byte

type codec struct{ encoding.CodecV2 }

func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if b, ok := v.(raw); ok {
		return mem.BufferSlice{mem.SliceBuffer(b)}, nil
	}
	return c.CodecV2.Marshal(v)
}

type hostile struct {
	goplugin.NetRPCUnsupportedPlugin
	wire.UnimplementedPluginServer
	mode string
}

func (h *hostile) GRPCServer(_ *goplugin.GRPCBroker, server *grpc.Server) error {
	wire.RegisterPluginServer(server, h)
	return nil
}

func (h *hostile) GRPCClient(context.Context, *goplugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("this is a plugin")
}

func (h *hostile) Configure(_ context.Context, req *wire.ConfigureRequest) (*wire.ConfigureResponse, error) {
	var c struct{ Mode string }
	if err := json.Unmarshal(req.Config, &c); err != nil {
		return nil, err
	}
	h.mode = c.Mode
	if h.mode == "problems" {
		return &wire.ConfigureResponse{Problems: []*wire.Problem{{Summary: strings.Repeat("much ado ", 150_000)}}}, nil
	}
	return &wire.ConfigureResponse{}, nil
}

// message is a batch with points that are encoded already.
func message(seq uint64, points ...[]byte) raw {
	msg := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), seq)
	for _, p := range points {
		msg = protowire.AppendBytes(protowire.AppendTag(msg, 2, protowire.BytesType), p)
	}
	return msg
}

var clock = time.Now().UnixNano()

func point(fields ...*wire.Field) *wire.Point {
	clock++
	return &wire.Point{Measurement: "hostile", Time: clock, Fields: fields}
}

func number(key string, v float64) *wire.Field {
	return &wire.Field{Key: key, Value: &wire.Field_Float{Float: v}}
}

func text(key, v string) *wire.Field {
	return &wire.Field{Key: key, Value: &wire.Field_String_{String_: v}}
}

func encode(p *wire.Point) []byte {
	b, err := proto.MarshalOptions{AllowPartial: true}.Marshal(p)
	if err != nil {
		panic(err)
	}
	return b
}

// bytesOf replaces a text by bytes that protobuf would not encode.
func bytesOf(p *wire.Point, from, to string) []byte {
	return []byte(strings.ReplaceAll(string(encode(p)), from, to))
}

type stream = grpc.BidiStreamingServer[wire.Control, wire.Batch]

// Session does what the mode says, without end if it can.
func (h *hostile) Session(s stream) error {
	stdout, stderr := os.NewFile(1, "stdout"), os.NewFile(2, "stderr")
	acks := make(chan struct{}, 1<<20)
	if h.mode != "deaf" {
		go func() {
			for {
				if c, err := s.Recv(); err != nil {
					return
				} else if c.GetStop() != nil {
					os.Exit(0)
				}
				acks <- struct{}{}
			}
		}()
	}
	var sending sync.Mutex // a stream has one sender at a time
	sendMsg := func(msg raw) error {
		sending.Lock()
		defer sending.Unlock()
		return s.SendMsg(msg)
	}
	go func() {
		for h.mode != "beats" {
			time.Sleep(5 * time.Second)
			beat, _ := proto.Marshal(&wire.Beat{})
			_ = sendMsg(raw(protowire.AppendBytes(protowire.AppendTag(nil, 3, protowire.BytesType), beat)))
		}
	}()
	seq := uint64(0)
	// send sends a batch and keeps the window.
	send := func(points ...[]byte) error {
		if seq++; seq > 8 {
			<-acks
		}
		return sendMsg(message(seq, points...))
	}
	for i := 0; ; i++ {
		var err error
		switch h.mode {
		case "huge":
			if i == 48 {
				select {} // it is about memory, and disks have an end
			}
			var points [][]byte
			for range 2 {
				points = append(points, encode(point(text("s", strings.Repeat(`"\`, 500_000)))))
			}
			err = send(points...)
		case "oversize":
			err = send(encode(point(text("s", strings.Repeat("x", 5<<20)))))
		case "crowd":
			err = sendMsg(message(1, make([][]byte, 1_000_000)...))
		case "wrong":
			points := make([][]byte, 10_000)
			for n := range points {
				points[n] = encode(point(number(fmt.Sprintf("undeclared %d", i*10_000+n), 1)))
			}
			err = send(points...)
		case "mixture":
			other := point(number("v", 1))
			other.Measurement = strings.Repeat("undeclared", 100) + strconv.Itoa(i)
			timeless := point(number("v", 1))
			timeless.Time = 0
			err = send(
				encode(other), encode(timeless), encode(point(number("v", math.NaN()))), encode(point(number("v", 1), number("x"+strconv.Itoa(i), 2))),
				encode(point(text("v", "no number"))), bytesOf(point(text("s", "ZZZZ")), "ZZZZ", "\xff\xfe\xc3("), bytesOf(point(number("ZZZZ", 1)), "ZZZZ", "\xff\xfe\xc3("),
				[]byte("\xff\xff\xff garbage"), encode(point(number("v", 1), number("v2", math.Inf(1)))),
			)
		case "series":
			points := make([][]byte, 1000)
			for n := range points {
				p := point(number("v", 1))
				p.Tags = []*wire.Tag{{Key: "id", Value: strconv.Itoa(i*1000 + n)}}
				points[n] = encode(p)
			}
			err = send(points...)
		case "deaf":
			// Long acknowledgements, which nobody reads.
			points := make([][]byte, 1000)
			for n := range points {
				points[n] = encode(point(number("undeclared", 1)))
			}
			seq++
			err = sendMsg(message(seq, points...))
		case "flood":
			// Nobody waits for an acknowledgement.
			seq++
			err = sendMsg(message(seq, encode(point(text("s", strings.Repeat("x", 10_000))))))
		case "empties":
			// Empty batches as fast as it can, within the window.
			err = send()
		case "garbage":
			junk := make([]byte, 100_000)
			_, _ = rand.Read(junk)
			err = sendMsg(raw(append([]byte{0xff, 0xff}, junk...)))
		case "numbers":
			err = sendMsg(message(uint64(42+i), encode(point(number("v", 1)))))
		case "beats":
			err = sendMsg(raw(protowire.AppendBytes(protowire.AppendTag(nil, 3, protowire.BytesType), nil)))
		case "numberless":
			err = sendMsg(message(0, encode(point(number("v", 1)))))
		case "excuses":
			excuse := make([]byte, 500)
			_, _ = rand.Read(excuse)
			return status.Error(codes.Internal, fmt.Sprintf("%x", excuse)+strings.Repeat(" sorry", 500))
		case "longline":
			fmt.Fprintln(stderr, strings.Repeat("x", 10<<20))
			fmt.Fprintln(stderr, `{"@level":"error","@message":`+strings.Repeat("[", 60_000))
			time.Sleep(100 * time.Millisecond)
		case "stdout":
			_, err = stdout.WriteString(strings.Repeat("a line that nobody wants\n", 1000))
		case "stderr":
			_, err = stderr.WriteString(strings.Repeat(`{"@level":"error","@message":"a line that nobody wants"}`+"\n", 1000))
		case "children":
			for range 20 {
				child := exec.Command("sleep", "300")
				child.Stdout, child.Stderr = stdout, stderr
				if err := child.Start(); err != nil {
					return err
				}
			}
			os.Exit(3)
		default:
			return errors.New("no such mode: " + h.mode)
		}
		if err != nil {
			// The daemon has had enough. What it does about it is its own affair.
			time.Sleep(time.Hour)
		}
	}
}
