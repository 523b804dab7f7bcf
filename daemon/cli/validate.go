package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/vedette-monitor/vedette/daemon/app"
	"github.com/vedette-monitor/vedette/daemon/config"
)

func newValidate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "validate PATH…",
		Short: "Check configurations without running anything",
		Long: `Check configurations: syntax, types, names, and plugin blocks against what the installed plugins say of
themselves; plugins check what only they can judge. No plugin is started for work, and no connection is opened. Every
mistake is printed with its file, line and column; the exit status is 1 if there was one. Warnings do not count.

-o json prints a list of objects with file, line, column, end, severity, summary and detail, for editors and CI.`,
		Example: `  vedette validate config.hcl
  vedette validate -var isp=ct -var-file sites.vars.hcl /etc/vedette`,
		Args: cobra.MinimumNArgs(1),
	}
	settings := variableFlags(cmd)
	output := cmd.Flags().StringP("output", "o", "text", "how to print: text or json")
	cmd.RunE = func(cmd *cobra.Command, paths []string) error {
		if *output != "text" && *output != "json" {
			return fmt.Errorf("-o is %q, but must be text or json", *output)
		}
		failed := false
		list := []config.Diagnostic{}
		for _, path := range paths {
			cfg, diags := app.Load(path, *settings...)
			failed = failed || diags.HasErrors()
			if *output == "json" {
				list = append(list, diags.List()...)
			} else if _, err := checked(cmd, cfg, diags); err == nil {
				fmt.Fprintf(cmd.OutOrStdout(), "%s is valid.\n", path)
			}
		}
		if *output == "json" {
			if err := printJSON(cmd.OutOrStdout(), list); err != nil {
				return err
			}
		}
		if failed {
			return errSaid
		}
		return nil
	}
	return cmd
}
