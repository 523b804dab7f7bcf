package cli

import "github.com/spf13/cobra"

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
		passedOn(auditPlugin, nil, &cobra.Command{
			Use:   "install [flags]",
			Short: "Hook bash, zsh and fish, so that what is typed into them is recorded",
			Long: `Put the audit's hooks into the system's start-up files of the shells that this host has, or bring them up to date. It may be
repeated. Users' own prompts, traps and exit statuses stay as they are. Shells that start afterwards are recorded; those that run
already are not.`,
			Example: `  sudo vedette audit install
  sudo vedette audit install --notice 'Commands on this host are recorded: see https://intranet.example.com/audit'
  sudo vedette audit install --shell bash --without-builtin`,
		}),
		passedOn(auditPlugin, nil, &cobra.Command{
			Use:   "uninstall",
			Short: "Take the hooks out of the shells again",
			Long:  `Remove what install has put in place: every file has the bytes again that it had. What was recorded stays.`,
		}),
		passedOn(auditPlugin, nil, &cobra.Command{
			Use:   "status [flags]",
			Short: "Show whether the shells are hooked and the collector answers",
			Long: `Show for each shell whether its hook is in place as it was installed, whether the collector answers on its socket, whether users
reach the spool, and whether the first key of the chain is still on this host, where it should not stay.`,
		}),
		passedOn(auditPlugin, nil, &cobra.Command{
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
