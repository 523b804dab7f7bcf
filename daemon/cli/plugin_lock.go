package cli

import (
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/vedette-monitor/vedette/daemon/app"
	"github.com/vedette-monitor/vedette/daemon/config"
)

func newPluginLock() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lock",
		Short: "Pin the plugins of a configuration to the programs that are installed now",
		Long: `Write the lock file ` + config.LockFile + ` beside the configuration: version and SHA256 of every plugin that it uses, for
this platform. From then on no other program runs in the place of one that is pinned. With require_lock = true in the
daemon block, nothing runs that is not.`,
		Args: cobra.NoArgs,
	}
	path := configFlag(cmd)
	settings := variableFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		lock, diags, err := app.Lock(*path, *settings...)
		if err != nil {
			return err
		}
		if err := diags.Write(cmd.ErrOrStderr()); err != nil {
			return err
		}
		if diags.HasErrors() {
			return errSaid
		}
		file := config.LockPath(*path)
		if err := lock.Write(file); err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(lock)) {
			fmt.Fprintf(cmd.OutOrStdout(), "%s %s is locked for %s.\n", name, lock[name].Version, config.Platform)
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s is written; keep it with the configuration.\n", file)
		return nil
	}
	return cmd
}
