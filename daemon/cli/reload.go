package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vedette-monitor/vedette/daemon/app"
	"github.com/vedette-monitor/vedette/daemon/config"
	"github.com/vedette-monitor/vedette/daemon/console"
)

func newReload() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Let the running daemon read its configuration again",
		Long: `Let the running daemon read its configuration again, as SIGHUP does. Plugins whose block did not change are not
touched. A configuration with errors changes nothing: they are printed, and the exit status is 1.`,
		Args: cobra.NoArgs,
	}
	path := configFlag(cmd)
	settings := variableFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, diags := config.Locate(*path, *settings, "daemon")
		cfg, err := checked(cmd, cfg, diags)
		if err != nil {
			return err
		}
		result, err := console.RequestReload(cmd.Context(), app.ControlSocket(cfg.Daemon.DataDir))
		if err != nil {
			return err
		}
		fmt.Fprint(cmd.ErrOrStderr(), result.Diagnostics)
		if !result.Applied {
			fmt.Fprintln(cmd.ErrOrStderr(), "\nNothing has changed: the daemon goes on with the configuration that it has.")
			return errSaid
		}
		out := cmd.OutOrStdout()
		fmt.Fprintln(out, "The configuration was reloaded.")
		for _, list := range []struct {
			what  string
			names []string
		}{
			{"started", result.Started}, {"restarted", result.Restarted}, {"stopped", result.Stopped}, {"not touched", result.Kept},
			{"changed, and takes effect at the next start", result.AtNextStart},
		} {
			if len(list.names) > 0 {
				fmt.Fprintf(out, "  %s: %s\n", list.what, strings.Join(list.names, ", "))
			}
		}
		return nil
	}
	return cmd
}
