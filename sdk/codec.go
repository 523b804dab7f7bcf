package sdk

import (
	"google.golang.org/grpc/encoding"
	grpcproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
)

// encoded is a message that is encoded already: points are encoded once, when they are emitted.
type encoded []byte

// codec sends encoded messages as they are and leaves all others to protobuf.
type codec struct{ encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2(grpcproto.Name)} }

func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if msg, ok := v.(encoded); ok {
		return mem.BufferSlice{mem.SliceBuffer(msg)}, nil
	}
	return c.CodecV2.Marshal(v)
}
