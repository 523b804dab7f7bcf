package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vedette-monitor/vedette/daemon/alert/trial"
	"github.com/vedette-monitor/vedette/daemon/app"
	"github.com/vedette-monitor/vedette/daemon/config"
	"github.com/vedette-monitor/vedette/daemon/point"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// tester is the command test.
type tester struct {
	config       *string
	settings     *[]config.Setting
	run, junit   string
	replay, rule string
	output       *format
}

func newTest() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "test FILE…",
		Short: "Test alerts, or replay them over InfluxDB's history",
		Long: `Run the tests of alerts in files, which end in ` + config.TestSuffix + ` by custom: such files are no part of a configuration. A test gives
points to an alert of the configuration, on a clock of its own, and says what has to be so at which time. Nothing is sent, and no daemon
is needed. The exit status is 0 if all tests pass, 1 if one fails, and 2 if the configuration or a file is wrong.

  test "the third bad sample fires, one slow sample does not" {
    rule = alert.site_bad
    input "http_quality" {
      every  = "60s"
      tags   = { target = "shop", isp = "ct" }
      fields = { available = true, http_code = 200 }
      vary "total_time" {
        values = "0.4 2.5x3 _ ? 1.2x2"   # x3 is three of them, _ no point, ? a point that lacks it
      }
    }
    at "3m" {
      state   = "firing"
      summary = "shop is slow"
      told    = [notifier.email.ops]     # since the at before
    }
  }

An input says every, start, count, update, tags, fields, and with blocks vary what differs from point to point, also as a list. An at
has for = { TAG = VALUE } where there are several instances, and any of: state (ok, pending, firing, resolved or none), severity,
summary, detail, link, value, bad, of, who, flapping, stale, broken, events, folded, instances, told. A test may say when it begins
(begin = "2026-03-02T09:00:00+08:00") and expect_no_incident = true.

With --replay the alerts judge what InfluxDB has of the last time, and what would have fired is printed. Alerts with a query are left
out: their queries ask for now.`,
		Example: `  vedette test --config /etc/vedette alerts` + config.TestSuffix + `
  vedette test --run 'quorum|silent' --junit report.xml *` + config.TestSuffix + `
  vedette test --replay 7d --rule site_down`,
	}
	t := &tester{config: configFlag(cmd), settings: variableFlags(cmd)}
	cmd.Flags().StringVar(&t.run, "run", "", "run only the tests whose names match this regular expression")
	cmd.Flags().StringVar(&t.junit, "junit", "", "write a report to this file as JUnit does, for CI")
	cmd.Flags().StringVar(&t.replay, "replay", "", "judge what InfluxDB has of so much time, such as 12h or 7d")
	cmd.Flags().StringVar(&t.rule, "rule", "", "with --replay: only this alert")
	t.output = outputFlag(cmd)
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &wrongUseError{err} })
	cmd.RunE = func(cmd *cobra.Command, files []string) error {
		switch {
		case t.replay != "" && len(files) > 0, t.replay != "" && (t.run != "" || t.junit != ""):
			return &wrongUseError{errors.New("--replay reads no files: it judges what InfluxDB has")}
		case t.replay == "" && t.rule != "":
			return &wrongUseError{errors.New("--rule is for --replay; to choose tests say --run")}
		case t.replay == "" && len(files) == 0:
			return &wrongUseError{errors.New("name a file with tests, or say --replay")}
		case t.replay == "" && *t.output != asTable:
			return &wrongUseError{errors.New("-o is for --replay; for programs there is --junit")}
		case t.replay != "":
			return t.replayed(cmd)
		}
		return t.tested(cmd, files)
	}
	return cmd
}

// load reads the configuration. If it is wrong the exit status is 2: nothing was tested.
func (t *tester) load(cmd *cobra.Command) (*app.Configuration, error) {
	cfg, diags := app.Load(*t.config, *t.settings...)
	return cfg, refused(cmd, diags)
}

func refused(cmd *cobra.Command, diags config.Diagnostics) error {
	if err := diags.Write(cmd.ErrOrStderr()); err != nil {
		return err
	}
	if diags.HasErrors() {
		return statusError(2)
	}
	return nil
}

