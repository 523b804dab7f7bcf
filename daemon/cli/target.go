package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/vedette-monitor/vedette/daemon/app"
	"github.com/vedette-monitor/vedette/daemon/config"
)

// The plugin that probes targets, and its command that probes one.
const (
	targetPlugin  = "http-quality"
	targetCommand = "test"
)

func newTarget() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "target",
		Short: "Probe web sites by hand",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newTargetTest())
	return cmd
}

func newTargetTest() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "test URL|NAME [flags]",
		Short: "Probe an address or a configured target now, and show where the time went",
		Long: `Probe an address, or a target of the configuration with all that is configured for it, and show each phase of each
request, the answer, and what went wrong. It is the daemon's own engine, run beside it: nothing is stored. Flags change single
arguments of the target for this probe; they are those of the plugin http-quality, and listed last.

The exit status is 0 if the target is available, 1 if it is not, and 2 if nothing was probed because the call is wrong.`,
		Example: `  vedette target test https://shop.example.com/
  vedette target test shop
  vedette target test shop --interface ppp1 --count 5
  vedette target test shop -o json`,
		// Most flags are the plugin's, which alone knows them.
		DisableFlagParsing: true,
	}
	path := configFlag(cmd)
	settings := variableFlags(cmd)
	dir := cmd.Flags().String("dir", "", "directory of the plugins; by default that of this program")
	instance := cmd.Flags().String("instance", "", "label of the plugin block whose target is meant")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		own, others := divide(cmd.Flags(), args)
		if err := cmd.Flags().Parse(own); err != nil {
			return &wrongUseError{err}
		}
		var cfg *config.Config
		if asksForHelp(others) {
			if err := targetHelp(cmd); err != nil {
				return err
			}
		} else if _, err := os.Stat(*path); !errors.Is(err, fs.ErrNotExist) || cmd.Flags().Changed("config") {
			loaded, diags := app.Load(*path, *settings...)
			if cfg, err = checked(cmd, loaded, diags); err != nil {
				return &wrongUseError{err}
			}
			if *instance == "" {
				*instance = instanceWith(cfg.Plugins, others)
			}
		}
		command, manifest, err := commandOf(cfg, *path, *dir, targetPlugin, *instance)
		if err == nil {
			command.Args = append([]string{targetCommand}, others...)
			err = offers(manifest, command.Args)
		}
		if err == nil {
			err = command.Exec()
		}
		return &wrongUseError{err}
	}
	return cmd
}

// wrongUseError ends the program with the status 2, where 1 says something else.
type wrongUseError struct{ error }

func (e *wrongUseError) Unwrap() error { return e.error }

// divide parts the flags that are known, with their values, from all other arguments. What stands behind -- is not looked at.
func divide(known *pflag.FlagSet, args []string) (own, others []string) {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			return own, append(others, args[i:]...)
		}
		name, isLong := strings.CutPrefix(arg, "--")
		name, _, hasValue := strings.Cut(name, "=")
		f := known.Lookup(name)
		if !isLong || f == nil || name == "help" {
			others = append(others, arg)
			continue
		}
		own = append(own, arg)
		if !hasValue && i+1 < len(args) {
			i++
			own = append(own, args[i])
		}
	}
	return own, others
}

func asksForHelp(args []string) bool {
	if end := slices.Index(args, "--"); end >= 0 {
		args = args[:end]
	}
	return slices.Contains(args, "--help") || slices.Contains(args, "-h")
}

// targetHelp prints what is known here; the plugin prints its flags after it.
func targetHelp(cmd *cobra.Command) error {
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s\n\nUsage:\n  %s\n\nExamples:\n%s\n\nFlags of vedette:\n%s\nFlags of %s:\n",
		cmd.Long, cmd.UseLine(), cmd.Example, cmd.LocalFlags().FlagUsages(), targetPlugin)
	return err
}

// instanceWith chooses among several plugin blocks: the one that has a target which the arguments name, or, if none has,
// for an address, the first. It chooses none where several have such a target; then commandOf asks.
func instanceWith(plugins []config.Plugin, args []string) string {
	var serving, having []string
	for _, p := range plugins {
		if p.Manifest.Name != targetPlugin {
			continue
		}
		serving = append(serving, p.Name)
		var configured struct {
			Targets []struct {
				Name string `json:"name"`
			} `json:"target"`
		}
		// What the daemon has made itself can be read; if it could not, the plugin would say so.
		if json.Unmarshal(p.Config, &configured) != nil {
			continue
		}
		for _, t := range configured.Targets {
			if slices.Contains(args, t.Name) {
				having = append(having, p.Name)
				break
			}
		}
	}
	switch {
	case len(having) == 1:
		return having[0]
	case len(having) == 0 && len(serving) > 0:
		return serving[0]
	}
	return ""
}
