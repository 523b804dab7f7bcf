package cli

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vedette-monitor/vedette/daemon/app"
	"github.com/vedette-monitor/vedette/daemon/config"
	"github.com/vedette-monitor/vedette/daemon/reference"
	"github.com/vedette-monitor/vedette/sdk/wire"
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
		newPluginNew(), newPluginTest(), newPluginRun(version), newPluginExec(dir))
	return cmd
}

func newPluginList(dir *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the plugins that are installed",
		Args:  cobra.NoArgs,
	}
	path := configFlag(cmd)
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		catalog := app.Catalog(*dir)
		type entry struct {
			Name    string      `json:"name"`
			Version string      `json:"version"`
			Roles   []wire.Role `json:"roles"`
			// Lock is what the lock file beside the configuration says of the program.
			Lock string `json:"lock"`
			Doc  string `json:"doc"`
		}
		lock, err := config.ReadLock(config.LockPath(*path))
		if err != nil {
			return err
		}
		list := []entry{}
		var rows [][]string
		for _, name := range catalog.Names() {
			e := entry{Name: name, Version: "-", Roles: []wire.Role{}, Lock: "-"}
			m, sum, err := catalog.Inspect(name, nil, func(sum string) error { return lock.Check(name, sum, false) })
			if err == nil {
				e.Version, e.Doc, e.Roles, e.Lock = m.Version, m.Doc, m.Roles, lockState(lock, m, sum)
				err = m.Check()
			}
			if err != nil {
				e.Doc = "can not be used: " + strings.ReplaceAll(err.Error(), "\n", "; ")
			}
			if errors.As(err, new(*config.NotLocked)) {
				e.Lock = "locked to another"
			}
			list = append(list, e)
			rows = append(rows, []string{e.Name, e.Version, cmp.Or(strings.Join(roleNames(e.Roles), ", "), "-"), e.Lock, e.Doc})
		}
		header := []string{"PLUGIN", "VERSION", "ROLES", "LOCK", "WHAT IT DOES"}
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

// lockState says whether the program is the one that the lock file pins.
func lockState(lock config.Lock, m *wire.Manifest, sum string) string {
	locked, known := lock[m.Name]
	switch want := locked.SHA256[config.Platform]; {
	case !known:
		return "not locked"
	case want == "":
		return "not locked for " + config.Platform
	case want != sum:
		return "locked to another, " + locked.Version
	}
	return "locked"
}

func roleNames(roles []wire.Role) []string {
	var names []string
	for _, r := range roles {
		names = append(names, string(r))
	}
	return names
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
