package cli

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vedette-monitor/vedette/daemon/alert"
	"github.com/vedette-monitor/vedette/daemon/alert/incident"
	"github.com/vedette-monitor/vedette/daemon/console"
)

func newSilence() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "silence",
		Short: "Keep incidents quiet for a time",
	}
	cmd.AddCommand(newSilenceAdd(), newSilenceList(), newSilenceExpire())
	return cmd
}

func newSilenceAdd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "add CONDITION | LABEL=VALUE…",
		Short: "Keep incidents quiet whose labels match",
		Long: `Keep incidents quiet whose labels match, for at most 30 days. They are judged and recorded as ever. What fires still at the end is told
then; what resolves meanwhile is told at once to those who know that it fired, but for channels that wake people.`,
		Example: `  vedette silence add 'target == "shop" && severity != "critical"' --for 2h -m "release 123"
  vedette silence add host=web-1 --until-resolved -m "disk is being replaced"`,
		Args: cobra.MinimumNArgs(1),
	}
	a := newAsks(cmd)
	author := authorFlag(cmd)
	message := cmd.Flags().StringP("message", "m", "", "why; it is required")
	period := durationFlag(cmd, "for", 2*time.Hour, "for how long")
	untilResolved := cmd.Flags().Bool("until-resolved", false, "end it when the incidents have resolved that it matches now; --for is then the longest, 30d unless it is given")
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *message == "" {
			return &wrongUseError{errors.New("say why with -m: somebody will ask at night")}
		}
		if *untilResolved && !cmd.Flags().Changed("for") {
			*period = 30 * 24 * time.Hour
		}
		s, err := ask[alert.Silenced](cmd, a, http.MethodPost, "/v1/silences", alert.SilenceRequest{
			Match: condition(args), Author: *author, Reason: *message, For: period.Seconds(), UntilResolved: *untilResolved,
		}, "a silence")
		if err != nil {
			return err
		}
		for _, w := range s.Warnings {
			fmt.Fprintln(cmd.ErrOrStderr(), "Warning:", printable(w))
		}
		if *output == asJSON {
			return printJSON(cmd.OutOrStdout(), s.Silence)
		}
		fmt.Fprintf(cmd.OutOrStdout(), "Silence %s until %s: %s\n", s.Silence.ID, s.Silence.Until.Local().Format("2006-01-02 15:04:05 MST"), printable(s.Silence.Match))
		return nil
	}
	return cmd
}

// condition makes a condition of arguments: one of them is one already, unless all are name=value.
func condition(args []string) string {
	var parts []string
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok || strings.HasPrefix(value, "=") || strings.ContainsAny(name, " !<>&|\"(") {
			return strings.Join(args, " ")
		}
		parts = append(parts, name+" == "+quoteHCL(value))
	}
	return strings.Join(parts, " && ")
}

// quoteHCL writes a text as one of HCL's.
func quoteHCL(text string) string {
	return strings.NewReplacer("${", "$${", "%{", "%%{").Replace(strconv.Quote(text))
}

func newSilenceList() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List silences that hold", Args: cobra.NoArgs}
	a := newAsks(cmd)
	all := cmd.Flags().Bool("all", false, "list those that have ended within the last 30 days as well")
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		silences, err := ask[[]*incident.Silence](cmd, a, http.MethodGet, "/v1/silences", nil, "its silences")
		if err != nil {
			return err
		}
		shown := []*incident.Silence{}
		for _, s := range silences {
			if *all || s.Active(time.Now()) {
				shown = append(shown, s)
			}
		}
		header := []string{"SILENCE", "UNTIL", "AUTHOR", "MATCH", "REASON", "HITS"}
		var rows [][]string
		for _, s := range shown {
			until := output.moment(s.Until)
			switch {
			case !s.Expired.IsZero():
				until = "ended " + output.moment(s.Expired)
			case len(s.Incidents) > 0:
				until = "resolved, or " + until
			}
			rows = append(rows, []string{s.ID, until, s.Author, s.Match, s.Reason, strconv.Itoa(s.Hits)})
		}
		return printList(cmd.OutOrStdout(), *output, shown, header, rows, "Nothing is silenced.")
	}
	return cmd
}

func newSilenceExpire() *cobra.Command {
	cmd := &cobra.Command{Use: "expire SILENCE", Short: "End a silence now", Args: cobra.ExactArgs(1)}
	a := newAsks(cmd)
	author := authorFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s, err := ask[*incident.Silence](cmd, a, http.MethodPost, "/v1/silences/expire", map[string]string{"id": args[0], "by": *author}, "the end of a silence")
		if err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "Silence %s has ended: %s\n", s.ID, printable(s.Match))
		return nil
	}
	return cmd
}

func newMaintenance() *cobra.Command {
	cmd := &cobra.Command{Use: "maintenance", Short: "See when windows of maintenance are open"}
	list := &cobra.Command{Use: "list", Short: "List the windows of maintenance that are open, and the next openings", Args: cobra.NoArgs}
	a := newAsks(list)
	ahead := durationFlag(list, "next", 7*24*time.Hour, "how far to look ahead")
	output := outputFlag(list)
	list.RunE = func(cmd *cobra.Command, _ []string) error {
		openings, err := ask[[]alert.Opening](cmd, a, http.MethodGet, fmt.Sprintf("/v1/maintenance?next=%g", ahead.Seconds()), nil, "its maintenance")
		if err != nil {
			return err
		}
		header := []string{"MAINTENANCE", "OPENS", "CLOSES", "ZONE", "OPENS (UTC)", "MATCH"}
		var rows [][]string
		for _, o := range openings {
			opens := o.Opens.Format("Mon 2006-01-02 15:04")
			if o.Open {
				opens = "open since " + o.Opens.Format("15:04")
			}
			rows = append(rows, []string{o.Maintenance, opens, o.Closes.Format("Mon 2006-01-02 15:04"), o.Zone, o.Opens.UTC().Format("2006-01-02 15:04"), o.Match})
		}
		return printList(cmd.OutOrStdout(), *output, openings, header, rows, fmt.Sprintf("No window of maintenance opens within %s.", shortDuration(*ahead)))
	}
	cmd.AddCommand(list)
	return cmd
}

// isRefusal reports whether the daemon has answered, and said no.
func isRefusal(err error) bool {
	var refusal *console.Refusal
	return errors.As(err, &refusal)
}
