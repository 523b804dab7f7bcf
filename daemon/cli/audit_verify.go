package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/vedette-monitor/vedette/daemon/console"
	"github.com/vedette-monitor/vedette/daemon/influx"
)

func newAuditVerify() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify [flags]",
		Short: "Verify that nothing which was recorded was altered or deleted",
		Long: `Go through the chain of a host's records from its first link to its last, and name the first place where it does not hold: a row
that is missing, altered, out of order, or that was never recorded. The rows are those in InfluxDB, or with --journal those
on this host.

It needs the first key of the chain, which 'vedette audit key' prints once. Without it nobody can verify, for who could verify could
forge as well. Where the oldest rows are gone for their age, and with --since, it begins where a key of the chain begins.

The exit status is 0 if all is whole, 1 if it is not, and 2 if nothing was verified.`,
		Example: `  vedette audit verify --key /media/safe/web-03.key --host web-03
  pass show audit/web-03 | vedette audit verify --key - --since 168h
  sudo vedette audit verify --journal --key /media/safe/web-03.key`,
	}
	strict(cmd)
	c := newPluginCall(cmd, pluginDirFlag(cmd))
	key := cmd.Flags().String("key", "", "file with the first key, or - for standard input; by default the one that is still on this host")
	journal := cmd.Flags().Bool("journal", false, "verify the journal of this host instead of InfluxDB")
	host := cmd.Flags().String("host", "", "host whose records are meant; by default this one")
	since := cmd.Flags().String("since", "", "how long ago to begin, such as 168h or 30d, or from when: 2026-01-31 or RFC 3339")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		err := c.verify(cmd, verification{Host: *host, Journal: *journal}, *key, *since)
		var ended statusError
		if err == nil || errors.As(err, &ended) {
			return err
		}
		return &wrongUseError{err}
	}
	return cmd
}

// verification is what the plugin's command is told before it gets rows.
type verification struct {
	Key     string `json:"key,omitempty"`
	Host    string `json:"host"`
	Own     bool   `json:"own,omitempty"` // it is this host
	Journal bool   `json:"journal,omitempty"`
	// Kept is how long rows are kept, in seconds; 0 is for ever.
	Kept  float64   `json:"kept,omitempty"`
	Since time.Time `json:"since,omitzero"`
}

func (c *pluginCall) verify(cmd *cobra.Command, v verification, keyFile, since string) (err error) {
	if err := c.load(cmd); err != nil {
		return err
	}
	if v.Key, err = readKey(cmd.InOrStdin(), keyFile); err != nil {
		return err
	}
	if v.Since, err = parseSince(since, time.Now()); err != nil {
		return err
	}
	if v.Journal {
		if v.Host != "" {
			return errors.New("--journal is that of this host: --host names another, perhaps")
		}
		v.Host, v.Own = "this host", true
		return c.feed(cmd, []string{"verify"}, func(_ context.Context, send sender) error { return send(v) })
	}
	if c.cfg == nil {
		return fmt.Errorf("there is no configuration %s that says where InfluxDB is: name one with --config, or verify the --journal", *c.path)
	}
	store, err := openAuditStore(c.cfg)
	if err != nil {
		return err
	}
	defer store.Close()
	if v.Host, err = store.chooseHost(cmd.Context(), v.Host); err != nil {
		return err
	}
	v.Own, v.Kept = v.Host == ownHost(c.cfg), c.cfg.InfluxDB.RecordsRetention.Seconds()
	return c.feed(cmd, []string{"verify"}, func(ctx context.Context, send sender) error {
		if err := send(v); err != nil {
			return err
		}
		if err := store.sendChain(ctx, v, send); err != nil {
			return err
		}
		return send(map[string]bool{"end": true})
	})
}

// sendChain sends the rows of a host in the order of the chain. If that does not begin with the first link, the first row
// is the checkpoint behind which it does.
func (s *auditStore) sendChain(ctx context.Context, v verification, send sender) error {
	first, from, late := uint64(1), time.Unix(0, 0), time.Time{}
	beginning, err := s.find(ctx, v.Host, first)
	if err != nil {
		return err
	}
	if len(beginning) == 0 || beginning[0].Time.Before(v.Since) {
		checkpoints, err := s.rows(ctx, fmt.Sprintf("SELECT * FROM shell_chain WHERE host::tag = %s AND time >= %s AND what = 'epoch' ORDER BY time LIMIT 1",
			influx.QuoteText(v.Host), moment(maxTime(v.Since, from))))
		if err != nil {
			return err
		}
		if len(checkpoints) == 0 {
			return errors.New("InfluxDB has no checkpoint of the chain to begin at: choose an earlier --since, or none")
		}
		first = linksOf(checkpoints[0]).seq + 1
		// Rows of commands that had begun before are looked for one by one where they began still earlier.
		from, late = checkpoints[0].Time.Add(-time.Hour), checkpoints[0].Time
		if err := send(checkpoints[0]); err != nil {
			return err
		}
	}
	return s.rowsOfChain(v.Host, from).inOrder(ctx, first, late, mostAside, func(row console.LivePoint) error { return send(row) })
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// readKey reads a key from a file, or from standard input; "" if none is named.
func readKey(in io.Reader, name string) (string, error) {
	const longest = 4096
	switch name {
	case "":
		return "", nil
	case "-":
	default:
		file, err := os.Open(name)
		if err != nil {
			return "", fmt.Errorf("reading the key: %w", err)
		}
		defer func() { _ = file.Close() }()
		in = file
	}
	text, err := io.ReadAll(io.LimitReader(in, longest))
	if err != nil {
		return "", fmt.Errorf("reading the key: %w", err)
	}
	if key := strings.TrimSpace(string(text)); key != "" {
		return key, nil
	}
	return "", errors.New("reading the key: there is none")
}

// parseSince reads how long ago, or from when; the zero time for "".
func parseSince(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n float64
		if _, err := fmt.Sscanf(days+"\n", "%g\n", &n); err == nil && n >= 0 {
			return now.Add(-time.Duration(n * 24 * float64(time.Hour))), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.DateOnly, "2006-01-02 15:04", time.DateTime, time.RFC3339} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("--since %q is neither how long ago, such as 90m, 24h or 7d, nor from when, such as 2026-01-31 or 2026-01-31T15:04:05Z", text)
}

// sender sends a line to the plugin's command.
type sender func(line any) error

// statusError is the exit status of a plugin's command that has said all.
type statusError int

func (e statusError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// feed runs a command of the audit's, and lets fill send it lines of JSON until that returns. When the command has ended, what
// fill has to say does not matter: the command has not waited for more.
func (c *pluginCall) feed(cmd *cobra.Command, args []string, fill func(context.Context, sender) error) error {
	command, err := c.command(auditPlugin, args...)
	if err != nil {
		return &wrongUseError{err}
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(cmd.Context())
	filled := make(chan error, 1)
	go func() {
		lines := json.NewEncoder(w)
		lines.SetEscapeHTML(false)
		err := fill(ctx, lines.Encode)
		_ = w.Close()
		if ctx.Err() != nil || errors.Is(err, syscall.EPIPE) {
			err = nil
		}
		filled <- err
	}()
	status, err := command.Run(cmd.Context(), r, cmd.OutOrStdout(), cmd.ErrOrStderr())
	_ = r.Close() // whoever still writes ends
	cancel()
	// A command that did not get all it needs does not say why: that is known here.
	if filling := <-filled; filling != nil {
		return filling
	}
	if err == nil && status != 0 {
		return statusError(status)
	}
	return err
}
