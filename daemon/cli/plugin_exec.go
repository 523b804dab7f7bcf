package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vedette-monitor/vedette/daemon/app"
	"github.com/vedette-monitor/vedette/daemon/config"
	"github.com/vedette-monitor/vedette/daemon/supervisor"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

func newPluginExec(dir *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "exec NAME [--instance LABEL] -- COMMAND [ARGUMENT…]",
		Short: "Run a command of a plugin's own",
		Long: `Run a command that the plugin offers beside its work for the daemon; describe and docs show which there are. NAME is the
label of a plugin block, or a plugin. If the configuration has a block for it, the command gets what is configured there; with
--instance, that of another label. Standard input and output, signals and the exit status are the command's own.`,
		Example: "  vedette plugin exec http-quality -- help",
		Args:    cobra.MinimumNArgs(1),
	}
	c := newPluginCall(cmd, dir)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := c.load(cmd); err != nil {
			return err
		}
		command, err := c.command(args[0], args[1:]...)
		if err != nil {
			return err
		}
		return command.Exec()
	}
	return cmd
}

// commandOf finds the program that name stands for, and what is configured for it. cfg is nil where there is no
// configuration.
func commandOf(cfg *config.Config, path, dir, name, instance string) (*supervisor.Command, *wire.Manifest, error) {
	if cfg == nil && instance != "" {
		return nil, nil, fmt.Errorf("there is no configuration %s with a plugin block %q: name one with --config", path, instance)
	}
	catalog := app.Catalog(dir)
	if cfg != nil {
		if dir == "" {
			catalog = app.Catalog(cfg.Daemon.PluginDir)
		}
		p, err := blockFor(cfg.Plugins, name, instance)
		if err != nil {
			return nil, nil, err
		}
		if p != nil {
			c := &supervisor.Command{Path: catalog.Path(p.Source), Account: p.Account, Env: p.Env, Config: p.Config}
			if p.Pinned {
				c.SHA256 = p.SHA256
			}
			return c, p.Manifest, nil
		}
	}
	lock, err := config.ReadLock(config.LockPath(path))
	if err != nil {
		return nil, nil, err
	}
	manifest, _, err := catalog.Inspect(name, nil, func(sum string) error {
		return lock.Check(config.Place(path, name), sum, cfg != nil && cfg.Daemon.RequireLock)
	})
	if err != nil {
		return nil, nil, err
	}
	return &supervisor.Command{Path: catalog.Path(name), SHA256: lock[manifest.Name].SHA256[config.Platform]}, manifest, nil
}

// blockFor is the plugin block that name and --instance mean, or nil if name may only be a plugin.
func blockFor(plugins []config.Plugin, name, instance string) (*config.Plugin, error) {
	var serving []string
	var found *config.Plugin
	for i, p := range plugins {
		serves := p.Source == name || p.Manifest.Name == name
		switch {
		case instance == "" && p.Name == name, instance != "" && p.Name == instance && (serves || p.Name == name):
			return &plugins[i], nil
		case instance != "" && p.Name == instance:
			return nil, fmt.Errorf("the plugin block %q is served by %s, not by %s", instance, p.Manifest.Name, name)
		case serves:
			serving, found = append(serving, p.Name), &plugins[i]
		}
	}
	switch {
	case instance != "":
		return nil, fmt.Errorf("the configuration has no plugin block %q", instance)
	case len(serving) > 1:
		return nil, fmt.Errorf("%s serves several plugin blocks: choose with --instance one of %s", name, strings.Join(serving, ", "))
	}
	return found, nil
}

// offers says what is wrong with a command that a plugin does not offer.
func offers(m *wire.Manifest, args []string) error {
	if len(args) > 0 && slices.ContainsFunc(m.Commands, func(c wire.Command) bool { return c.Name == args[0] }) {
		return nil
	}
	var b strings.Builder
	if len(args) == 0 {
		fmt.Fprintf(&b, "name a command of %s, after --", m.Name)
	} else {
		fmt.Fprintf(&b, "%s %s has no command %q", m.Name, m.Version, args[0])
	}
	if len(m.Commands) == 0 {
		b.WriteString("; it has none at all")
	} else {
		b.WriteString("; it has:")
	}
	for _, c := range m.Commands {
		fmt.Fprintf(&b, "\n  %s: %s", printable(c.Name), printable(c.Doc))
	}
	return errors.New(b.String())
}
