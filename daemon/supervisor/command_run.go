package supervisor

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

// partingTime is how long a command may take to end when it is told to.
const partingTime = 5 * time.Second

// Run runs the command beside this process, which feeds it, and returns its exit status. When ctx ends it is
// told to end, as a signal would.
func (c *Command) Run(ctx context.Context, in *os.File, out, errOut io.Writer) (status int, err error) {
	program, err := c.open()
	if err != nil {
		return 0, err
	}
	defer program.close()
	args := append([]string{wire.CommandCommand}, c.Args...)
	cmd, same := exec.CommandContext(ctx, c.Path, args...), program.command()
	cmd.Path, cmd.ExtraFiles = same.Path, same.ExtraFiles
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, errOut
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = partingTime
	cmd.Env = c.environment()
	if os.Geteuid() == 0 {
		c.Account.Use(cmd)
	}
	if c.Config != nil {
		config, err := passed(c.Config)
		if err != nil {
			return 0, fmt.Errorf("handing over the configuration: %w", err)
		}
		defer func() { _ = config.Close() }()
		const first = 3 // descriptor of the extra files
		cmd.Env = append(cmd.Env, wire.ConfigVariable+"="+strconv.Itoa(first+len(cmd.ExtraFiles)))
		cmd.ExtraFiles = append(cmd.ExtraFiles, config)
	}
	err = cmd.Run()
	if cmd.ProcessState == nil {
		return 0, fmt.Errorf("executing %s: %w", c.Path, err)
	}
	if how, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && how.Signaled() {
		return 128 + int(how.Signal()), nil // as shells tell it
	}
	return cmd.ProcessState.ExitCode(), nil
}
