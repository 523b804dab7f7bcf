package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/pflag"

	"github.com/vedette-monitor/vedette/sdk"
)

// commands are what people run as `vedette audit NAME`.
var commands = []sdk.Command{
	{Name: "install", Doc: "hooks the shells of this host", Run: installHooks},
	{Name: "uninstall", Doc: "takes the hooks out of the shells again", Run: uninstallHooks},
	{Name: "status", Doc: "shows whether the shells are hooked and the collector answers", Run: showStatus},
	{Name: "key", Doc: "prints the first key of the chain, to be kept elsewhere", Run: printKey},
	{Name: "verify", Doc: "verifies the chain over what was recorded; rows come on standard input", Run: verifyChain},
	{Name: "tail", Doc: "shows commands as they come; rows come on standard input", Run: tailCommands},
}

// statusWrongUse is the exit status of a call that is wrong.
const statusWrongUse = 2

func wrongUse(err error) error { return &sdk.ExitError{Status: statusWrongUse, Err: err} }

// arguments are the flags of a command.
type arguments struct {
	*pflag.FlagSet
	name string
}

func newArguments(name string) arguments {
	a := arguments{pflag.NewFlagSet(name, pflag.ContinueOnError), name}
	a.SetOutput(io.Discard)
	a.SortFlags = false
	return a
}

// parse reads the flags of a command that has no other arguments. It says false if help was asked for, which was given then.
func (a arguments) parse(call sdk.Call) (bool, error) {
	err := a.Parse(call.Args)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		_, err = fmt.Fprint(call.Stdout, a.FlagUsages())
		return false, err
	case err == nil && a.NArg() > 0:
		err = fmt.Errorf("there is no argument %q", a.Arg(0))
	}
	if err != nil {
		return false, wrongUse(fmt.Errorf("%w; vedette audit %s --help shows what there is", err, a.name))
	}
	return true, nil
}

// output adds -o.
func (a arguments) output() *string {
	return a.StringP("output", "o", "text", "How to print: text, or json.")
}

func checkOutput(output string) error {
	if output != "text" && output != "json" {
		return wrongUse(fmt.Errorf("--output %q is neither text nor json", output))
	}
	return nil
}

// configured is what is configured for the command: that of its plugin block, or the defaults.
func configured(call sdk.Call) (config, error) { return sdk.Decode[config](call.Config) }
