package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

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
		cfg, diags := app.Load(*path, *settings...)
		cfg, err := checked(cmd, cfg, diags)
		if err != nil {
			return err
		}
		daemon := app.New(cfg, version, newLogger(cfg.Daemon, cmd.ErrOrStderr()))
		ctx, cancel := context.WithCancel(cmd.Context())
		var greeting sync.WaitGroup
		greeting.Go(func() {
			select {
			case <-daemon.Ready():
				greet(cmd.OutOrStdout(), daemon.Status(), *path)
			case <-ctx.Done():
			}
		})
		err = daemon.Run(ctx)
		cancel()
		greeting.Wait()
		return err
	}
	return cmd
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
	fmt.Fprintf(&b, "\nTo watch a site of yours, add a target to %s and start again.\n\n", shown(path))
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
