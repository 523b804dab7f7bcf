package cli

import (
	"fmt"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/vedette-monitor/vedette/daemon/app"
	"github.com/vedette-monitor/vedette/daemon/influx"
)

func newInfluxBackup() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backup DIR",
		Short: "Copy the private InfluxDB into a new directory, while the daemon runs",
		Long: `Copy the private InfluxDB into a new directory, while the daemon runs, in InfluxDB's own portable form: points and records
with their retention policies. The users are in it too, with hashes of their passwords, but a restore does not bring
users back. Points that still wait on disk are not in it.`,
		Args: cobra.ExactArgs(1),
	}
	path, settings := configFlag(cmd), variableFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := located(cmd, *path, *settings)
		if err != nil {
			return err
		}
		// A backup is for the daemon's user alone, as the data is.
		syscall.Umask(0o077)
		bytes, err := app.Backup(cmd.Context(), cfg, args[0])
		if err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s are in %s\n", size(bytes), args[0])
		return nil
	}
	return cmd
}

func newInfluxRestore() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restore DIR",
		Short: "Bring a backup back as a new database, while the daemon runs",
		Long: `Bring a backup back as a new database, while the daemon runs. What is in InfluxDB stays as it is, and nothing of the new
database is deleted for its age. Users are not restored; the daemon's own reader may read it.`,
		Args: cobra.ExactArgs(1),
	}
	path, settings := configFlag(cmd), variableFlags(cmd)
	database := cmd.Flags().String("database", "vedette_restored", "name of the new database")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := located(cmd, *path, *settings)
		if err != nil {
			return err
		}
		if err := app.Restore(cmd.Context(), cfg, args[0], *database); err != nil {
			return err
		}
		fmt.Fprint(cmd.OutOrStdout(), afterRestore(*database, app.Bucket(cfg)))
		return nil
	}
	return cmd
}

// afterRestore says what can be done with a database that was restored, in statements that hold whatever its name is.
func afterRestore(database, present string) string {
	name := printable(influx.QuoteName(database))
	look := "SELECT * FROM " + name + `.."http_quality" LIMIT 3`
	return fmt.Sprintf(`It is in the database %[1]s. To look at it:
  vedette query %[2]s
To copy its points among the present ones, a measurement and a while at a time:
  vedette influx shell --admin
  SELECT * INTO %[3]s."autogen"."http_quality" FROM %[1]s."autogen"."http_quality" WHERE time >= '2026-01-01' AND time < '2026-01-02' GROUP BY *
To remove it again:
  %[4]s
`, name, influx.ShellWord(look), influx.QuoteName(present), printable(influx.DropDatabase(database)))
}
