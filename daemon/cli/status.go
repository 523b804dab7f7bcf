package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vedette-monitor/vedette/daemon/app"
	"github.com/vedette-monitor/vedette/daemon/config"
	"github.com/vedette-monitor/vedette/daemon/console"
	"github.com/vedette-monitor/vedette/daemon/tally"
)

func newStatus() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show how the running daemon is: plugins, queue, InfluxDB",
		Args:  cobra.NoArgs,
	}
	path := configFlag(cmd)
	settings := variableFlags(cmd)
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, diags := config.Locate(*path, *settings, "daemon")
		cfg, err := checked(cmd, cfg, diags)
		if err != nil {
			return err
		}
		st, err := console.FetchStatus(cmd.Context(), app.ControlSocket(cfg.Daemon.DataDir))
		if err != nil {
			return err
		}
		header, rows := pluginRows(st.Plugins)
		switch *output {
		case asJSON:
			return printJSON(cmd.OutOrStdout(), st)
		case asCSV:
			return printCSV(cmd.OutOrStdout(), header, rows)
		}
		return printStatus(cmd.OutOrStdout(), st, header, rows)
	}
	return cmd
}

func pluginRows(plugins []console.Plugin) (header []string, rows [][]string) {
	header = []string{"PLUGIN", "VERSION", "STATE", "SINCE", "PID", "POINTS", "REFUSED", "RESTARTS"}
	for _, p := range plugins {
		pid := "-"
		if p.Pid != 0 {
			pid = strconv.Itoa(p.Pid)
		}
		rows = append(rows, []string{
			p.Name, p.Version, p.State, age(p.Since), pid,
			strconv.FormatUint(p.Points, 10), strconv.FormatUint(p.Refused, 10), strconv.Itoa(p.Restarts),
		})
	}
	return header, rows
}

func printStatus(out io.Writer, st console.Status, header []string, rows [][]string) error {
	fmt.Fprintf(out, "Vedette %s, process %d, up %s\n\n", st.Version, st.Pid, age(st.Started))
	if st.Problem != "" {
		fmt.Fprintf(out, "PROBLEM: %s\n\n", printable(st.Problem))
	}
	if err := printTable(out, header, rows); err != nil {
		return err
	}
	for _, p := range st.Plugins {
		printNotes(out, p)
	}
	printAlertSummary(out, st.Alerts)
	fmt.Fprintf(out, "InfluxDB  %s, bucket %s: %s for %s\n", st.InfluxDB.URL, st.InfluxDB.Bucket, st.InfluxDB.State, age(st.InfluxDB.Since))
	if st.InfluxDB.Error != "" {
		fmt.Fprintf(out, "          last error: %s\n", printable(st.InfluxDB.Error))
	}
	fmt.Fprintf(out, "          %d points stored, %d set aside, %d too old\n", st.InfluxDB.Stored, st.InfluxDB.Rejected, st.InfluxDB.Expired)
	printRefusals(out, st.InfluxDB)
	printSetup(out, st.InfluxDB)
	printQueue(out, st.Queue)
	fmt.Fprintf(out, "Data      %s\n", st.DataDir)
	return nil
}

// printNotes prints what is to be said of a plugin besides its row.
func printNotes(out io.Writer, p console.Plugin) {
	if p.Cause != "" {
		fmt.Fprintf(out, "\n%s is in state %s: %s\n", p.Name, p.State, printable(p.Cause))
	}
	for _, note := range []struct {
		count uint64
		text  string
	}{
		{p.SkippedTicks, "%s skipped %d ticks, because collecting took longer than its interval"},
		{p.DroppedPoints, "%s dropped %d points itself, because they were too large or not taken in time"},
		{p.DroppedFields, "of %s %d fields were left out, because their numbers were not finite"},
		{p.LostLines, "of the log of %s %d lines were dropped or cut, because there were too many or they were too long"},
	} {
		if note.count > 0 {
			fmt.Fprintf(out, "\n"+note.text+"\n", p.Name, note.count)
		}
	}
	if p.Refused > 0 {
		fmt.Fprintf(out, "\n%d points of %s were refused; the last because %s\n", p.Refused, p.Name, printable(p.RefusedReason))
	}
	printReasons(out, "Not all that "+p.Name+" sends is stored:", p.Reasons)
	printReasons(out, "Processes of "+p.Name+" have ended:", p.Ends)
}

