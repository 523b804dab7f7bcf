package embedded

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"google.golang.org/protobuf/encoding/protowire"
)

// manifest lists the files of a copy.
type manifest struct {
	Meta  manifestFile
	Files []manifestFile // shards
}

// manifestFile is a file of a copy, with the bytes of its content: of a shard before compression, of the set-up data without
// what is around it.
type manifestFile struct {
	FileName string
	Size     int64
}

// checkCopy makes sure that all is there that the manifests of a copy name: influxd leaves out what is not, without a word.
func checkCopy(ctx context.Context, dir string) error {
	manifests, err := filepath.Glob(filepath.Join(dir, "*.manifest"))
	if err != nil || len(manifests) == 0 {
		return fmt.Errorf("%s holds no backup", dir)
	}
	for _, path := range manifests {
		if err := checkManifest(ctx, path); err != nil {
			return fmt.Errorf("this backup is incomplete or damaged, use another copy of it: %w", err)
		}
	}
	return nil
}

func checkManifest(ctx context.Context, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var m manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	check := func(want manifestFile, length func(path string) (int64, error)) error {
		if want.FileName == "" || filepath.Base(want.FileName) != want.FileName {
			return fmt.Errorf("%s names a file %q", path, want.FileName)
		}
		file := filepath.Join(filepath.Dir(path), want.FileName)
		n, err := length(file)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if n < want.Size {
			return fmt.Errorf("%s holds %d bytes, %s says %d", file, n, path, want.Size)
		}
		return ctx.Err()
	}
	if err := check(m.Meta, metaLength); err != nil {
		return err
	}
	for _, shard := range m.Files {
		if err := check(shard, shardLength); err != nil {
			return err
		}
	}
	return nil
}

// shardLength returns how many bytes a compressed file holds, and makes sure of them.
func shardLength(path string) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return 0, err
	}
	return io.Copy(io.Discard, z)
}

// metaLength returns how many bytes of set-up data a file holds: field 1 of a message whose field 2 is a number.
func metaLength(path string) (int64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	var data []byte
	numbered := false
	for len(text) > 0 {
		field, kind, n := protowire.ConsumeField(text)
		if n < 0 {
			return 0, io.ErrUnexpectedEOF
		}
		switch {
		case field == 1 && kind == protowire.BytesType:
			_, _, head := protowire.ConsumeTag(text)
			data, _ = protowire.ConsumeBytes(text[head:])
		case field == 2:
			numbered = true
		}
		text = text[n:]
	}
	if !numbered {
		return 0, errors.New("it has no end")
	}
	return int64(len(data)), nil
}
