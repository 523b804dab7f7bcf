package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/vedette-monitor/vedette/daemon/app"
	"github.com/vedette-monitor/vedette/daemon/config"
	"github.com/vedette-monitor/vedette/daemon/point"
	"github.com/vedette-monitor/vedette/daemon/supervisor"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

func newPluginRun(version string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run BINARY --config FILE",
		Short: "Run a plugin without a daemon and print its points as line protocol",
		Long: `Run the plugin with its block of a configuration, under the daemon's own supervision but without its disk and
InfluxDB, and print each point as line protocol when it comes. Points that the daemon would refuse, and fields that it
would leave out, are named on standard error. Ctrl-C stops it.`,
		Args: cobra.ExactArgs(1),
	}
	path := cmd.Flags().String("config", "config.hcl", "configuration with a block for the plugin")
	settings := variableFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		p, err := blockOf(cmd, *path, *settings, args[0])
		if err != nil {
			return err
		}
		dir, err := os.MkdirTemp("", "vedette")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		s := supervisor.New(supervisor.Options{
			RunDir:   filepath.Join(dir, "run"),
			StateDir: filepath.Join(dir, "state"),
			Logger:   newLogger(config.Daemon{LogLevel: "debug"}, cmd.ErrOrStderr()),
			Version:  version,
		})
		// A reader that goes away, such as head, ends the command, and not the process before it has cleaned up.
		signal.Ignore(syscall.SIGPIPE)
		ctx, cancel := context.WithCancel(cmd.Context())
		defer cancel()
		printer := &linePrinter{out: cmd.OutOrStdout(), errOut: cmd.ErrOrStderr(), stop: cancel, declared: point.NewDeclared(p.Manifest.Measurements)}
		s.Apply([]supervisor.Plugin{{Spec: app.Spec(*p, args[0]), Intake: printer}})
		return s.Run(ctx)
	}
	return cmd
}

// linePrinter is an intake that prints points instead of storing them.
type linePrinter struct {
	mu          sync.Mutex
	out, errOut io.Writer
	stop        func() // when nobody reads any more
	point       point.Point
	declared    *point.Declared
}

// Take implements supervisor.Intake.
func (l *linePrinter) Take(points [][]byte, done func([]*wire.Refusal)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var refused []*wire.Refusal
	for i, raw := range points {
		err := l.point.Unmarshal(raw)
		if err == nil {
			_, err = l.point.Check()
		}
		if err == nil {
			var leftOut error
			if _, leftOut, err = l.declared.Hold(&l.point); leftOut != nil && err == nil {
				fmt.Fprintf(l.errOut, "left out a field: %s\n", printable(leftOut.Error()))
			}
		}
		if err != nil {
			fmt.Fprintf(l.errOut, "refused a point: %s\n", printable(err.Error()))
			refused = append(refused, &wire.Refusal{Index: uint32(i), Reason: err.Error()})
			continue
		}
		if _, err := fmt.Fprintf(l.out, "%s\n", l.point.AppendLine(nil)); err != nil {
			l.stop()
		}
	}
	done(refused)
}