// printRefusals prints why points were set aside, and what became of those.
func printRefusals(out io.Writer, db console.InfluxDB) {
	if db.Refused != nil {
		fmt.Fprintf(out, "          set aside last, %s ago: %s; see `vedette deadletter list`\n", age(*db.Refused), printable(db.Refusal))
	}
	if db.LettersDropped > 0 {
		fmt.Fprintf(out, "          %s dropped to make room for newer ones\n", counted(int(db.LettersDropped), "dead letter"))
	}
}

// printSetup prints what somebody has to do about InfluxDB.
func printSetup(out io.Writer, db console.InfluxDB) {
	for _, f := range db.WrongFields {
		fmt.Fprintf(out, "          field %s of %s comes as %s, InfluxDB has %s: %d points set aside for %s\n",
			printable(f.Field), printable(f.Measurement), printable(f.Given), printable(f.Existing), f.Points, age(f.Since))
	}
	if db.SetupProblem != "" {
		fmt.Fprintf(out, "          not set up: %s\n", printable(db.SetupProblem))
	}
	for _, difference := range db.Differences {
		fmt.Fprintf(out, "          differs: %s\n", printable(difference))
	}
	if len(db.Needed) > 0 {
		fmt.Fprintln(out, "          the token may not set it up; an administrator has to run:")
		for _, statement := range db.Needed {
			fmt.Fprintf(out, "            %s\n", printable(statement))
		}
	}
}

// printReasons prints what happened how often, and the newest example where it says more than the reason.
func printReasons(out io.Writer, head string, reasons []tally.Entry) {
	if len(reasons) > 0 {
		fmt.Fprintf(out, "\n%s\n", printable(head))
	}
	for _, r := range reasons {
		fmt.Fprintf(out, "  %d × %s\n", r.Count, printable(r.Reason))
		if r.Last != r.Reason {
			fmt.Fprintf(out, "      last: %s\n", printable(r.Last))
		}
	}
}

func printQueue(out io.Writer, q console.Queue) {
	fmt.Fprintf(out, "Queue     %s", lane(q.Lane))
	if q.Points > 0 {
		fmt.Fprintf(out, "; %s of %s are in use", size(q.DiskBytes), size(q.MaxBytes))
	}
	fmt.Fprintln(out)
	if q.Records.Points > 0 {
		fmt.Fprintf(out, "          of these are records: %s\n", lane(q.Records))
	}
	if q.Lost > 0 {
		fmt.Fprintf(out, "          %d points were lost to damage on disk\n", q.Lost)
	}
	if q.Dropped > 0 {
		fmt.Fprintf(out, "          %d points were dropped because it was full, %d of them records: %s\n", q.Dropped, q.Records.Dropped, size(q.DroppedBytes))
	}
}

func lane(l console.Lane) string {
	s := fmt.Sprintf("%d points, %s", l.Points, size(l.Bytes))
	if l.Points > 0 {
		s += fmt.Sprintf(", the oldest for %s", time.Duration(l.OldestAge*float64(time.Second)).Round(time.Millisecond))
	}
	return s
}

// age is how long ago t was, in the two units that matter.
func age(t time.Time) string {
	d := time.Since(t)
	switch {
	case d < time.Minute:
		return d.Truncate(time.Second).String()
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%dh", int(d.Hours())/24, int(d.Hours())%24)
}

// size prints a number of bytes.
func size(n int64) string {
	for _, unit := range []string{"B", "KiB", "MiB"} {
		if n < 1024 {
			return fmt.Sprintf("%d %s", n, unit)
		}
		n /= 1024
	}
	return fmt.Sprintf("%d GiB", n)
}

// printAlertSummary prints what fires, and why somebody may not hear of it.
func printAlertSummary(out io.Writer, a console.Alerts) {
	text := "nothing fires"
	if a.Firing > 0 {
		text = fmt.Sprintf("%d fire", a.Firing)
		if a.Firing == 1 {
			text = "1 fires"
		}
	}
	if a.Suppressed > 0 {
		text += fmt.Sprintf(", %d of them suppressed", a.Suppressed)
	}
	if a.Acked > 0 {
		text += fmt.Sprintf(", %d acknowledged", a.Acked)
	}
	if a.Waiting > 0 {
		wait := "wait"
		if a.Waiting == 1 {
			wait = "waits"
		}
		text += fmt.Sprintf("; %s %s", counted(a.Waiting, "notice"), wait)
	}
	fmt.Fprintf(out, "\nAlerts    %s (%d rules)\n", text, a.Rules)
	if len(a.Failing) > 0 {
		fmt.Fprintf(out, "          not delivering: %s; see `vedette alert outbox`\n", printable(strings.Join(a.Failing, ", ")))
	}
	if a.Problem != "" {
		fmt.Fprintf(out, "          PROBLEM: %s\n", printable(a.Problem))
	}
}
