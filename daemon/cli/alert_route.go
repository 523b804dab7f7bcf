package cli

import (
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vedette-monitor/vedette/daemon/alert"
	"github.com/vedette-monitor/vedette/daemon/alert/dispatch"
)

func newAlertRoute() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "route LABEL=VALUE…",
		Short:   "Show who would be told of an incident with these labels",
		Example: `  vedette alert route alert=site_bad team=web severity=critical`,
		Args:    cobra.MinimumNArgs(1),
	}
	a := newAsks(cmd)
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		labels, err := labelsOf(args)
		if err != nil {
			return err
		}
		ways, err := ask[[]dispatch.Way](cmd, a, http.MethodPost, "/v1/alerts/route", labels, "a route")
		if err != nil {
			return err
		}
		if *output == asJSON {
			return printJSON(cmd.OutOrStdout(), ways)
		}
		printWays(cmd.OutOrStdout(), ways)
		return nil
	}
	return cmd
}

func printWays(out io.Writer, ways []dispatch.Way) {
	if len(ways) == 0 {
		fmt.Fprintln(out, "Nobody is told: no route matches.")
	}
	for _, w := range ways {
		fmt.Fprintf(out, "%s\n", printable(w.Route))
		if len(w.Group) > 0 {
			fmt.Fprintf(out, "  group   %s\n", printable(strings.Join(w.Group, " ")))
		}
		for _, s := range w.Steps {
			when := "at once"
			if s.After > 0 {
				when = "after " + shortDuration(s.After)
			}
			to := strings.Join(s.To, ", ")
			if to == "" {
				to = "nobody"
			}
			fmt.Fprintf(out, "  %-9s %s\n", when, printable(to))
		}
		times := []string{"wait " + shortDuration(w.Wait), "interval " + shortDuration(w.Interval)}
		for _, d := range w.Repeat.Every {
			times = append(times, "repeat "+shortDuration(d))
		}
		if w.Active != "" {
			times = append(times, "only within hours "+w.Active)
		}
		fmt.Fprintf(out, "  %s\n", printable(strings.Join(times, ", ")))
	}
}

func newAlertFire() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "fire ALERT",
		Short: "Fire an alert as a test, through its real texts, routes and notifiers",
		Long: `Fire an alert as a test. It is told at once on its real way, marked as a test, to everybody whom its first step has, and leaves no incident
behind. Set the tags of its by, and the fields that its texts use.`,
		Example: `  vedette alert fire site_bad --set target=shop --set isp=ct --set total_time=3`,
		Args:    cobra.ExactArgs(1),
	}
	a := newAsks(cmd)
	set := cmd.Flags().StringArray("set", nil, "NAME=VALUE of a tag or field; may be repeated")
	dry := cmd.Flags().Bool("dry-run", false, "show what would be told, and to whom, and tell nobody")
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		values, err := labelsOf(*set)
		if err != nil {
			return err
		}
		f, err := ask[alert.Fired](cmd, a, http.MethodPost, "/v1/alerts/fire", alert.FireRequest{Alert: args[0], Set: values, Dry: *dry}, "a test")
		if err != nil {
			return err
		}
		out := cmd.OutOrStdout()
		if *output == asJSON {
			return printJSON(out, f)
		}
		fmt.Fprintf(out, "[TEST] %s\n", printable(f.Incident.Summary))
		for line := range strings.Lines(f.Incident.Detail) {
			fmt.Fprintf(out, "       %s\n", printable(strings.TrimRight(line, "\n")))
		}
		fmt.Fprintln(out)
		printWays(out, f.Ways)
		if !*dry {
			fmt.Fprintln(out, "\nIt is under way. `vedette alert outbox` shows what could not be delivered.")
		}
		return nil
	}
	return cmd
}
