package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vedette-monitor/vedette/daemon/alert"
	"github.com/vedette-monitor/vedette/daemon/alert/outbox"
	"github.com/vedette-monitor/vedette/daemon/app"
	"github.com/vedette-monitor/vedette/daemon/config"
	"github.com/vedette-monitor/vedette/daemon/console"
)

func newNotifier() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "notifier",
		Short: "See the channels through which people are told, and try them",
	}
	cmd.AddCommand(newNotifierList(), newNotifierCommand("check", "Reach a notifier's provider and authenticate, and send nothing", ""),
		newNotifierCommand("send", "Send a test notice through a notifier", `  vedette notifier send email.ops -m "can you read this?"`))
	return cmd
}

func newNotifierList() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the notifiers of the configuration, and how they are",
		Args:  cobra.NoArgs,
	}
	path, settings := configFlag(cmd), variableFlags(cmd)
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, diags := app.Load(*path, *settings...)
		cfg, err := checked(cmd, cfg, diags)
		if err != nil {
			return err
		}
		// Without a daemon there is a configuration all the same.
		l, err := console.Ask[alert.Letters](cmd.Context(), app.ControlSocket(cfg.Daemon.DataDir), http.MethodGet, "/v1/alerts/outbox", nil, "its outbox")
		if err != nil && !errors.Is(err, console.ErrNotRunning) {
			return err
		}
		known := map[string]outbox.Stats{}
		for _, q := range l.Queues {
			known[q.Channel] = q
		}
		type shown struct {
			Name     string `json:"name"`
			Plugin   string `json:"plugin"`
			Limit    string `json:"limit"`
			Fallback string `json:"fallback,omitempty"`
			State    string `json:"state"`
			Waiting  int    `json:"waiting"`
			Error    string `json:"error,omitempty"`
		}
		list := []shown{}
		for _, n := range cfg.Notifiers {
			s := shown{n.FullName(), n.Plugin, "none", n.Fallback, "the daemon does not run", 0, ""}
			if n.Limit.Count > 0 {
				s.Limit = fmt.Sprintf("%d/%s", n.Limit.Count, shortDuration(n.Limit.Per))
			}
			if q, there := known[n.FullName()]; there {
				s.State, s.Waiting, s.Error = "ok", q.Depth, q.LastError
				if q.Open {
					s.State = "failing for " + q.Failing.Round(time.Second).String()
				}
			} else if err == nil {
				s.State = "not loaded: reload"
			}
			list = append(list, s)
		}
		header := []string{"NOTIFIER", "PLUGIN", "LIMIT", "FALLBACK", "STATE", "WAITING", "LAST ERROR"}
		var rows [][]string
		for _, s := range list {
			rows = append(rows, []string{s.Name, s.Plugin, s.Limit, s.Fallback, s.State, fmt.Sprint(s.Waiting), s.Error})
		}
		return printList(cmd.OutOrStdout(), *output, list, header, rows, "The configuration has no notifier block.")
	}
	return cmd
}

// newNotifierCommand is a command that the notifier's plugin has: the channel's configuration is handed to it, and the other flags are its
// own.
func newNotifierCommand(name, short, example string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   name + " NOTIFIER [flags]",
		Short: short,
		Long: short + `. It is the engine of the daemon, run beside it with what the configuration says of the notifier; further flags are the plugin's
and listed last. The exit status is 0 if it worked, 1 if it did not, and 2 if nothing was tried because the call is wrong.`,
		Example: example,
	}
	c := newPluginCall(cmd, pluginDirFlag(cmd))
	cmd.DisableFlagParsing = true
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		own, others := divide(cmd.Flags(), args)
		if err := cmd.Flags().Parse(own); err != nil {
			return &wrongUseError{err}
		}
		if asksForHelp(others) {
			return cmd.Help()
		}
		if len(others) == 0 || strings.HasPrefix(others[0], "-") {
			return &wrongUseError{errors.New("name a notifier first, such as email.ops")}
		}
		if err := c.load(cmd); err != nil {
			return &wrongUseError{err}
		}
		n, err := notifierOf(c.cfg, others[0])
		if err != nil {
			return &wrongUseError{err}
		}
		*c.instance = n.Plugin
		plugin := n.Plugin
		for _, p := range c.cfg.Plugins {
			if p.Name == n.Plugin {
				plugin = p.Manifest.Name
			}
		}
		command, err := c.command(plugin, append([]string{cmd.Name()}, others[1:]...)...)
		if err != nil {
			return &wrongUseError{err}
		}
		if command.Config, err = json.Marshal(map[string]any{"name": n.FullName(), "type": n.Type, "config": json.RawMessage(n.Config)}); err != nil {
			return err
		}
		return &wrongUseError{command.Exec()} // it returns only if it fails
	}
	return cmd
}

func notifierOf(cfg *config.Config, name string) (*config.Notifier, error) {
	if cfg == nil {
		return nil, errors.New("there is no configuration: name one with --config")
	}
	var names []string
	for i := range cfg.Notifiers {
		if cfg.Notifiers[i].FullName() == name {
			return &cfg.Notifiers[i], nil
		}
		names = append(names, cfg.Notifiers[i].FullName())
	}
	return nil, fmt.Errorf("the configuration has no notifier %q.%s It has: %s", name, config.DidYouMean(name, names), strings.Join(names, ", "))
}
