package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vedette-monitor/vedette/daemon/app"
	"github.com/vedette-monitor/vedette/daemon/console"
	"github.com/vedette-monitor/vedette/daemon/influx"
)

func newAuditTail() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tail [flags]",
		Short: "Show the newest commands, and then each as it is typed",
		Long: `Show the newest five commands, and then every one within a second of when it is typed: when it starts, and how it ended when it
has. Those of this host come from the daemon directly, with what was before from InfluxDB. With --host, when that is another or
there are several, and with --remote, all come from InfluxDB, which is asked every second: then commands show up as soon as
their daemons have delivered them; one that comes more than ten minutes late is not shown.

The columns are time, host, user, terminal, exit status, duration, directory and command. On a terminal a line is cut to its width, and a
command that runs has the exit status …; when it ends its line is completed if it is the last one, and else a dim line
says how. Piped, nothing is cut, and a command has one line when it starts and one when it has ended; one that has ended within
0.3 seconds has just that. With -o json each state of a row is one object.

What could do something to a terminal is shown as an escape, also if somebody else has written it to InfluxDB. Ctrl-C ends it.`,
		Example: `  vedette audit tail
  vedette audit tail --user root --match 'systemctl (stop|restart)' --since 1h
  vedette audit tail --remote --host web-1 --host web-2 --events
  vedette audit tail --no-follow -n 100 -o json`,
	}
	strict(cmd)
	t := &tail{pluginCall: newPluginCall(cmd, pluginDirFlag(cmd))}
	f := cmd.Flags()
	f.StringArrayVar(&t.hosts, "host", nil, "only commands of this host; may be repeated")
	f.StringArrayVar(&t.users, "user", nil, "only commands of this user; may be repeated")
	f.StringVar(&t.match, "match", "", "only commands that match this regular expression (RE2)")
	since := f.String("since", "", "begin with those since then: how long ago, such as 90m or 7d, or from when: 2026-01-31 or RFC 3339")
	f.IntVarP(&t.newest, "number", "n", 5, "begin with so many of the newest; all with --since, up to 10000")
	f.BoolVar(&t.events, "events", false, "show what happened to the audit, too: shells without a hook, gaps, drops")
	f.StringVarP(&t.output, "output", "o", "text", "how to print: text, or json for rows, one a line")
	f.BoolVar(&t.programs, "programs", false, "show the programs that the kernel saw run, too: each begins with »")
	noFollow := f.Bool("no-follow", false, "end when those that are there were shown")
	f.BoolVar(&t.remote, "remote", false, "show those of all hosts, from InfluxDB")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var err error
		t.errOut, t.follow = cmd.ErrOrStderr(), !*noFollow
		if t.since, err = parseSince(*since, time.Now()); err != nil {
			return &wrongUseError{err}
		}
		if !t.since.IsZero() && !cmd.Flags().Changed("number") {
			t.newest = mostRows
		}
		if _, err := regexp.Compile(t.match); err != nil {
			return &wrongUseError{fmt.Errorf("--match: %w", err)}
		}
		if t.newest < 0 || t.newest > mostRows {
			return &wrongUseError{fmt.Errorf("-n %d: it is 0 to %d", t.newest, mostRows)}
		}
		return t.run(cmd)
	}
	return cmd
}

// mostRows bounds what is asked for at once.
const mostRows = 10_000

// tail is a call of audit tail.
type tail struct {
	*pluginCall
	hosts, users   []string
	match, output  string
	since          time.Time
	newest         int
	events, remote bool
	programs       bool
	follow         bool
	errOut         io.Writer

	store *auditStore
}

func (t *tail) run(cmd *cobra.Command) error {
	if err := t.load(cmd); err != nil {
		return &wrongUseError{err}
	}
	if t.cfg == nil {
		return &wrongUseError{fmt.Errorf("there is no configuration %s that says where daemon and InfluxDB are: name one with --config", *t.path)}
	}
	store, err := openAuditStore(t.cfg)
	if err != nil {
		return err
	}
	defer store.Close()
	t.store = store
	own := ownHost(t.cfg)
	local := !t.remote && !slices.ContainsFunc(t.hosts, func(h string) bool { return h != own })
	if local && len(t.hosts) == 0 && own != "" {
		t.hosts = []string{own}
	}
	args := []string{"tail", "--match", t.match, "--output", t.output}
	for _, h := range t.hosts {
		args = append(args, "--host", h)
	}
	for _, u := range t.users {
		args = append(args, "--user", u)
	}
	if t.events {
		args = append(args, "--events")
	}
	if t.programs {
		args = append(args, "--programs")
	}
	err = t.feed(cmd, args, func(ctx context.Context, send sender) error {
		if local && t.follow {
			return t.fromDaemon(ctx, send)
		}
		return t.fromInfluxDB(ctx, send)
	})
	if cmd.Context().Err() != nil {
		return nil // it was ended
	}
	return err
}