func (t *tester) tested(cmd *cobra.Command, files []string) error {
	chosen, err := regexp.Compile(t.run)
	if err != nil {
		return &wrongUseError{fmt.Errorf("--run: %w", err)}
	}
	cfg, err := t.load(cmd)
	if err != nil {
		return err
	}
	tests, diags := trial.Read(files, cfg.Policy, cfg.Notifiers)
	if err := refused(cmd, diags); err != nil {
		return err
	}
	var results []trial.Result
	for _, one := range tests {
		if chosen.MatchString(one.Name) && cmd.Context().Err() == nil {
			results = append(results, trial.Run(one, cfg.Policy, cfg.Notifiers))
		}
	}
	if err := cmd.Context().Err(); err != nil {
		return err
	}
	if len(results) == 0 {
		return &wrongUseError{fmt.Errorf("none of %d tests is chosen", len(tests))}
	}
	failed, err := trial.Write(cmd.OutOrStdout(), results)
	if err != nil {
		return err
	}
	if t.junit != "" {
		if err := writeJUnit(t.junit, results); err != nil {
			return fmt.Errorf("write the report %s: %w", t.junit, err)
		}
	}
	if failed > 0 {
		return errSaid
	}
	return nil
}

func writeJUnit(path string, results []trial.Result) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(trial.WriteJUnit(file, results), file.Close())
}

func (t *tester) replayed(cmd *cobra.Command) error {
	seconds, err := wire.ParseText(wire.TypeDuration, t.replay)
	if err != nil || seconds.(float64) <= 0 {
		return &wrongUseError{fmt.Errorf("--replay %q is no duration such as 12h or 7d", t.replay)}
	}
	cfg, err := t.load(cmd)
	if err != nil {
		return err
	}
	to := time.Now()
	from := to.Add(-time.Duration(seconds.(float64) * float64(time.Second)))
	r, err := replayOf(cfg, t.rule)
	if err != nil {
		return &wrongUseError{err}
	}
	if err := r.read(cmd.Context(), cfg, from, to); err != nil {
		return err
	}
	return r.print(cmd.OutOrStdout(), from, to, *t.output)
}

// replay is what alerts would have made of the past.
type replay struct {
	// byMeasurement are the alerts that judge the points of each measurement, and asking those that have a query.
	byMeasurement map[string][]string
	asking        []string

	episodes []*trial.Episode
	unknown  map[string]uint64
	points   int
}

func replayOf(cfg *app.Configuration, only string) (*replay, error) {
	r := &replay{byMeasurement: map[string][]string{}, unknown: map[string]uint64{}}
	var names []string
	for _, a := range cfg.Policy.Alerts {
		names = append(names, a.Name)
		switch {
		case only != "" && a.Name != only:
		case a.Query != nil:
			r.asking = append(r.asking, a.Name)
		default:
			r.byMeasurement[a.From] = append(r.byMeasurement[a.From], a.Name)
		}
	}
	switch {
	case only != "" && !slices.Contains(names, only):
		return nil, fmt.Errorf("--rule: the configuration has no alert %q.%s", only, config.DidYouMean(only, names))
	case only != "" && len(r.asking) > 0:
		return nil, fmt.Errorf("--rule: alert %q has a query, which asks for now", only)
	}
	return r, nil
}

func (r *replay) read(ctx context.Context, cfg *app.Configuration, from, to time.Time) error {
	for measurement, names := range r.byMeasurement {
		one := trial.NewReplay(cfg.Policy, names, from)
		if err := app.History(ctx, cfg.Config, measurement, from, to, func(p *point.Point) error {
			one.Observe(p)
			return ctx.Err()
		}); err != nil {
			return err
		}
		episodes, unknown := one.End(to)
		r.episodes = append(r.episodes, episodes...)
		for name, n := range unknown {
			r.unknown[name] = n
		}
		r.points += one.Points
	}
	slices.SortStableFunc(r.episodes, func(a, b *trial.Episode) int {
		if c := a.From.Compare(b.From); c != 0 {
			return c
		}
		return strings.Compare(a.Alert+a.Labels, b.Alert+b.Labels)
	})
	return nil
}

