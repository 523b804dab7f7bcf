package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/vedette-monitor/vedette/daemon/app"
	"github.com/vedette-monitor/vedette/daemon/reference"
)

func newPlugin(version string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "plugin",
		Short: "Look at plugins, run them and examine them",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	dir := cmd.PersistentFlags().String("dir", "", "directory of the plugins; by default that of this program")
	cmd.AddCommand(newPluginList(dir), newPluginDescribe(dir), newPluginDocs(dir), newPluginLock(),
		newPluginNew(), newPluginTest(), newPluginRun(version))
	return cmd
}

func newPluginList(dir *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the plugins that are installed",
		Args:  cobra.NoArgs,
	}
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		catalog := app.Catalog(*dir)
		type entry struct {
			Name    string `json:"name"`
			Version string `json:"version"`
			Doc     string `json:"doc"`
		}
		list := []entry{}
		var rows [][]string
		for _, name := range catalog.Names() {
			e := entry{Name: name}
			m, err := catalog.Manifest(name)
			if err != nil {
				e.Version, e.Doc = "-", err.Error()
			} else {
				e.Version, e.Doc = m.Version, m.Doc
			}
			list = append(list, e)
			rows = append(rows, []string{e.Name, e.Version, e.Doc})
		}
		header := []string{"PLUGIN", "VERSION", "WHAT IT DOES"}
		switch *output {
		case asJSON:
			return printJSON(cmd.OutOrStdout(), list)
		case asCSV:
			return printCSV(cmd.OutOrStdout(), header, rows)
		}
		return printTable(cmd.OutOrStdout(), header, rows)
	}
	return cmd
}

func newPluginDescribe(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "describe PLUGIN",
		Short: "Print the manifest of a plugin as JSON",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := app.Catalog(*dir).Manifest(args[0])
			if err != nil {
				return err
			}
			return printJSON(cmd.OutOrStdout(), m)
		},
	}
}

func newPluginDocs(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "docs PLUGIN",
		Short: "Print the reference of a plugin as Markdown: its configuration and what it emits",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := app.Catalog(*dir).Manifest(args[0])
			if err != nil {
				return fmt.Errorf("writing the reference: %w", err)
			}
			return reference.Plugin(cmd.OutOrStdout(), m)
		},
	}
}
