package cli

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vedette-monitor/vedette/daemon/alert"
	"github.com/vedette-monitor/vedette/daemon/alert/incident"
)

func newAlert() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "alert",
		Short: "See what fires and why, acknowledge it, and look after notices",
	}
	cmd.AddCommand(newAlertList(), newAlertShow(), newAlertWhy(), newAlertAck(), newAlertRoute(), newAlertOutbox(), newAlertFire())
	return cmd
}

func newAlertList() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List incidents and what is about to be one",
		Long: `List incidents that fire, and instances of alerts with a bad sample that do not fire yet. The exit status is 0 if nothing
fires, 1 if something does, and 3 if the daemon can not be asked.`,
		Example: `  vedette alert list
  vedette alert list --match 'severity == "critical" && team == "web"'
  vedette alert list --state all -o json`,
		Args: cobra.NoArgs,
	}
	a := newAsks(cmd)
	state := cmd.Flags().String("state", "open", "open, firing, pending, or all, which has those that have ended too")
	match := cmd.Flags().String("match", "", "condition on labels")
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if !slices.Contains([]string{"open", "firing", "pending", "all"}, *state) {
			return &wrongUseError{fmt.Errorf("--state is %q, and has to be open, firing, pending or all", *state)}
		}
		l, err := ask[alert.Listing](cmd, a, http.MethodGet, "/v1/alerts?match="+url.QueryEscape(*match), nil, "its alerts")
		if err != nil {
			return unreachable(cmd, err)
		}
		firing := slices.ContainsFunc(l.Incidents, func(i *incident.Incident) bool { return i.State.Open() })
		l.Incidents = slices.DeleteFunc(l.Incidents, func(i *incident.Incident) bool {
			return *state == "pending" || *state != "all" && !i.State.Open()
		})
		if *state == "firing" {
			l.Pending = nil
		}
		if err := printAlerts(cmd.OutOrStdout(), &l, *output); err != nil {
			return err
		}
		if firing {
			return errSaid
		}
		return nil
	}
	return cmd
}

// unreachable is the end of a command that could not ask the daemon: scripts tell that from an answer.
func unreachable(cmd *cobra.Command, err error) error {
	if isRefusal(err) {
		return err
	}
	fmt.Fprintln(cmd.ErrOrStderr(), "Error:", err)
	return statusError(3)
}

func printAlerts(out io.Writer, l *alert.Listing, output format) error {
	if output == asJSON {
		return printJSON(out, l)
	}
	header := []string{"INCIDENT", "STATE", "SEVERITY", "ALERT", "TAGS", "SINCE", "TOLD", "SUMMARY"}
	var rows [][]string
	for _, i := range l.Incidents {
		rows = append(rows, []string{i.ID, stateOf(i), i.Severity, i.Alert, pairs(i.Tags), output.moment(i.Fired), told(i), i.Summary})
	}
	for _, p := range l.Pending {
		rows = append(rows, []string{"-", "pending", p.Severity, p.Alert, pairs(p.Tags), output.moment(p.Since), "-", fmt.Sprintf("%d of %d bad", p.Bad, p.Of)})
	}
	if output == asCSV {
		return printCSV(out, header, rows)
	}
	if l.Problem != "" {
		fmt.Fprintf(out, "PROBLEM: %s\n\n", printable(l.Problem))
	}
	if l.Holding {
		fmt.Fprint(out, "The daemon has just started; nothing is told yet.\n\n")
	}
	if len(rows) == 0 {
		_, err := fmt.Fprintln(out, "Nothing fires.")
		return err
	}
	return printTable(out, header, rows)
}

func stateOf(i *incident.Incident) string {
	state := string(i.State)
	if i.Ack != nil {
		state += ", acked"
	}
	if len(i.Suppressed) > 0 {
		state += ", " + i.Suppressed[0].Kind
	}
	return state
}

// told are the channels that know of an incident.
func told(i *incident.Incident) string {
	var all []string
	for channel, t := range i.Told {
		switch {
		case t.Failed && !t.Heard:
			channel += " (failed)"
		case t.Pending && !t.Heard:
			channel += " (under way)"
		}
		all = append(all, channel)
	}
	if len(all) == 0 {
		return "-"
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

func newAlertShow() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show INCIDENT",
		Short: "Show an incident: what has happened, and who was told when",
		Long:  `Show an incident by its id, or the beginning of it.`,
		Args:  cobra.ExactArgs(1),
	}
	a := newAsks(cmd)
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		i, err := ask[*incident.Incident](cmd, a, http.MethodGet, "/v1/alerts/incident?id="+url.QueryEscape(args[0]), nil, "an incident")
		if err != nil {
			return err
		}
		if *output == asJSON {
			return printJSON(cmd.OutOrStdout(), i)
		}
		return printIncident(cmd.OutOrStdout(), i)
	}
	return cmd
}

func printIncident(out io.Writer, i *incident.Incident) error {
	lines := [][2]string{
		{"incident", i.ID}, {"alert", i.Alert}, {"state", stateOf(i)}, {"severity", i.Severity}, {"tags", pairs(i.Tags)}, {"labels", pairs(i.Labels)},
		{"summary", i.Summary}, {"detail", i.Detail}, {"link", i.Link}, {"since", i.Fired.Local().Format(time.RFC3339)},
	}
	if !i.Resolved.IsZero() {
		lines = append(lines, [2]string{"until", i.Resolved.Local().Format(time.RFC3339) + ", after " + i.Resolved.Sub(i.Fired).Round(time.Second).String()})
	}
	if i.Ack != nil {
		text := i.Ack.By + " at " + clock(i.Ack.At)
		if i.Ack.Reason != "" {
			text += ": " + i.Ack.Reason
		}
		lines = append(lines, [2]string{"acked", text})
	}
	for _, s := range i.Suppressed {
		lines = append(lines, [2]string{"suppressed", s.String()})
	}
	for _, l := range lines {
		if l[1] != "" {
			fmt.Fprintf(out, "%-11s %s\n", l[0], printable(strings.ReplaceAll(l[1], "\n", " / ")))
		}
	}
	fmt.Fprintln(out)
	for _, e := range i.Log {
		fmt.Fprintf(out, "  %s  %s\n", e.At.Local().Format("2006-01-02 15:04:05"), printable(e.Text))
	}
	return nil
}

func newAlertAck() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ack INCIDENT",
		Short: "Take an incident: nobody else is called, and nobody is reminded",
		Long: `Acknowledge an incident, by its id or the beginning of it. No further step of its receiver is taken, and nobody is reminded of it, until
it resolves, or gets worse, or the time is over that --for gives. Its end is told as ever.`,
		Args: cobra.ExactArgs(1),
	}
	a := newAsks(cmd)
	author := authorFlag(cmd)
	message := cmd.Flags().StringP("message", "m", "", "what others should know")
	period := durationFlag(cmd, "for", 0, "when the acknowledgement ends by itself")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		i, err := ask[*incident.Incident](cmd, a, http.MethodPost, "/v1/alerts/ack", alert.AckRequest{ID: args[0], By: *author, Reason: *message, For: period.Seconds()}, "an acknowledgement")
		if err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s has taken %s: %s\n", printable(i.Ack.By), i.ID, printable(i.Summary))
		return nil
	}
	return cmd
}
