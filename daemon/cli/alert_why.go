package cli

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vedette-monitor/vedette/daemon/alert"
)

func newAlertWhy() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "why CONDITION | LABEL=VALUE…",
		Short: "Show why instances of alerts fire or do not: each condition with its values, verdicts, votes and routes",
		Long: `Show of each instance of an alert that the condition matches what it is and why: the last verdicts, the votes of a quorum, the parts of its
conditions with the values of the newest sample that InfluxDB has, what keeps it quiet, and who would be told.`,
		Example: `  vedette alert why 'alert == "site_bad" && target == "shop"'
  vedette alert why target=shop isp=ct`,
		Args: cobra.MinimumNArgs(1),
	}
	a := newAsks(cmd)
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		reasons, err := ask[[]alert.Reason](cmd, a, http.MethodGet, "/v1/alerts/why?match="+url.QueryEscape(condition(args)), nil, "its reasons")
		if err != nil {
			return err
		}
		if *output == asJSON {
			return printJSON(cmd.OutOrStdout(), reasons)
		}
		if len(reasons) == 0 {
			fmt.Fprintln(cmd.OutOrStdout(), "No instance of an alert matches: none of its points has come yet.")
		}
		for i := range reasons {
			if i > 0 {
				fmt.Fprintln(cmd.OutOrStdout())
			}
			printReason(cmd.OutOrStdout(), &reasons[i])
		}
		return nil
	}
	return cmd
}

func printReason(out io.Writer, r *alert.Reason) {
	st := &r.Status
	line := func(name, format string, args ...any) {
		fmt.Fprintf(out, "  %-9s %s\n", name, printable(fmt.Sprintf(format, args...)))
	}
	state := r.State
	if !st.Since.IsZero() {
		state += " since " + clock(st.Since)
	}
	if st.Flapping {
		state += ", flapping"
	}
	if st.Broken {
		state += ", its condition is unknown again and again"
	}
	fmt.Fprintf(out, "%s %s: %s\n", printable(r.Alert), printable(pairs(r.Tags)), printable(state))
	if st.Ring != "" {
		line("verdicts", "%s (newest last; b bad, g good), %d of %d bad", st.Ring, st.Bad, st.Of)
	}
	if st.Good > 0 {
		line("recovers", "%d good in a row since %s", st.Good, clock(st.GoodSince))
	}
	heard := clock(st.Heard)
	if st.Usual > 0 {
		heard += ", usually every " + st.Usual.Round(time.Millisecond).String()
	}
	if st.Stale {
		heard += "; none came for much longer than usual, so it is held as it is"
	}
	line("sample", "%s", heard)
	for _, v := range st.Votes {
		line("vote", "%s: %s (%s), heard %s", v.Name, v.Says, v.Ring, clock(v.Heard))
	}
	if r.NoSample != "" {
		line("values", "%s", r.NoSample)
	}
	for _, c := range r.Explain {
		line(c.What, "%s  →  %s", c.Text, c.Truth.String())
		for _, t := range c.Terms {
			value := t.Value
			if value == "" {
				value = t.Truth.String()
			}
			line("", "  %s = %s", t.Text, value)
		}
	}
	if i := r.Incident; i != nil {
		told := strings.Join(slices.Sorted(maps.Keys(i.Told)), ", ")
		if told == "" {
			told = "nobody"
		}
		line("incident", "%s, told %s", i.ID, told)
		if len(i.Told)+len(i.Suppressed) == 0 && !i.Quiet.IsZero() {
			line("waits", "for a bad sample of after %s, until when it was quiet by %s", clock(i.Quiet), i.QuietBy)
		}
		for _, s := range i.Suppressed {
			line("quiet", "%s", s)
		}
		if i.Ack != nil {
			line("acked", "by %s", i.Ack.By)
		}
	}
	for _, w := range r.Ways {
		for _, s := range w.Steps {
			when := "at once"
			if s.After > 0 {
				when = "after " + shortDuration(s.After)
			}
			to := strings.Join(s.To, ", ")
			if to == "" {
				to = "nobody"
			}
			line("route", "%s: %s to %s", w.Route, when, to)
		}
	}
}
