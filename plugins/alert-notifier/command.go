package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/pflag"

	"github.com/vedette-monitor/vedette/plugins/alert-notifier/notice"
	"github.com/vedette-monitor/vedette/sdk"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// Exit statuses of the commands.
const (
	statusFailed   = 1
	statusWrongUse = 2
)

// maxRequest is the longest configuration that is read from standard input.
const maxRequest = 1 << 20

// request says which channel a command is for: as JSON, passed as the configuration or on standard input.
type request struct {
	Name   string          `json:"name"`
	Type   string          `json:"type"`
	Config json.RawMessage `json:"config"`
}

// options are the flags of both commands.
type options struct {
	message, output, language, zone string
	timeout                         time.Duration
}

func wrongUse(err error) error { return &sdk.ExitError{Status: statusWrongUse, Err: err} }

// parse reads the command line, and makes the channel; there is none if help was asked for.
func parse(name string, call sdk.Call) (*options, *request, sdk.Channel, error) {
	var o options
	flags := pflag.NewFlagSet(name, pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVarP(&o.output, "output", "o", "text", "How to print: text, or json.")
	flags.DurationVar(&o.timeout, "timeout", 30*time.Second, "How long it may take.")
	if name == "send" {
		flags.StringVarP(&o.message, "message", "m", "", "What the notice says.")
		flags.StringVar(&o.language, "language", "en", "Language of the fixed words: en or zh.")
		flags.StringVar(&o.zone, "time-zone", "UTC", "Zone of the times, such as Asia/Shanghai.")
	}
	err := flags.Parse(call.Args)
	if errors.Is(err, pflag.ErrHelp) {
		_, err = fmt.Fprintf(call.Stdout, "The channel is read as JSON: {\"name\": \"email.ops\", \"type\": \"email\", \"config\": {…}}\n\n%s", flags.FlagUsages())
		return nil, nil, nil, err
	}
	switch {
	case err != nil:
	case flags.NArg() > 0:
		err = fmt.Errorf("it takes no arguments, and there are %d", flags.NArg())
	case o.output != "text" && o.output != "json":
		err = fmt.Errorf("--output %q is neither text nor json", o.output)
	case o.timeout <= 0:
		err = errors.New("--timeout must be above 0")
	case name == "send" && strings.TrimSpace(o.message) == "":
		err = errors.New("say with --message what the notice says")
	case name == "send" && o.language != "en" && o.language != "zh":
		err = fmt.Errorf("--language %q is neither en nor zh", o.language)
	}
	if err == nil && name == "send" {
		if _, zoneErr := time.LoadLocation(o.zone); zoneErr != nil {
			err = fmt.Errorf("--time-zone %q is no zone", o.zone)
		}
	}
	if err != nil {
		return nil, nil, nil, wrongUse(err)
	}
	// What is passed as the configuration may be that of the plugin's block, which says nothing of channels. An error of the
	// decoder would repeat what may be a secret.
	r := &request{}
	if json.Unmarshal(call.Config, r) != nil || r.Type == "" {
		raw, err := io.ReadAll(io.LimitReader(call.Stdin, maxRequest))
		if err != nil {
			return nil, nil, nil, fmt.Errorf("reading the channel: %w", err)
		}
		if json.Unmarshal(raw, r) != nil {
			r.Type = ""
		}
	}
	if r.Type == "" {
		return nil, nil, nil, wrongUse(errors.New(`what was passed is no channel, such as {"name": "email.ops", "type": "email", "config": {…}}`))
	}
	r.Name = cmp.Or(r.Name, r.Type)
	for _, k := range kinds {
		if k.Name != r.Type {
			continue
		}
		c, err := k.open(r.Config, sdk.Env{Instance: "alert-notifier", Channel: r.Name, Logger: hclog.NewNullLogger()})
		if err != nil {
			return nil, nil, nil, wrongUse(fmt.Errorf("notifier %s: %w", r.Name, placed(err)))
		}
		return &o, r, c, nil
	}
	return nil, nil, nil, wrongUse(fmt.Errorf("there is no channel type %q", r.Type))
}

// placed says of a problem where it is.
func placed(err error) error {
	var p *sdk.Problem
	if errors.As(err, &p) && len(p.Path) > 0 {
		return fmt.Errorf("%s: %w", strings.Join(p.Path, "."), err)
	}
	return err
}

// checkChannel is the command check.
func checkChannel(ctx context.Context, call sdk.Call) error {
	o, r, c, err := parse("check", call)
	if err != nil || c == nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	begun := time.Now()
	return o.print(call.Stdout, r, "works", []sdk.Delivery{c.Check(ctx)}, begun)
}

// sendTest is the command send.
func sendTest(ctx context.Context, call sdk.Call) error {
	o, r, c, err := parse("send", call)
	if err != nil || c == nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	begun := time.Now()
	n := &sdk.Notice{
		Channel: r.Name, Id: fmt.Sprintf("test-%d", begun.UnixNano()), Kind: wire.Kind_KIND_TEST, Attempt: 1,
		Title: o.message, TimeZone: o.zone, Language: o.language,
	}
	return o.print(call.Stdout, r, "delivered", c.Notify(ctx, n).Deliveries, begun)
}

// result is what became of a recipient, for machines.
type result struct {
	Notifier   string  `json:"notifier"`
	Recipient  string  `json:"recipient"`
	Outcome    string  `json:"outcome"`
	Code       string  `json:"code,omitempty"`
	Message    string  `json:"message,omitempty"`
	ProviderID string  `json:"provider_id,omitempty"`
	RetryAfter float64 `json:"retry_after_s,omitempty"`
	Bytes      int     `json:"bytes"`
	Truncated  bool    `json:"truncated,omitempty"`
	TookMS     float64 `json:"took_ms"`
}

// print prints a line for each delivery, and fails unless all are good.
func (o *options) print(out io.Writer, r *request, good string, deliveries []sdk.Delivery, begun time.Time) error {
	all := len(deliveries) > 0
	for _, d := range deliveries {
		all = all && d.Outcome == sdk.Delivered
		line := ""
		if o.output == "json" {
			line = string(encode(result{r.Name, d.Recipient, outcomeName(d.Outcome), d.Code, d.Message, d.ProviderID, d.RetryAfter.Seconds(), d.Bytes, d.Truncated,
				float64(time.Since(begun).Microseconds()) / 1000}))
		} else {
			word := good
			if d.Outcome != sdk.Delivered {
				word = strings.ReplaceAll(outcomeName(d.Outcome), "_", " ")
			}
			line = r.Name
			if d.Recipient != "" && d.Recipient != r.Name {
				line += " to " + notice.Line(d.Recipient)
			}
			line += ": " + word
			if d.Code != "" {
				line += " (" + d.Code + ")"
			}
			if d.Message != "" {
				line += ": " + d.Message
			}
			if d.RetryAfter > 0 {
				line += "; try again after " + d.RetryAfter.String()
			}
		}
		if _, err := fmt.Fprintln(out, line); err != nil {
			return fmt.Errorf("printing the result: %w", err)
		}
	}
	if !all {
		return &sdk.ExitError{Status: statusFailed}
	}
	return nil
}