// note tells a person something besides the rows.
func (t *tail) note(format string, args ...any) {
	fmt.Fprintln(t.errOut, printable(fmt.Sprintf(format, args...)))
}

func (t *tail) measurements() []string {
	if t.events {
		return []string{commandsMeasurement, eventsMeasurement}
	}
	return []string{commandsMeasurement}
}

// where are the conditions for rows of a measurement.
func (t *tail) where(measurement string, more ...string) string {
	is := slices.Concat(anyOf("host", t.hosts), anyOf("user", t.users), more)
	if measurement == commandsMeasurement && !t.programs {
		is = append(is, "source::tag != 'exec'", "source::tag != 'audit'")
	}
	if t.match != "" {
		text := map[string]string{commandsMeasurement: "command", eventsMeasurement: "detail"}[measurement]
		is = append(is, text+" =~ "+pattern(t.match))
	}
	if len(is) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(is, " AND ")
}

// history are the newest rows, the oldest first.
func (t *tail) history(ctx context.Context) ([]console.LivePoint, error) {
	if t.newest == 0 {
		return nil, nil
	}
	if !t.since.IsZero() {
		rows, err := t.ask(ctx, t.newest, "time >= "+moment(t.since))
		return rows[max(0, len(rows)-t.newest):], err
	}
	// InfluxDB looks at all that it has before it sorts: so it is asked for the last hour first, and then for what was before.
	var rows []console.LivePoint
	var span []string // what was not asked for yet
	for _, back := range []time.Duration{time.Hour, 24 * time.Hour, 30 * 24 * time.Hour, 0} {
		asked, before := span, time.Now().Add(-back)
		if back > 0 {
			asked = append(span[:len(span):len(span)], "time >= "+moment(before))
		}
		older, err := t.ask(ctx, t.newest-len(rows), asked...)
		if err != nil {
			return nil, err
		}
		rows = append(older, rows...)
		if len(rows) >= t.newest {
			break
		}
		span = []string{"time < " + moment(before)}
	}
	return rows[max(0, len(rows)-t.newest):], nil
}

// columnsOf are the columns that are shown of each measurement: each takes InfluxDB time. Somebody may have written a field with
// the name of a tag.
var columnsOf = map[string]string{
	commandsMeasurement: `host::tag AS host, "user"::tag AS "user", shell::tag AS shell, source::tag AS source, command, cwd, tty, exit_code, duration_us, end_chain_seq, truncated`,
	eventsMeasurement:   `host::tag AS host, "user"::tag AS "user", shell::tag AS shell, source::tag AS source, kind::tag AS kind, detail, count, tty`,
}

// ask asks for the newest rows of each measurement, and returns them in the order of their times.
func (t *tail) ask(ctx context.Context, limit int, conditions ...string) ([]console.LivePoint, error) {
	var q []string
	for _, m := range t.measurements() {
		q = append(q, fmt.Sprintf("SELECT %s FROM %s%s ORDER BY time DESC LIMIT %d", t.columns(m), influx.QuoteName(m), t.where(m, conditions...), limit))
	}
	rows, err := t.store.rows(ctx, strings.Join(q, "; "))
	slices.SortStableFunc(rows, func(a, b console.LivePoint) int { return a.Time.Compare(b.Time) })
	return rows, err
}

func (t *tail) columns(measurement string) string {
	if t.output == "json" {
		return "*"
	}
	return columnsOf[measurement]
}

// fromDaemon sends what was before, and then what the daemon tells.
func (t *tail) fromDaemon(ctx context.Context, send sender) error {
	socket := app.ControlSocket(t.cfg.Daemon.DataDir)
	var newest time.Time // of what was sent
	for first := true; ; first = false {
		live, err := console.FollowPoints(ctx, socket, t.measurements()...)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && first && errors.Is(err, console.ErrNotRunning) && !t.cfg.InfluxDB.Embedded:
			t.note("The daemon is not running here: commands come from InfluxDB.")
			return t.fromInfluxDB(ctx, send)
		case err != nil && first:
			return err
		case err == nil:
			if err = t.pass(ctx, live, &newest, send); err != nil || ctx.Err() != nil {
				return err
			}
			t.note("The daemon has ended; what comes is shown when it runs again.")
		}
		if !pause(ctx, time.Second) {
			return nil
		}
	}
}

