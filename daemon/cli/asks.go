package cli

import (
	"fmt"
	"maps"
	"os"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vedette-monitor/vedette/daemon/app"
	"github.com/vedette-monitor/vedette/daemon/config"
	"github.com/vedette-monitor/vedette/daemon/console"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// asks is a command that asks the running daemon.
type asks struct {
	path     *string
	settings *[]config.Setting
}

// newAsks gives cmd the flags that say which daemon is meant.
func newAsks(cmd *cobra.Command) *asks {
	return &asks{configFlag(cmd), variableFlags(cmd)}
}

// ask asks the daemon, and sends what it needs for that.
func ask[T any](cmd *cobra.Command, a *asks, method, path string, send any, what string) (answer T, err error) {
	cfg, diags := config.Locate(*a.path, *a.settings, "daemon")
	if cfg, err = checked(cmd, cfg, diags); err != nil {
		return answer, err
	}
	return console.Ask[T](cmd.Context(), app.ControlSocket(cfg.Daemon.DataDir), method, path, send, what)
}

// authorFlag is who does something that others will want to know of.
func authorFlag(cmd *cobra.Command) *string {
	name := os.Getenv("SUDO_USER")
	if name == "" {
		if u, err := user.Current(); err == nil {
			name = u.Username
		}
	}
	return cmd.Flags().String("author", name, "who does this")
}

// durationFlag adds a flag with a duration, such as 90m, 2h or 7d.
func durationFlag(cmd *cobra.Command, name string, value time.Duration, usage string) *time.Duration {
	d := durationValue(value)
	cmd.Flags().Var(&d, name, usage)
	return (*time.Duration)(&d)
}

type durationValue time.Duration

// Set implements pflag.Value.
func (d *durationValue) Set(text string) error {
	v, err := wire.ParseDuration(text)
	if err != nil {
		return err
	}
	*d = durationValue(v)
	return nil
}

// String implements pflag.Value.
func (d *durationValue) String() string {
	if *d == 0 {
		return ""
	}
	return shortDuration(time.Duration(*d))
}

// Type implements pflag.Value.
func (d *durationValue) Type() string { return "duration" }

// shortDuration writes a duration as 45s, 15m, 4h or 7d.
func shortDuration(d time.Duration) string {
	d = d.Round(time.Second)
	switch {
	case d >= 48*time.Hour && d%(24*time.Hour) == 0:
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	case d >= time.Hour && d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d >= time.Minute && d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return d.String()
}

// pairs writes a map as name=value, in the order of the names.
func pairs(m map[string]string) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		all = append(all, name+"="+m[name])
	}
	return strings.Join(all, " ")
}

// labelsOf reads name=value arguments.
func labelsOf(args []string) (map[string]string, error) {
	labels := map[string]string{}
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok || name == "" {
			return nil, &wrongUseError{fmt.Errorf("%q is no NAME=VALUE", arg)}
		}
		labels[name] = value
	}
	return labels, nil
}

// moment writes a time as people read it here, or in full for programs.
func (f format) moment(t time.Time) string {
	switch {
	case f != asCSV:
		return clock(t)
	case t.IsZero():
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// clock writes a time of the recent past or near future as people read it here.
func clock(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	t = t.Local()
	if time.Since(t) < 20*time.Hour && time.Until(t) < 20*time.Hour {
		return t.Format("15:04:05")
	}
	return t.Format("2006-01-02 15:04")
}
