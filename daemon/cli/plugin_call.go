package cli

import (
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
	"github.com/vedette-monitor/vedette/daemon/supervisor"
)

// pluginCall is a call of a plugin's own command: the flags that say what the command gets, and what they stand for.
type pluginCall struct {
	path, dir, instance *string
	settings            *[]config.Setting
	cfg                 *config.Config // nil if there is none
}

// newPluginCall gives cmd the flags of such a call, but --dir, which may be that of several commands.
func newPluginCall(cmd *cobra.Command, dir *string) *pluginCall {
	return &pluginCall{
		path:     configFlag(cmd),
		settings: variableFlags(cmd),
		dir:      dir,
		instance: cmd.Flags().String("instance", "", "label of the plugin block that is meant"),
	}
}

// pluginDirFlag is for the commands that are of one plugin.
func pluginDirFlag(cmd *cobra.Command) *string {
	return cmd.Flags().String("dir", "", "directory of the plugins; by default that of this program")
}

// load reads the configuration, if there is one.
func (c *pluginCall) load(cmd *cobra.Command) error {
	if _, err := os.Stat(*c.path); errors.Is(err, fs.ErrNotExist) && !cmd.Flags().Changed("config") {
		return nil
	}
	loaded, diags := app.Load(*c.path, *c.settings...)
	loaded, err := checked(cmd, loaded, diags)
	if err == nil {
		c.cfg = loaded.Config
	}
	return err
}

// command is a command of the plugin that name stands for, with what is configured for it.
func (c *pluginCall) command(name string, args ...string) (*supervisor.Command, error) {
	command, manifest, err := commandOf(c.cfg, *c.path, *c.dir, name, *c.instance)
	if err != nil {
		return nil, err
	}
	if err := offers(manifest, args); err != nil {
		return nil, err
	}
	command.Args = args
	return command, nil
}

// passedOn makes cmd the plugin's command of the same name, which knows most of the flags. choose, if there is one, says which
// plugin block is meant where no flag does.
func passedOn(plugin string, choose func(plugins []config.Plugin, args []string) string, cmd *cobra.Command) *cobra.Command {
	c := newPluginCall(cmd, pluginDirFlag(cmd))
	cmd.DisableFlagParsing = true
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		own, others := divide(cmd.Flags(), args)
		if err := cmd.Flags().Parse(own); err != nil {
			return &wrongUseError{err}
		}
		if asksForHelp(others) {
			printPassedOn(cmd, plugin)
		} else if err := c.load(cmd); err != nil {
			return &wrongUseError{err}
		}
		if choose != nil && c.cfg != nil && *c.instance == "" {
			*c.instance = choose(c.cfg.Plugins, others)
		}
		command, err := c.command(plugin, append([]string{cmd.Name()}, others...)...)
		if err != nil {
			return &wrongUseError{err}
		}
		return &wrongUseError{command.Exec()} // it returns only if it fails
	}
	return cmd
}

// printPassedOn prints what is known here; the plugin prints its flags after it.
func printPassedOn(cmd *cobra.Command, plugin string) {
	w := cmd.OutOrStdout()
	fmt.Fprintf(w, "%s\n\nUsage:\n  %s\n", cmd.Long, cmd.UseLine())
	if cmd.Example != "" {
		fmt.Fprintf(w, "\nExamples:\n%s\n", cmd.Example)
	}
	fmt.Fprintf(w, "\nFlags of vedette:\n%s\nFlags of %s:\n", cmd.LocalFlags().FlagUsages(), plugin)
}

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

// wrongUseError ends the program with the status 2, where 1 says something else.
type wrongUseError struct{ error }

func (e *wrongUseError) Unwrap() error { return e.error }
