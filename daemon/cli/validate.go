package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/vedette-monitor/vedette/daemon/app"
)

func newValidate() *cobra.Command {
	return &cobra.Command{
		Use:   "validate PATH…",
		Short: "Check configurations without running anything",
		Long: `Check configurations: syntax, types, names, and plugin blocks against what the installed plugins say of
themselves. No plugin is started for work, and no connection is opened. Every mistake is printed with its file, line
and column; the exit status is 1 if there was one.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, paths []string) error {
			failed := false
			for _, path := range paths {
				cfg, diags := app.Load(path)
				if _, err := checked(cmd, cfg, diags); err != nil {
					failed = true
					continue
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s is valid.\n", path)
			}
			if failed {
				return errSaid
			}
			return nil
		},
	}
}
