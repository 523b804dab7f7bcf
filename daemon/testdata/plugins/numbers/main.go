// Numbers is a plugin that numbers its points and keeps the number up to which they are acknowledged. After its death it
// goes on with the next one: so in the end every number was acknowledged, and each must be stored, or set aside if it is
// a poisoned one.
package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/vedette-monitor/vedette/sdk"
)

type config struct {
	Rate   int      `hcl:"rate" doc:"Points a second."`
	Epoch  int      `hcl:"epoch" doc:"Time of point 0, in seconds since 1970; each is a microsecond after the one before."`
	Poison int      `hcl:"poison,optional" default:"0" doc:"Every so many points one is of a type that InfluxDB refuses; 0 is none."`
	Stop   sdk.Path `hcl:"stop" doc:"File whose appearance ends the emission."`
	Final  sdk.Path `hcl:"final" doc:"File that then gets the last number that is acknowledged."`
}

type numbers struct {
	config
	acked    string // file of the last number that is acknowledged
	intended string // file of a number that was perhaps emitted, and no later one was
}

// Stream implements sdk.Streamer.
func (l *numbers) Stream(ctx context.Context, out sdk.Stream) error {
	acked, err := load(l.acked)
	if err != nil {
		return err
	}
	intended, err := load(l.intended)
	if err != nil {
		return err
	}
	var emitted atomic.Int64
	emitted.Store(acked)
	stopped := make(chan struct{})
	var failure error
	go func() {
		defer close(stopped)
		failure = l.emit(ctx, out, &emitted, intended)
	}()
	for {
		ended := false
		select {
		case <-ctx.Done():
			<-stopped
			return nil
		case <-stopped:
			if failure != nil {
				return failure
			}
			ended = true
		case <-time.After(10 * time.Millisecond):
		}
		upTo := emitted.Load()
		if err := out.Flush(ctx); err != nil {
			if ctx.Err() != nil {
				<-stopped
				return nil
			}
			return err
		}
		if err := save(l.acked, upTo); err != nil {
			return err
		}
		if ended && ctx.Err() == nil {
			if err := save(string(l.Final), upTo); err != nil {
				return err
			}
			<-ctx.Done()
			return nil
		}
	}
}

// emit emits points until the file stop appears and all that may have been emitted before were.
func (l *numbers) emit(ctx context.Context, out sdk.Stream, emitted *atomic.Int64, intended int64) error {
	const step = 10 * time.Millisecond
	tick := time.NewTicker(step)
	defer tick.Stop()
	epoch := time.Unix(int64(l.Epoch), 0)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if emitted.Load() == intended {
			if _, err := os.Stat(string(l.Stop)); err == nil {
				return nil
			}
			intended += 500
			if err := save(l.intended, intended); err != nil {
				return err
			}
		}
		for range max(1, l.Rate*int(step)/int(time.Second)) {
			n := emitted.Load() + 1
			if n > intended {
				break
			}
			p := sdk.NewPoint("numbers").At(epoch.Add(time.Duration(n)*time.Microsecond)).Int("n", n)
			if l.Poison > 0 && n%int64(l.Poison) == 0 {
				p.String("v", "poison")
			} else {
				p.Float("v", float64(n)/4)
			}
			out.Emit(p)
			if ctx.Err() != nil {
				return nil // it may not have been taken
			}
			emitted.Store(n)
		}
	}
}

// load reads a number; it is 0 where there is no file.
func load(path string) (int64, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(string(text), 10, 64)
}

func save(path string, n int64) error {
	if err := os.WriteFile(path+".new", strconv.AppendInt(nil, n, 10), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func main() {
	sdk.Serve(sdk.Plugin{
		Name: "numbers", Version: "1.0.0", Doc: "Numbers its points and remembers which are acknowledged.",
		Measurements: []sdk.Measurement{{
			Name: "numbers", Doc: "A numbered point.",
			// The field v has two types, and so none that could be declared: the daemon would leave the other one out.
			Open:   true,
			Fields: []sdk.FieldSchema{{Name: "n", Type: "int", Doc: "its number, from 1"}},
		}},
		New: sdk.New(func(c config, env sdk.Env) (*numbers, error) {
			return &numbers{c, filepath.Join(env.StateDir, "acked"), filepath.Join(env.StateDir, "intended")}, nil
		}),
	})
}
