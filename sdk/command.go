package sdk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

// command runs a command of the plugin's own and returns the exit status.
func (p *Plugin) command(name string, args []string) int {
	for _, c := range p.Commands {
		if c.Name != name {
			continue
		}
		call := Call{Args: args, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
		var err error
		if call.Config, err = passedConfig(); err == nil {
			ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
			err = c.Run(ctx, call)
			stop()
		}
		return exitStatus(err, os.Stderr)
	}
	fmt.Fprintf(os.Stderr, "Error: %s has no command %q\n", p.Name, name)
	return 2
}

// exitStatus says what went wrong, and is what the command ends with.
func exitStatus(err error, errOut io.Writer) int {
	if err == nil {
		return 0
	}
	status := 1
	var exit *ExitError
	if errors.As(err, &exit) {
		if status = exit.Status; exit.Err == nil {
			return status
		}
	}
	fmt.Fprintf(errOut, "Error: %v\n", err)
	return status
}

// passedConfig reads the configuration that was passed on a descriptor of its own, where no list of processes shows it.
func passedConfig() ([]byte, error) {
	text := os.Getenv(wire.ConfigVariable)
	if text == "" {
		return nil, nil
	}
	fd, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("%s is %q, which is no file descriptor", wire.ConfigVariable, text)
	}
	file := os.NewFile(uintptr(fd), "configuration")
	defer func() { _ = file.Close() }()
	config, err := io.ReadAll(file)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	return config, nil
}
