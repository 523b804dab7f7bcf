// Blaster emits a load: as a plugin of Vedette, or, as `blaster lines START POINTS RATE`, in line protocol on standard
// output for Telegraf's execd.
package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/vedette-monitor/vedette/bench/load"
	"github.com/vedette-monitor/vedette/sdk"
)

// config of the plugin block.
type config struct {
	Start  sdk.Path `hcl:"start" doc:"File whose appearance is the sign to begin."`
	Done   sdk.Path `hcl:"done" doc:"File that is made when all points are acknowledged."`
	Points int      `hcl:"points" doc:"How many points."`
	Rate   int      `hcl:"rate,optional" default:"0" doc:"Points a second; 0 emits as fast as it goes."`
}

type blaster struct{ config }

// Stream implements sdk.Streamer.
func (b *blaster) Stream(ctx context.Context, out sdk.Stream) error {
	load.Wait(string(b.Start))
	load.Pace(b.Points, float64(b.Rate), func(i int, began time.Time) {
		p := load.At(i, began)
		out.Emit(sdk.NewPoint("load").Tag("region", p.Region).Tag("target", p.Target).
			Float("a", p.A).Float("b", p.B).Int("n", p.N).At(p.Time))
	})
	if err := out.Flush(ctx); err != nil {
		return err
	}
	if err := os.WriteFile(string(b.Done), nil, 0o600); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func main() {
	if len(os.Args) == 5 && os.Args[1] == "lines" {
		if err := lines(os.Args[2], os.Args[3], os.Args[4]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	sdk.Serve(sdk.Plugin{
		Name: "blaster", Version: "1.0.0", Doc: "Emits a load for the benchmark.",
		Measurements: []sdk.Measurement{{
			Name: "load", Doc: "A point of the load.",
			Tags: []sdk.TagSchema{{Name: "region", Doc: "one of four"}, {Name: "target", Doc: "one of a hundred"}},
			Fields: []sdk.FieldSchema{
				{Name: "a", Type: "float", Doc: "some number"}, {Name: "b", Type: "float", Doc: "another one"},
				{Name: "n", Type: "int", Doc: "number of the point, from 0"},
			},
		}},
		New: sdk.New(func(c config, _ sdk.Env) (*blaster, error) { return &blaster{c}, nil }),
	})
}

func lines(start, points, rate string) error {
	n, err := strconv.Atoi(points)
	if err != nil {
		return err
	}
	r, err := strconv.ParseFloat(rate, 64)
	if err != nil {
		return err
	}
	load.Wait(start)
	out := bufio.NewWriterSize(os.Stdout, 64<<10)
	var line []byte
	load.Pace(n, r, func(i int, began time.Time) {
		p := load.At(i, began)
		line = p.Append(line[:0])
		_, _ = out.Write(line)
		if r > 0 {
			_ = out.Flush()
		}
	})
	if err := out.Flush(); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin) // execd starts a program that ends again
	return err
}
