package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/vedette-monitor/vedette/daemon/app"
	"github.com/vedette-monitor/vedette/daemon/config"
	"github.com/vedette-monitor/vedette/daemon/supervisor"
)

// auditPlugin is the plugin whose commands these are.
const auditPlugin = "shell-audit"

func newAudit() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Hook the shells of this host, follow what is typed, verify what was recorded",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		passedOn(&cobra.Command{
			Use:   "install [flags]",
			Short: "Hook bash, zsh and fish, so that what is typed into them is recorded",
			Long: `Put the audit's hooks into the system's start-up files of the shells that this host has, or bring them up to date. It may be
repeated. Users' own prompts, traps and exit statuses stay as they are. Shells that start afterwards are recorded; those that run
already are not.`,
			Example: `  sudo vedette audit install
  sudo vedette audit install --notice 'Commands on this host are recorded: see https://intranet.example.com/audit'
  sudo vedette audit install --shell bash --without-builtin`,
		}),
		passedOn(&cobra.Command{
			Use:   "uninstall",
			Short: "Take the hooks out of the shells again",
			Long:  `Remove what install has put in place: every file has the bytes again that it had. What was recorded stays.`,
		}),
		passedOn(&cobra.Command{
			Use:   "status [flags]",
			Short: "Show whether the shells are hooked and the collector answers",
			Long: `Show for each shell whether its hook is in place as it was installed, whether the collector answers on its socket, whether users
reach the spool, and whether the first key of the chain is still on this host, where it should not stay.`,
		}),
		passedOn(&cobra.Command{
			Use:   "key [flags]",
			Short: "Print the first key of the chain, to be kept elsewhere",
			Long: `Print the first key of this host's chain, which is on the host until somebody takes it: what was recorded can be verified only
with it, and forged by whoever has it. With --take it is deleted here once it is printed.`,
			Example: `  sudo vedette audit key --take >/media/safe/$(hostname).key`,
		}),
		newAuditVerify(),
		newAuditTail(),
	)
	return cmd
}

// passedOn makes a command one of the plugin's, which knows its flags.
func passedOn(cmd *cobra.Command) *cobra.Command {
	a := newAuditFlags(cmd)
	cmd.DisableFlagParsing = true
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		own, others := divide(cmd.Flags(), args)
		if err := cmd.Flags().Parse(own); err != nil {
			return &wrongUseError{err}
		}
		if asksForHelp(others) {
			fmt.Fprintf(cmd.OutOrStdout(), "%s\n\nUsage:\n  %s\n", cmd.Long, cmd.UseLine())
			if cmd.Example != "" {
				fmt.Fprintf(cmd.OutOrStdout(), "\nExamples:\n%s\n", cmd.Example)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "\nFlags of vedette:\n%s\nFlags of %s:\n", cmd.LocalFlags().FlagUsages(), auditPlugin)
		} else if err := a.load(cmd); err != nil {
			return err
		}
		command, err := a.command(append([]string{cmd.Name()}, others...)...)
		if err != nil {
			return err
		}
		return command.Exec()
	}
	return cmd
}

// strict makes wrong use end with the status 2, where 1 says something else.
func strict(cmd *cobra.Command) {
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &wrongUseError{err} })
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if err := cobra.NoArgs(cmd, args); err != nil {
			return &wrongUseError{err}
		}
		return nil
	}
}

// auditFlags are those that all commands of the audit have, and what they stand for.
type auditFlags struct {
	path, dir, instance *string
	settings            *[]config.Setting
	cfg                 *config.Config // nil if there is none
}

func newAuditFlags(cmd *cobra.Command) *auditFlags {
	return &auditFlags{
		path:     configFlag(cmd),
		settings: variableFlags(cmd),
		dir:      cmd.Flags().String("dir", "", "directory of the plugins; by default that of this program"),
		instance: cmd.Flags().String("instance", "", "label of the plugin block that is meant"),
	}
}

// load reads the configuration, if there is one.
func (a *auditFlags) load(cmd *cobra.Command) error {
	if _, err := os.Stat(*a.path); errors.Is(err, fs.ErrNotExist) && !cmd.Flags().Changed("config") {
		return nil
	}
	loaded, diags := app.Load(*a.path, *a.settings...)
	cfg, err := checked(cmd, loaded, diags)
	if err != nil {
		return &wrongUseError{err}
	}
	a.cfg = cfg
	return nil
}

// command is a command of the plugin's, with what is configured for it.
func (a *auditFlags) command(args ...string) (*supervisor.Command, error) {
	command, manifest, err := commandOf(a.cfg, *a.path, *a.dir, auditPlugin, *a.instance)
	if err == nil {
		err = offers(manifest, args)
	}
	if err != nil {
		return nil, &wrongUseError{err}
	}
	command.Args = args
	return command, nil
}
