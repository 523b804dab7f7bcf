package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	"github.com/vedette-monitor/vedette/daemon/app"
	"github.com/vedette-monitor/vedette/daemon/config"
	"github.com/vedette-monitor/vedette/daemon/console"
)

func newRun(version string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the daemon in the foreground",
		Args:  cobra.NoArgs,
	}
	path := configFlag(cmd)
	settings := variableFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		// From the first moment to the last one: it never ends the daemon.
		hangups := make(chan os.Signal, 1)
		signal.Notify(hangups, syscall.SIGHUP)
		defer signal.Stop(hangups)
		cfg, diags := app.Load(*path, *settings...)
		cfg, err := checked(cmd, cfg, diags)
		if err != nil {
			return err
		}
		// What the daemon, its plugins and InfluxDB write is for their user alone, whatever the shell's mask is. The
		// private InfluxDB knows no other way.
		syscall.Umask(0o077)
		if os.Getenv("GOGC") == "" {
			// What the daemon keeps is little, and what passes through it is much: so collecting twice as often costs little, and
			// a plugin that sends all that it may makes the daemon less large.
			debug.SetGCPercent(50)
		}
		daemon := app.New(cfg, app.Options{
			Version: version,
			Logger:  newLogger(cfg.Daemon, cmd.ErrOrStderr()),
			Load:    func() (*app.Configuration, config.Diagnostics) { return app.Load(*path, *settings...) },
		})
		ctx, cancel := context.WithCancel(cmd.Context())
		var attending sync.WaitGroup
		attending.Go(func() { reloadOnHangup(ctx, hangups, daemon) })
		attending.Go(func() {
			select {
			case <-daemon.Ready():
				greet(cmd.OutOrStdout(), daemon.Status(), *path)
			case <-ctx.Done():
			}
		})
		err = daemon.Run(ctx)
		cancel()
		attending.Wait()
		return err
	}
	return cmd
}

// reloadOnHangup reloads the configuration at every SIGHUP. What is wrong with it is logged. One that came while the daemon started is done
// when it runs, and one that comes while it stops is nothing.
func reloadOnHangup(ctx context.Context, hangups <-chan os.Signal, daemon *app.App) {
	select {
	case <-ctx.Done():
		return
	case <-daemon.Ready():
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			daemon.Reload()
		}
	}
}

func newLogger(cfg config.Daemon, out io.Writer) hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{
		Name:       "vedette",
		Level:      hclog.LevelFromString(cfg.LogLevel),
		JSONFormat: cfg.LogFormat == "json",
		Output:     out,
	})
}

// greet says what runs, where the data is, and what to type next.
func greet(out io.Writer, st console.Status, path string) {
	var b strings.Builder
	fmt.Fprintf(&b, "\nVedette %s is running, with process id %d. Ctrl-C stops it.\n\n", st.Version, st.Pid)
	for _, p := range st.Plugins {
		fmt.Fprintf(&b, "  plugin    %s: %s\n", p.Name, p.State)
		if p.Cause != "" {
			fmt.Fprintf(&b, "            %s\n", p.Cause)
		}
	}
	kind := "your own"
	if st.InfluxDB.Embedded {
		kind = "embedded"
	}
	fmt.Fprintf(&b, "  InfluxDB  %s (%s, bucket %s): %s\n", st.InfluxDB.URL, kind, st.InfluxDB.Bucket, st.InfluxDB.State)
	fmt.Fprintf(&b, "  data      %s\n", st.DataDir)
	fmt.Fprintf(&b, "  health    %s\n", st.Health)

	fmt.Fprintf(&b, "\nIn another terminal:\n\n")
	with := ""
	if path != "config.hcl" {
		with = " --config " + path
	}
	fmt.Fprintf(&b, "  %s status%s\n", program(), with)
	fmt.Fprintf(&b, "  %s query%s 'SELECT total_time, http_code, up FROM http_quality ORDER BY time DESC LIMIT 3'\n", program(), with)
	fmt.Fprintf(&b, "\nTo watch a site of yours, add a target to %s and type `%s reload%s`.\n\n", shown(path), program(), with)
	_, _ = io.WriteString(out, b.String())
}

// shown is the path as a person would look for it: relative to where they are, if it is near.
func shown(path string) string {
	if dir, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(dir, path); err == nil && !strings.HasPrefix(rel, "..") {
			return rel
		}
	}
	return path
}
