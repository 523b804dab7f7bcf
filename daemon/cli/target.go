package cli

import (
	"encoding/json"
	"slices"

	"github.com/spf13/cobra"

	"github.com/vedette-monitor/vedette/daemon/config"
)

// targetPlugin is the plugin that probes targets, with a command that probes one.
const targetPlugin = "http-quality"

func newTarget() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "target",
		Short: "Probe web sites by hand",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newTargetTest())
	return cmd
}

func newTargetTest() *cobra.Command {
	return passedOn(targetPlugin, instanceWith, &cobra.Command{
		Use:   "test URL|NAME [flags]",
		Short: "Probe an address or a configured target now, and show where the time went",
		Long: `Probe an address, or a target of the configuration with all that is configured for it, and show each phase of each
request, the answer, and what went wrong. It is the daemon's own engine, run beside it: nothing is stored. Flags change single
arguments of the target for this probe; they are those of the plugin http-quality, and listed last.

The exit status is 0 if the target is available, 1 if it is not, and 2 if nothing was probed because the call is wrong.`,
		Example: `  vedette target test https://shop.example.com/
  vedette target test shop
  vedette target test shop --interface ppp1 --count 5
  vedette target test shop -o json`,
	})
}

// instanceWith chooses among several plugin blocks: the one that has a target which the arguments name, or, if none has,
// for an address, the first. It chooses none where several have such a target; then commandOf asks.
func instanceWith(plugins []config.Plugin, args []string) string {
	var serving, having []string
	for _, p := range plugins {
		if p.Manifest.Name != targetPlugin {
			continue
		}
		serving = append(serving, p.Name)
		var configured struct {
			Targets []struct {
				Name string `json:"name"`
			} `json:"target"`
		}
		// What the daemon has made itself can be read; if it could not, the plugin would say so.
		if json.Unmarshal(p.Config, &configured) != nil {
			continue
		}
		for _, t := range configured.Targets {
			if slices.Contains(args, t.Name) {
				having = append(having, p.Name)
				break
			}
		}
	}
	switch {
	case len(having) == 1:
		return having[0]
	case len(having) == 0 && len(serving) > 0:
		return serving[0]
	}
	return ""
}
