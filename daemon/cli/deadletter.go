package cli

import (
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vedette-monitor/vedette/daemon/config"
	"github.com/vedette-monitor/vedette/daemon/influx"
)

func newDeadLetter() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "deadletter",
		Short: "Look at points that InfluxDB refused, send them again, or drop them",
		Long: `Points that InfluxDB refused are kept in the data directory with its reason, 64 MiB of them at most. Nothing sends them
again by itself: mend the reason first, a field with another type most often.`,
	}
	cmd.AddCommand(newDeadLetterList(), newDeadLetterShow(), newDeadLetterRetry(), newDeadLetterDrop())
	return cmd
}

// letterFlags are the flags of all commands about dead letters.
type letterFlags struct {
	path                      *string
	settings                  *[]config.Setting
	measurement, reason, lane string
	since, until              string
}

func addLetterFlags(cmd *cobra.Command) *letterFlags {
	f := &letterFlags{path: configFlag(cmd), settings: variableFlags(cmd)}
	cmd.Flags().StringVar(&f.measurement, "measurement", "", "only points of this measurement")
	cmd.Flags().StringVar(&f.reason, "reason", "", "only points whose reason holds this text")
	cmd.Flags().StringVar(&f.lane, "lane", "", "only points or records")
	cmd.Flags().StringVar(&f.since, "since", "", "only those refused since a time, 2026-01-02T15:04:05Z, or a while ago, 24h")
	cmd.Flags().StringVar(&f.until, "until", "", "only those refused before a time or a while ago")
	return f
}

// load reads the configuration and what is chosen.
func (f *letterFlags) load(cmd *cobra.Command) (*config.Config, influx.LetterFilter, error) {
	chosen := influx.LetterFilter{Measurement: f.measurement, Reason: f.reason, Lane: influx.Lane(f.lane)}
	switch chosen.Lane {
	case "", influx.Points, influx.Records:
	default:
		return nil, chosen, fmt.Errorf("--lane %q is neither points nor records", f.lane)
	}
	for _, moment := range []struct {
		flag, text string
		to         *time.Time
	}{{"since", f.since, &chosen.Since}, {"until", f.until, &chosen.Until}} {
		t, err := parseMoment(moment.text, time.Now())
		if err != nil {
			return nil, chosen, fmt.Errorf("--%s: %w", moment.flag, err)
		}
		*moment.to = t
	}
	cfg, diags := config.Locate(*f.path, *f.settings, "daemon")
	cfg, err := checked(cmd, cfg, diags)
	return cfg, chosen, err
}

// parseMoment reads a time, or how long ago it was.
func parseMoment(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	return time.Time{}, fmt.Errorf("%q is neither a time such as 2026-01-02T15:04:05Z nor a while such as 24h", text)
}

// eachLetter goes through the chosen letters. What can not be read is said at the end.
func eachLetter(letters iter.Seq2[influx.DeadLetter, error], chosen influx.LetterFilter, do func(influx.DeadLetter)) error {
	var damaged []error
	for l, err := range letters {
		if err != nil {
			damaged = append(damaged, err)
		} else if chosen.Match(l) {
			do(l)
		}
	}
	if len(damaged) > 3 {
		damaged = append(damaged[:3], fmt.Errorf("and %d more", len(damaged)-3))
	}
	return errors.Join(damaged...)
}

// legible writes a text so that it is seen as it is and does nothing to a terminal: what does not print becomes an escape.
func legible(text string) string {
	var b strings.Builder
	for i, r := range text {
		switch {
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\uFFFD' && text[i] != "\uFFFD"[0]:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case printable(string(r)) == string(r):
			b.WriteRune(r)
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u{%x}`, r)
		}
	}
	return b.String()
}