// total sums up what became of an alert.
type total struct {
	Alert   string        `json:"alert"`
	Times   int           `json:"times"`
	Events  int           `json:"events,omitempty"`
	Firing  time.Duration `json:"-"`
	Seconds float64       `json:"firing_s"`
	Unknown uint64        `json:"unknown,omitempty"`
}

func (r *replay) totals(to time.Time) []total {
	var all []total
	for _, names := range r.byMeasurement {
		for _, name := range names {
			one := total{Alert: name, Unknown: r.unknown[name]}
			for _, e := range r.episodes {
				if e.Alert == name {
					one.Times++
					one.Events += e.Events
					one.Firing += lasted(e, to)
				}
			}
			one.Seconds = one.Firing.Seconds()
			all = append(all, one)
		}
	}
	slices.SortFunc(all, func(a, b total) int { return strings.Compare(a.Alert, b.Alert) })
	return all
}

// lasted is how long an episode fired by the end of the replay; events do not.
func lasted(e *trial.Episode, to time.Time) time.Duration {
	switch {
	case e.Events > 0:
		return 0
	case e.To.IsZero():
		return to.Sub(e.From)
	}
	return e.To.Sub(e.From)
}

func (r *replay) print(out io.Writer, from, to time.Time, output format) error {
	header := []string{"alert", "severity", "labels", "from", "to", "lasted"}
	var rows [][]string
	for _, e := range r.episodes {
		end, long := "still fires", lasted(e, to).Round(time.Second).String()
		switch {
		case e.Events > 0:
			end, long = "", fmt.Sprintf("%d×", e.Events)
		case !e.To.IsZero():
			end = e.To.Local().Format(time.DateTime)
		}
		rows = append(rows, []string{e.Alert, e.Severity, e.Labels, e.From.Local().Format(time.DateTime), end, long})
	}
	switch output {
	case asCSV:
		return printCSV(out, header, rows)
	case asJSON:
		return r.printJSON(out, from, to)
	}
	if len(rows) > 0 {
		if err := printTable(out, header, rows); err != nil {
			return err
		}
		fmt.Fprintln(out)
	}
	for _, one := range r.totals(to) {
		line := fmt.Sprintf("%s: fires %s, for %s", one.Alert, counted(one.Times, "time"), one.Firing.Round(time.Second))
		switch {
		case one.Events > 0:
			line = fmt.Sprintf("%s: %s", one.Alert, counted(one.Events, "event"))
		case one.Times == 0:
			line = fmt.Sprintf("%s: does not fire", one.Alert)
		}
		if one.Unknown > 0 {
			line += fmt.Sprintf("; %d samples could not be judged", one.Unknown)
		}
		fmt.Fprintln(out, line)
	}
	for _, name := range r.asking {
		fmt.Fprintf(out, "%s: left out, for its query asks for now\n", name)
	}
	_, err := fmt.Fprintf(out, "%s from %s to %s.\n", counted(r.points, "point"), from.Local().Format(time.DateTime), to.Local().Format(time.DateTime))
	return err
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func (r *replay) printJSON(out io.Writer, from, to time.Time) error {
	type episode struct {
		Alert    string     `json:"alert"`
		Severity string     `json:"severity"`
		Labels   string     `json:"labels,omitempty"`
		From     time.Time  `json:"from"`
		To       *time.Time `json:"to,omitempty"`
		Seconds  float64    `json:"firing_s"`
		Events   int        `json:"events,omitempty"`
	}
	all := struct {
		From     time.Time `json:"from"`
		To       time.Time `json:"to"`
		Points   int       `json:"points"`
		Episodes []episode `json:"episodes"`
		Totals   []total   `json:"totals"`
		LeftOut  []string  `json:"left_out,omitempty"`
	}{from.UTC(), to.UTC(), r.points, []episode{}, r.totals(to), r.asking}
	for _, e := range r.episodes {
		one := episode{Alert: e.Alert, Severity: e.Severity, Labels: e.Labels, From: e.From.UTC(), Seconds: lasted(e, to).Seconds(), Events: e.Events}
		if !e.To.IsZero() {
			end := e.To.UTC()
			one.To = &end
		}
		all.Episodes = append(all.Episodes, one)
	}
	return printJSON(out, all)
}
