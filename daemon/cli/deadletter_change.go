package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/vedette-monitor/vedette/daemon/app"
	"github.com/vedette-monitor/vedette/daemon/config"
	"github.com/vedette-monitor/vedette/daemon/console"
	"github.com/vedette-monitor/vedette/daemon/influx"
)

func newDeadLetterRetry() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "retry",
		Short: "Let the running daemon send dead letters once more",
		Long: `Let the running daemon send dead letters once more. Those that InfluxDB takes are dead letters no longer, and so are those
that are older than its retention policy; those that it refuses again stay.`,
		Args: cobra.NoArgs,
	}
	flags := addLetterFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, chosen, err := flags.load(cmd)
		if err != nil {
			return err
		}
		got, err := console.RequestRetry(cmd.Context(), app.ControlSocket(cfg.Daemon.DataDir), chosen)
		if err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%d stored, %d too old, %d refused again\n", got.Stored, got.Expired, got.Refused)
		if got.Problem != "" {
			return fmt.Errorf("not all were sent: %s", printable(got.Problem))
		}
		return nil
	}
	return cmd
}

func newDeadLetterDrop() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "drop",
		Short: "Remove dead letters for good",
		Args:  cobra.NoArgs,
	}
	flags := addLetterFlags(cmd)
	all := cmd.Flags().Bool("all", false, "drop all, which nothing else chooses")
	yes := cmd.Flags().Bool("yes", false, "do not ask")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, chosen, err := flags.load(cmd)
		if err != nil {
			return err
		}
		if chosen.IsZero() != *all {
			return errors.New("say which dead letters to drop with --measurement, --reason, --lane, --since and --until, or --all")
		}
		n := 0
		if err := eachLetter(app.DeadLetters(cfg), chosen, func(influx.DeadLetter) { n++ }); err != nil {
			fmt.Fprintln(cmd.ErrOrStderr(), printable(err.Error()))
		}
		if n == 0 {
			fmt.Fprintln(cmd.OutOrStdout(), "No dead letters.")
			return nil
		}
		if !*yes {
			if err := confirm(cmd, fmt.Sprintf("Drop %d dead letters for good?", n)); err != nil {
				return err
			}
		}
		dropped, err := dropLetters(cmd, cfg, chosen)
		if err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%d dropped\n", dropped)
		return nil
	}
	return cmd
}

// dropLetters lets the daemon drop them if one runs: one process alone changes the files.
func dropLetters(cmd *cobra.Command, cfg *config.Config, chosen influx.LetterFilter) (uint64, error) {
	got, err := console.RequestDrop(cmd.Context(), app.ControlSocket(cfg.Daemon.DataDir), chosen)
	if errors.Is(err, console.ErrNotRunning) {
		return app.DropDeadLetters(cfg, chosen)
	}
	if err == nil && got.Problem != "" {
		err = errors.New(printable(got.Problem))
	}
	return got.Letters, err
}
