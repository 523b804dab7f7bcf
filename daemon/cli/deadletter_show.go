package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/vedette-monitor/vedette/daemon/app"
	"github.com/vedette-monitor/vedette/daemon/influx"
)

func newDeadLetterShow() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show dead letters, the newest last",
		Args:  cobra.NoArgs,
	}
	flags := addLetterFlags(cmd)
	output := outputFlag(cmd)
	limit := cmd.Flags().IntP("limit", "n", 50, "how many of the newest; 0 is all")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, chosen, err := flags.load(cmd)
		if err != nil {
			return err
		}
		if *limit < 0 {
			return fmt.Errorf("--limit %d is less than 0", *limit)
		}
		list, total := []influx.DeadLetter{}, 0
		damage := eachLetter(app.DeadLetters(cfg), chosen, func(l influx.DeadLetter) {
			total++
			if *limit > 0 && len(list) == *limit {
				list = append(list[:0], list[1:]...)
			}
			list = append(list, l)
		})
		if err := printLetters(cmd, list, *output); err != nil {
			return err
		}
		if left := total - len(list); left > 0 {
			fmt.Fprintf(cmd.ErrOrStderr(), "%d older ones are not shown; -n 0 shows all\n", left)
		}
		return damage
	}
	return cmd
}

func printLetters(cmd *cobra.Command, list []influx.DeadLetter, output format) error {
	out := cmd.OutOrStdout()
	switch output {
	case asJSON:
		return printJSON(out, list)
	case asCSV:
		var rows [][]string
		for _, l := range list {
			rows = append(rows, []string{l.Time.Format(time.RFC3339Nano), string(l.Lane), l.Measurement(), l.Reason, string(l.Line)})
		}
		return printCSV(out, []string{"TIME", "LANE", "MEASUREMENT", "REASON", "LINE"}, rows)
	}
	for _, l := range list {
		if _, err := fmt.Fprintf(out, "%s  %s\n  %s\n", l.Time.Format(time.RFC3339), legible(l.Kind()), legible(string(l.Line))); err != nil {
			return err
		}
	}
	return nil
}
