package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/vedette-monitor/vedette/plugins/http-quality/probe"
	"github.com/vedette-monitor/vedette/sdk"
)

// Exit statuses of the command test.
const (
	statusFailed   = 1 // a probe did not find its target available
	statusWrongUse = 2
)

// trial is a call of the command test.
type trial struct {
	arguments []*argument
	count     int
	output    string
	of        string // an address, or the name of a target
}

// testTarget is the command test.
func testTarget(ctx context.Context, call sdk.Call) error {
	t, err := parseTrial(call)
	if err != nil || t == nil {
		return err
	}
	targets, err := t.targets(call.Config)
	if err != nil {
		return wrongUse(err)
	}
	defer func() {
		for i := range targets {
			targets[i].prober.Close()
		}
	}()
	available := true
	screen := screenOf(call.Stdout)
	for i := range targets {
		target := &targets[i]
		if i > 0 && t.output == "text" {
			fmt.Fprintln(call.Stdout)
		}
		results, err := t.run(ctx, target, screen, call.Stdout)
		if err != nil {
			return err
		}
		available = available && !slices.ContainsFunc(results, func(r probe.Result) bool { return r.Outcome != probe.OutcomeOK })
	}
	if !available {
		return &sdk.ExitError{Status: statusFailed}
	}
	return nil
}

func wrongUse(err error) error { return &sdk.ExitError{Status: statusWrongUse, Err: err} }

// parseTrial reads the command line; nil if it asked for help, which was given then.
func parseTrial(call sdk.Call) (*trial, error) {
	p := plugin()
	manifest, err := p.Manifest()
	if err != nil {
		return nil, err
	}
	t := &trial{}
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.SortFlags = false
	flags.IntVarP(&t.count, "count", "n", 1, "How many probes to make, one after the other; of several a summary is shown.")
	flags.StringVarP(&t.output, "output", "o", "text", "How to print: text, or json for the points that the plugin would make, one a line.")
	t.arguments = addArguments(flags, &manifest.Config)
	err = flags.Parse(call.Args)
	if errors.Is(err, pflag.ErrHelp) {
		_, err = fmt.Fprintf(call.Stdout, "%s\n\nThe default is what is configured for the target, else this:\n%s", usage, flags.FlagUsagesWrapped(max(screenOf(call.Stdout).width, 60)))
		return nil, err
	}
	for _, a := range t.arguments {
		err = errors.Join(err, a.wrong)
	}
	switch {
	case err != nil:
	case flags.NArg() != 1:
		err = fmt.Errorf("one address or name of a target is needed, and there are %d", flags.NArg())
	case t.count < 1:
		err = errors.New("--count must be at least 1")
	case t.output != "text" && t.output != "json":
		err = fmt.Errorf("--output %q is neither text nor json", t.output)
	}
	if err != nil {
		return nil, wrongUse(fmt.Errorf("%w\n%s", err, usage))
	}
	t.of = flags.Arg(0)
	return t, nil
}

const usage = "Usage: vedette target test URL|NAME [flags]; --help shows the flags"

// targets are what is to be probed: those that the configuration has of this name, or the address.
func (t *trial) targets(config []byte) ([]target, error) {
	var configured struct {
		Targets []block `json:"target"`
	}
	if len(config) > 0 {
		if err := json.Unmarshal(config, &configured); err != nil {
			return nil, fmt.Errorf("reading the configuration: %w", err)
		}
	}
	var names []string
	var blocks []block
	for _, b := range configured.Targets {
		var name string
		if err := json.Unmarshal(b["name"], &name); err != nil {
			return nil, fmt.Errorf("reading the name of a target: %w", err)
		}
		names = append(names, name)
		if name == t.of {
			blocks = append(blocks, b)
		}
	}
	if len(blocks) == 0 {
		if !strings.Contains(t.of, "://") {
			return nil, unknown(t.of, names)
		}
		address, err := addressBlock(t.of)
		if err != nil {
			return nil, err
		}
		blocks = append(blocks, address)
	}
	var targets []target
	for _, b := range blocks {
		made, err := t.make(b)
		if err != nil {
			return nil, err
		}
		targets = append(targets, made...)
	}
	return targets, nil
}

// addressBlock is the block of a target that has only an address; it is named after the host.
func addressBlock(text string) (block, error) {
	u, err := url.Parse(text)
	if err != nil { // which repeats the text, with what may be a password
		return nil, errors.New("this is no address, such as https://shop.example.com/")
	}
	name, err := json.Marshal(u.Hostname())
	if err != nil {
		return nil, err
	}
	address, err := json.Marshal(text)
	return block{"name": name, "url": address}, err
}

// make makes a block with what the command line sets into targets.
func (t *trial) make(b block) ([]target, error) {
	b, err := b.with(t.arguments)
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(b)
	if err != nil {
		return nil, err
	}
	c, err := sdk.Decode[targetConfig](raw)
	if err != nil {
		return nil, err
	}
	if c.Name == "" {
		return nil, errors.New("the address has no host")
	}
	known := newShared(0)
	if err := errors.Join(c.mistakes(known)...); err != nil {
		return nil, err
	}
	return c.targets(c.Name, c.URL, known)
}

// unknown says that there is no such target. What may be an address is not repeated, for it may hold a password.
func unknown(name string, names []string) error {
	const shown = 10
	what := "this is no address, and no target is called so"
	if !strings.ContainsAny(name, "@/?:") {
		what = fmt.Sprintf("no target is called %q", name)
	}
	what += "; an address begins with http:// or https://"
	if len(names) == 0 {
		return errors.New(what + ", and no targets are configured")
	}
	slices.Sort(names)
	names = slices.Compact(names)
	more := ""
	if n := len(names) - shown; n > 0 {
		names, more = names[:shown], fmt.Sprintf(" and %d more", n)
	}
	return fmt.Errorf("%s, and the targets are %s%s", what, safe(strings.Join(names, ", ")), more)
}

// run probes a target as often as is wanted, and prints what it finds.
func (t *trial) run(ctx context.Context, target *target, s screen, out io.Writer) ([]probe.Result, error) {
	var results []probe.Result
	for n := 1; n <= t.count; n++ {
		r := target.prober.Run(ctx)
		if ctx.Err() != nil {
			break // the probe was cut short, and says nothing of its target
		}
		results = append(results, r)
		var text []byte
		var err error
		switch {
		case t.output == "json":
			text, err = target.asJSON(&r)
		case t.count == 1:
			text = s.report(target, &r)
		default:
			text = s.line(target, n, &r)
		}
		if err == nil {
			_, err = out.Write(text)
		}
		if err != nil {
			return results, fmt.Errorf("printing the result: %w", err)
		}
	}
	if t.count > 1 && t.output == "text" && len(results) > 0 {
		if _, err := out.Write(s.summary(results)); err != nil {
			return results, fmt.Errorf("printing the summary: %w", err)
		}
	}
	if ctx.Err() != nil {
		return results, errors.New("interrupted")
	}
	return results, nil
}
