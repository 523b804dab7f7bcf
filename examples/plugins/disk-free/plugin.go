package main

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/vedette-monitor/vedette/sdk"
)

var plugin = sdk.Plugin{
	Name:    "disk-free",
	Version: "1.0.0",
	Doc:     "Measures how full file systems are.",
	New:     sdk.New(newDisks),
	Measurements: []sdk.Measurement{{
		Name: "disk",
		Doc:  "One point a tick for each mount point.",
		Tags: []sdk.TagSchema{{Name: "mount", Doc: "where the file system is mounted"}},
		Fields: []sdk.FieldSchema{
			{Name: "total", Type: "int", Unit: "bytes", Doc: "size of the file system"},
			{Name: "used", Type: "int", Unit: "bytes", Doc: "what is in use"},
			{Name: "free", Type: "int", Unit: "bytes", Doc: "what users may still write; root may write more"},
		},
	}},
}

type config struct {
	Mounts []sdk.Path `hcl:"mounts" doc:"Mount points, or any directories of the file systems."`
}

type disks struct{ mounts []sdk.Path }

func newDisks(c config, _ sdk.Env) (*disks, error) {
	if len(c.Mounts) == 0 {
		return nil, &sdk.Problem{Path: []string{"mounts"}, Err: errors.New("name at least one")}
	}
	return &disks{c.Mounts}, nil
}

// Collect measures every mount point, also when one of them can not be measured.
func (d *disks) Collect(_ context.Context, out sdk.Emitter) error {
	var errs []error
	for _, mount := range d.mounts {
		var fs unix.Statfs_t
		if err := unix.Statfs(string(mount), &fs); err != nil {
			errs = append(errs, fmt.Errorf("measuring %s: %w", mount, err))
			continue
		}
		block := uint64(fs.Bsize)
		out.Emit(sdk.NewPoint("disk").Tag("mount", string(mount)).
			Uint("total", fs.Blocks*block).Uint("used", (fs.Blocks-fs.Bfree)*block).Uint("free", fs.Bavail*block))
	}
	return errors.Join(errs...)
}
