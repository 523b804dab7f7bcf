package cli

import (
	"github.com/spf13/cobra"

	"github.com/vedette-monitor/vedette/daemon/app"
	"github.com/vedette-monitor/vedette/daemon/config"
)

func newInflux() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "influx",
		Short: "Ask InfluxDB at a prompt, manage its readers, back it up",
	}
	user := &cobra.Command{Use: "user", Short: "Manage who may read, on InfluxDB 1.x"}
	user.AddCommand(newInfluxUserAdd(), newInfluxUserList(), newInfluxUserRemove())
	cmd.AddCommand(newInfluxShell(), user, newInfluxBackup(), newInfluxRestore())
	return cmd
}

// located reads what a client of InfluxDB needs of the configuration.
func located(cmd *cobra.Command, path string, settings []config.Setting) (*config.Config, error) {
	cfg, diags := config.Locate(path, settings, "daemon", "influxdb")
	return checked(cmd, cfg, diags)
}

// asOf says who asks.
func asOf(admin bool) app.ReadAs {
	if admin {
		return app.AsAdministrator
	}
	return app.AsReader
}
