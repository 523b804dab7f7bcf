// Ledger is a streamer that numbers its points and writes down which of them the daemon has acknowledged.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
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
		Commands: []sdk.Command{
			{Name: "show", Doc: "Prints what it was called with.", Run: show},
			{Name: "exit", Doc: "Ends with the exit status that is given.", Run: exit},
			{Name: "wait", Doc: "Waits for a signal, and says so.", Run: wait},
		},
		Measurements: []sdk.Measurement{{
			Name: "ledger", Doc: "One point a number.",
			Tags:   []sdk.TagSchema{{Name: "instance", Doc: "the block's label"}, {Name: "mark", Doc: "of the configuration"}},
			Fields: []sdk.FieldSchema{{Name: "n", Type: "int", Doc: "nanoseconds since 1970: no number comes twice"}},
		}},
	})
}

func show(_ context.Context, call sdk.Call) error {
	in, err := io.ReadAll(call.Stdin)
	if err != nil {
		return err
	}
	config := string(call.Config)
	if call.Config == nil {
		config = "none"
	}
	fmt.Fprintf(call.Stdout, "arguments %q, input %q, configuration %s, OWN=%s, user %d\n", call.Args, in, config, os.Getenv("OWN"), os.Getuid())
	fmt.Fprintln(call.Stderr, "on standard error")
	return nil
}

func exit(_ context.Context, call sdk.Call) error {
	code, err := strconv.Atoi(call.Args[0])
	if err != nil {
		return err
	}
	os.Exit(code)
	return nil
}

func wait(ctx context.Context, call sdk.Call) error {
	fmt.Fprintln(call.Stdout, "waiting")
	<-ctx.Done()
	fmt.Fprintln(call.Stdout, "interrupted")
	return nil
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
