package cli

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/vedette-monitor/vedette/daemon/alert"
	"github.com/vedette-monitor/vedette/daemon/alert/incident"
	"github.com/vedette-monitor/vedette/daemon/alert/outbox"
)

func newAlertOutbox() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "outbox",
		Short: "Show notices that wait, and those that were given up",
		Args:  cobra.NoArgs,
	}
	a := newAsks(cmd)
	dead := cmd.Flags().Bool("dead", false, "show those that were given up")
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		l, err := ask[alert.Letters](cmd, a, http.MethodGet, "/v1/alerts/outbox", nil, "its outbox")
		if err != nil {
			return err
		}
		out := cmd.OutOrStdout()
		if *output == asJSON {
			return printJSON(out, l)
		}
		notices := l.Waiting
		if *dead {
			notices = l.Dead
		}
		header, rows := noticeRows(notices, *output)
		if *output == asCSV {
			return printCSV(out, header, rows)
		}
		if !*dead && len(l.Queues) > 0 {
			if err := printQueues(cmd, l.Queues); err != nil {
				return err
			}
			fmt.Fprintln(out)
		}
		if len(rows) == 0 {
			text := "No notice waits."
			if *dead {
				text = "No notice was given up."
			}
			_, err := fmt.Fprintln(out, text)
			return err
		}
		return printTable(out, header, rows)
	}
	change := func(use, short, path, done string, args cobra.PositionalArgs) *cobra.Command {
		cmd := &cobra.Command{Use: use, Short: short, Args: args}
		a := newAsks(cmd)
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			id := ""
			if len(args) > 0 {
				id = args[0]
			}
			c, err := ask[alert.Changed](cmd, a, http.MethodPost, path, map[string]string{"id": id}, "a change of its outbox")
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %d\n", done, c.Count)
			return nil
		}
		return cmd
	}
	cmd.AddCommand(
		change("retry [NOTICE]", "Try a notice again that was given up, or all of them", "/v1/alerts/outbox/retry", "tried again", cobra.MaximumNArgs(1)),
		change("drop NOTICE", "Remove a notice that waits or was given up", "/v1/alerts/outbox/drop", "removed", cobra.ExactArgs(1)),
	)
	return cmd
}

func noticeRows(notices []*incident.Notice, output format) (header []string, rows [][]string) {
	header = []string{"NOTICE", "NOTIFIER", "KIND", "ALERTS", "SINCE", "ATTEMPTS", "NEXT", "LAST"}
	for _, n := range notices {
		next := output.moment(n.NotBefore)
		if !n.GivenUp.IsZero() {
			next = "given up " + output.moment(n.GivenUp)
		}
		last := n.LastError
		if n.Why != "" {
			last = n.Why
		}
		if n.LastCode != "" {
			last = n.LastCode + " " + last
		}
		rows = append(rows, []string{n.ID, n.Channel, incident.KindWord(n.Kind), strconv.Itoa(len(n.Items)), output.moment(n.Created), strconv.Itoa(n.Attempts), next, last})
	}
	return header, rows
}

func printQueues(cmd *cobra.Command, queues []outbox.Stats) error {
	header := []string{"NOTIFIER", "WAITING", "OLDEST", "STATE", "LEFT", "GIVEN UP", "LAST ERROR"}
	var rows [][]string
	for _, q := range queues {
		state, left, oldest := "ok", "-", "-"
		switch {
		case q.Open:
			state = "failing for " + q.Failing.Round(time.Second).String()
		case q.InFlight > 0:
			state = "sending"
		}
		if q.Left >= 0 {
			left = strconv.Itoa(q.Left)
		}
		if q.Depth > 0 {
			oldest = q.Oldest.Round(time.Second).String()
		}
		rows = append(rows, []string{q.Channel, strconv.Itoa(q.Depth), oldest, state, left, strconv.Itoa(q.Dead), q.LastError})
	}
	return printTable(cmd.OutOrStdout(), header, rows)
}
