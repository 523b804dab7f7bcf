package supervisor

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/vedette-monitor/vedette/daemon/process"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// Command is a command of a plugin's own, for a person who runs it beside the daemon.
type Command struct {
	// Path is the plugin's program. If SHA256 is not empty no other program is run than the one that has it.
	Path, SHA256 string
	// Account is the user that the plugin runs as. Only root can become another: for anyone else it does not matter.
	Account *process.Account
	// Env is added to the environment of this process.
	Env map[string]string
	// Config is the configuration of the instance that the command is for; nil if for none.
	Config []byte
	Args   []string
}

// Exec makes this process the command, so that terminal, signals and exit status are the command's own. It returns only if
// that fails.
func (c *Command) Exec() error {
	program, err := c.open()
	if err != nil {
		return err
	}
	defer program.close()
	env := c.environment()
	if os.Geteuid() == 0 {
		if err := c.Account.Become(); err != nil {
			return err
		}
	}
	if c.Config != nil {
		config, err := passed(c.Config)
		if err != nil {
			return fmt.Errorf("handing over the configuration: %w", err)
		}
		defer func() { _ = config.Close() }()
		if err := inherit(config); err != nil {
			return err
		}
		env = append(env, wire.ConfigVariable+"="+strconv.Itoa(int(config.Fd())))
	}
	path := c.Path
	if runtime.GOOS == "linux" {
		// What was hashed is what is executed. A script's interpreter opens this path as well.
		if err := inherit(program.file); err != nil {
			return err
		}
		path = fmt.Sprintf("/proc/self/fd/%d", program.file.Fd())
	}
	err = syscall.Exec(path, append([]string{c.Path, wire.CommandCommand}, c.Args...), env)
	return fmt.Errorf("executing %s: %w", c.Path, err)
}

// open opens the program, if it is the one that is meant.
func (c *Command) open() (*program, error) {
	program, err := openProgram(c.Path)
	if err != nil {
		return nil, err
	}
	if c.SHA256 != "" && program.sum != c.SHA256 {
		program.close()
		return nil, fmt.Errorf("the program %s is not the one that is locked: its SHA256 is %s, and that of the lock file %s; if that is meant, run `vedette plugin lock`",
			c.Path, program.sum, c.SHA256)
	}
	return program, nil
}

// environment is that of the command, but for its configuration.
func (c *Command) environment() []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, wire.ConfigVariable+"=") })
	if os.Geteuid() == 0 && !c.Account.Own() {
		env = append(env, "HOME="+c.Account.Home)
	}
	for name, value := range c.Env {
		env = append(env, name+"="+value)
	}
	return env
}

// inherit lets a file stay open when this process becomes another program.
func inherit(file *os.File) error {
	if _, err := unix.FcntlInt(file.Fd(), unix.F_SETFD, 0); err != nil {
		return fmt.Errorf("handing over %s: %w", file.Name(), err)
	}
	return nil
}
