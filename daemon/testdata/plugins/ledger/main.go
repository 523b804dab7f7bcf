// Ledger is a streamer that numbers its points and writes down which of them the daemon has acknowledged.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/vedette-monitor/vedette/sdk"
)

func main() {
	sdk.Serve(sdk.Plugin{
		Name: "ledger", Version: "1.0.0", Doc: "Numbers its points and writes down which were acknowledged.",
		New: sdk.New(func(c config, env sdk.Env) (*ledger, error) {
			if c.Refuse {
				return nil, fmt.Errorf("it was told to refuse this")
			}
			return &ledger{c, env}, nil
		}),
		Measurements: []sdk.Measurement{{
			Name: "ledger", Doc: "One point a number.",
			Tags:   []sdk.TagSchema{{Name: "instance", Doc: "the block's label"}, {Name: "mark", Doc: "of the configuration"}},
			Fields: []sdk.FieldSchema{{Name: "n", Type: "int", Doc: "nanoseconds since 1970: no number comes twice"}},
		}},
	})
}

type config struct {
	File   sdk.Path `hcl:"file" doc:"Where acknowledged numbers are written to."`
	Mark   string   `hcl:"mark" default:"none" doc:"A tag of the points."`
	Batch  int      `hcl:"batch" default:"20" min:"1" max:"1000" doc:"Points between two flushes."`
	Refuse bool     `hcl:"refuse" default:"false" doc:"Refuse the configuration."`
}

// Validate implements sdk.Validator.
func (c *config) Validate() error {
	if c.Mark == "wrong" {
		return &sdk.Problem{Path: []string{"mark"}, Err: fmt.Errorf("mark must not be wrong")}
	}
	return nil
}

type ledger struct {
	config
	env sdk.Env
}

// Stream implements sdk.Streamer.
func (l *ledger) Stream(ctx context.Context, out sdk.Stream) error {
	file, err := os.OpenFile(string(l.File), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	for ctx.Err() == nil {
		var numbers []int64
		for range l.Batch {
			now := time.Now()
			out.Emit(sdk.NewPoint("ledger").Tag("instance", l.env.Instance).Tag("mark", l.Mark).At(now).Int("n", now.UnixNano()))
			numbers = append(numbers, now.UnixNano())
		}
		// Also when it has to stop: what was emitted is acknowledged before the session ends.
		if err := out.Flush(context.WithoutCancel(ctx)); err != nil {
			return err
		}
		for _, n := range numbers {
			if _, err := fmt.Fprintln(file, n); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}
