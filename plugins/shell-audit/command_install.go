package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/go-hclog"

	"github.com/vedette-monitor/vedette/plugins/shell-audit/drop"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/hook"
	"github.com/vedette-monitor/vedette/sdk"
)

// root adds the root of the tree to install into, which only tests need.
func (a arguments) root() *string {
	root := a.String("root", "/", "Root of the tree.")
	_ = a.MarkHidden("root")
	return root
}

func installHooks(_ context.Context, call sdk.Call) error {
	c, err := configured(call)
	if err != nil {
		return err
	}
	flags := newArguments("install")
	notice := flags.String("notice", c.Notice, "What an interactive login is told, in one line; nothing if empty.")
	shells := flags.StringArray("shell", c.Shells, "Shell to hook: bash, zsh or fish; may be repeated. All that are there by default.")
	without := flags.Bool("without-builtin", false, "Let bash do without its builtin: a command is recorded when it has ended, as the history has it.")
	root := flags.root()
	if ok, err := flags.parse(call); !ok {
		return err
	}
	if err := needRoot(*root, "hooks are in files of the system that the shells of all users read"); err != nil {
		return err
	}
	if *root, err = filepath.Abs(*root); err != nil {
		return err
	}
	o := hook.Options{
		Root: *root, Version: version, Notice: *notice, RespectIgnoreSpace: c.RespectIgnorespace, Shells: *shells,
		Spool: string(c.Spool), Socket: string(c.Socket),
	}
	if len(o.Shells) == 0 {
		o.Shells = nil
	}
	if !*without {
		if o.Library, err = builtin(); err != nil {
			return err
		}
	}
	if err := hook.Install(o); err != nil {
		return err
	}
	if *without {
		// One of an earlier installation would be used.
		if err := os.Remove(filepath.Join(*root, "usr/lib/vedette", hook.Library)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing the builtin of bash: %w", err)
		}
	}
	if err := prepareSpool(filepath.Join(*root, string(c.Spool)), filepath.Join(*root, string(c.Socket))); err != nil {
		return err
	}
	return sayInstalled(call, c, o)
}

// prepareSpool makes the spool, so that nothing is lost before the collector runs for the first time. One that runs has done so.
func prepareSpool(spool, socket string) error {
	if dial(socket) == nil {
		return nil
	}
	if err := makeWay(filepath.Dir(spool)); err != nil {
		return fmt.Errorf("making the spool: %w", err)
	}
	d, err := drop.Open(spool, drop.Usual, nil, hclog.NewNullLogger())
	if err != nil {
		return err
	}
	defer d.Close()
	for _, uid := range peopleOf("/etc/passwd") {
		if err := d.Admit(uid); err != nil {
			return err
		}
	}
	return nil
}

// builtin is the file of bash's builtin, which lies beside this program.
func builtin() (string, error) {
	program, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("looking for the builtin of bash: %w", err)
	}
	path := filepath.Join(filepath.Dir(program), hook.Library)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("the builtin for bash is missing: %w; 'make build' makes it where there is a C compiler; "+
			"with --without-builtin bash does without, and a command is recorded only when it has ended", err)
	}
	return path, nil
}

// needRoot says what root is needed for.
func needRoot(root, because string) error {
	if os.Geteuid() != 0 && root == "/" {
		return fmt.Errorf("this needs root, for %s: run it with sudo", because)
	}
	return nil
}

// sayInstalled says what is in place, and what comes next.
func sayInstalled(call sdk.Call, c config, o hook.Options) error {
	all, err := hook.Inspect(o.Root)
	if err != nil {
		return err
	}
	var hooked, absent []string
	for _, s := range all {
		switch s.State {
		case hook.Installed:
			name := s.Shell
			if name == "bash" && !s.Library {
				name += " (without its builtin)"
			}
			hooked = append(hooked, name)
		case hook.ShellAbsent:
			absent = append(absent, s.Shell)
		}
	}
	if len(hooked) == 0 {
		return errors.New("this host has no shell that could be hooked: those with a hook are bash, zsh and fish")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Hooked: %s.\n", strings.Join(hooked, ", "))
	if len(absent) > 0 {
		fmt.Fprintf(&b, "Not on this host: %s. When one comes, run this again.\n", strings.Join(absent, ", "))
	}
	b.WriteString("\nShells that start from now on are recorded. Those that run already are not, until their users log in again.\n")
	if o.Notice != "" {
		fmt.Fprintf(&b, "A login is told: %s\n", o.Notice)
	} else {
		b.WriteString("A login is told nothing: where the law wants it told, say it with notice = \"…\".\n")
	}
	if len(call.Config) == 0 {
		b.WriteString("\nNothing collects yet: the configuration has no block plugin \"shell-audit\" {}. Commands wait in the spool until one runs.\n")
	} else if err := dial(o.Socket); err != nil {
		b.WriteString("\nNo collector answers now. Commands wait in the spool until the daemon runs.\n")
	}
	if _, err := os.Stat(c.firstKey()); err == nil {
		b.WriteString("\nThe first key of the chain is still on this host: take it away with 'vedette audit key --take'.\n")
	}
	b.WriteString("\n'vedette audit status' shows all this again, 'vedette audit tail' the commands.\n")
	_, err = fmt.Fprint(call.Stdout, b.String())
	return err
}

func uninstallHooks(_ context.Context, call sdk.Call) error {
	flags := newArguments("uninstall")
	root := flags.root()
	if ok, err := flags.parse(call); !ok {
		return err
	}
	if err := needRoot(*root, "hooks are in files of the system that the shells of all users read"); err != nil {
		return err
	}
	if err := hook.Uninstall(*root); err != nil {
		return err
	}
	_, err := fmt.Fprint(call.Stdout, "The hooks are gone. Shells that run already are recorded until they end; what was recorded stays.\n")
	return err
}