// pass sends what was before and what the daemon tells, until that ends. newest is the time of the newest row that was sent.
func (t *tail) pass(ctx context.Context, live *console.Live, newest *time.Time, send sender) error {
	defer live.Close()
	rows := make(chan console.LivePoint)
	go func() {
		defer close(rows)
		for {
			p, err := live.Next()
			if err != nil {
				return
			}
			select {
			case rows <- p:
			case <-ctx.Done():
				return
			}
		}
	}()
	defer func() {
		live.Close()
		for range rows { // until whoever sends has ended
		}
	}()
	past := func() ([]console.LivePoint, error) {
		// What comes now waits for it.
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		if newest.IsZero() {
			return t.history(ctx)
		}
		return t.ask(ctx, mostRows, "time > "+moment(*newest))
	}
	// What the daemon had taken before it was asked comes through InfluxDB alone, and may be under way to it still.
	const again = 2
	for i, due := 0, time.After(0); ; {
		var got []console.LivePoint
		now := rows
		if i == 0 {
			now = nil // what was before comes first
		}
		select {
		case <-ctx.Done():
			return nil
		case <-due:
			var err error
			if got, err = past(); ctx.Err() != nil {
				return nil
			} else if err != nil {
				t.note("What was before is not shown: %v", err)
			}
			due = nil
			if i++; i <= again {
				due = time.After(time.Duration(i) * time.Second)
			}
		case p, ok := <-now:
			if !ok {
				return nil
			}
			got = []console.LivePoint{p}
		}
		for _, row := range got {
			if row.Lost == 0 && i > again {
				*newest = maxTime(*newest, row.Time)
			}
			if err := send(row); err != nil {
				return err
			}
		}
		if i == 1 && newest.IsZero() {
			// From here on everything is shown, wherever it comes from.
			*newest = time.Now()
			if len(got) > 0 {
				*newest = got[len(got)-1].Time
			}
		}
	}
}

// pause waits, and says whether to go on.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

const (
	// polled is how often InfluxDB is asked for new rows: for those since the newest, and a bit before.
	polled  = time.Second
	overlap = 10 * time.Second
	// swept is how often it is asked for those that come late, or that have ended since they were shown.
	swept     = 15 * time.Second
	lateness  = 10 * time.Minute
	mostAwake = 64 // commands that run and are asked for one by one
)

// fromInfluxDB sends what is in InfluxDB, and then what comes there.
func (t *tail) fromInfluxDB(ctx context.Context, send sender) error {
	rows, err := t.history(ctx)
	if err != nil {
		return err
	}
	runs := map[string]console.LivePoint{} // commands that have not ended
	newest := time.Now().Add(-overlap)
	from := newest // nothing older is new
	pass := func(rows []console.LivePoint) error {
		for _, row := range rows {
			newest = maxTime(newest, row.Time)
			if key := seriesOf(row) + row.Time.String(); row.Measurement == commandsMeasurement && !hasEnded(row) {
				runs[key] = row
			} else {
				delete(runs, key)
			}
			if err := send(row); err != nil {
				return err
			}
		}
		return nil
	}
	if err := pass(rows); err != nil || !t.follow {
		return err
	}
	if len(rows) > 0 {
		from = rows[len(rows)-1].Time
	}
	away := false
	for sweep := time.Now(); pause(ctx, polled); {
		back := overlap
		if time.Since(sweep) > swept {
			sweep, back = time.Now(), lateness
		}
		rows, err := t.ask(ctx, mostRows, "time > "+moment(maxTime(newest.Add(-back), from.Add(-1))))
		if err == nil && back == lateness {
			var ended []console.LivePoint
			ended, err = t.ended(ctx, runs)
			rows = append(ended, rows...)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !away:
			t.note("%v; commands are shown when it answers again", err)
		case err == nil && away:
			t.note("InfluxDB answers again.")
		}
		away = err != nil
		if err := pass(rows); err != nil {
			return err
		}
	}
	return nil
}

func hasEnded(r console.LivePoint) bool {
	for _, field := range []string{"exit_code", "duration_us", "end_chain_seq"} {
		if _, ok := r.Fields[field]; ok {
			return true
		}
	}
	return false
}

// ended are those of the commands that have ended meanwhile. Of too many the oldest are given up.
func (t *tail) ended(ctx context.Context, runs map[string]console.LivePoint) ([]console.LivePoint, error) {
	for len(runs) > mostAwake {
		oldest := ""
		for key, row := range runs {
			if oldest == "" || row.Time.Before(runs[oldest].Time) {
				oldest = key
			}
		}
		delete(runs, oldest)
	}
	var q []string
	for _, row := range runs {
		is := []string{"time = " + moment(row.Time)}
		for _, tag := range []string{"host", "user", "shell", "source"} {
			is = append(is, influx.QuoteName(tag)+"::tag = "+influx.QuoteText(row.Tags[tag]))
		}
		q = append(q, "SELECT "+t.columns(commandsMeasurement)+" FROM shell_command WHERE "+strings.Join(is, " AND "))
	}
	if len(q) == 0 {
		return nil, nil
	}
	rows, err := t.store.rows(ctx, strings.Join(q, "; "))
	return slices.DeleteFunc(rows, func(r console.LivePoint) bool { return !hasEnded(r) }), err
}
