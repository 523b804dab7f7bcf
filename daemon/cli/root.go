// Package cli is the command line: a file a command. Commands print what people and scripts asked for on standard
// output, and everything else on standard error.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/vedette-monitor/vedette/daemon/config"
)

// errSaid ends the program with status 1: everything was said already.
var errSaid = errors.New("said already")

// Main runs the command line and returns the exit status.
func Main(ctx context.Context, version string, args []string, out, errOut io.Writer) int {
	root := newRoot(version)
	root.SetArgs(withTwoDashes(args))
	root.SetOut(out)
	root.SetErr(errOut)
	if err := root.ExecuteContext(ctx); err != nil {
		var ended statusError
		if errors.As(err, &ended) {
			return int(ended)
		}
		if !errors.Is(err, errSaid) {
			fmt.Fprintln(errOut, "Error:", err)
		}
		var wrongUse *wrongUseError
		if errors.As(err, &wrongUse) {
			return 2
		}
		return 1
	}
	return 0
}

func newRoot(version string) *cobra.Command {
	root := &cobra.Command{
		Use:           "vedette",
		Short:         "Watches sites and hosts from many places and keeps what it sees in InfluxDB",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(newRun(version), newValidate(), newFormat(), newStatus(), newReload(), newTest(), newQuery(), newDeadLetter(), newInflux(), newPlugin(version),
		newTarget(), newAudit(), newAlert(), newSilence(), newMaintenance(), newNotifier(), newVersion(version), newDocs())
	explainArguments(root)
	return root
}

// explainArguments makes a command that is called with other arguments than it takes say which these are.
func explainArguments(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		explainArguments(sub)
	}
	check := cmd.Args
	if check == nil {
		return
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		err := check(cmd, args)
		var wrongUse *wrongUseError
		if err == nil || errors.As(err, &wrongUse) {
			return err
		}
		return fmt.Errorf("%w\nUsage: %s; --help shows more", err, cmd.UseLine())
	}
}

// configFlag adds --config.
func configFlag(cmd *cobra.Command) *string {
	return cmd.Flags().String("config", "config.hcl", "configuration: a file, or a directory of *.hcl files")
}

// checked passes a configuration on, or prints what is wrong with it.
func checked[C any](cmd *cobra.Command, cfg *C, diags config.Diagnostics) (*C, error) {
	if err := diags.Write(cmd.ErrOrStderr()); err != nil {
		return nil, err
	}
	if diags.HasErrors() {
		return nil, errSaid
	}
	return cfg, nil
}

// program is how this program was called, for commands that are shown to be typed.
func program() string { return os.Args[0] }
