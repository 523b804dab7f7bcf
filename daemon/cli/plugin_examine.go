package cli

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/vedette-monitor/vedette/daemon/app"
	"github.com/vedette-monitor/vedette/daemon/config"
	"github.com/vedette-monitor/vedette/sdk/sdktest"
)

func newPluginTest() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "test BINARY",
		Short: "Examine whether a plugin, in any language, keeps the contract",
		Long: `Examine whether a plugin, in any language, keeps the contract. The plugin is started many times, which takes about
half a minute. With --config it works with the block of that configuration whose source is the plugin; without, with an
empty one. The exit status is 1 if a promise is broken.`,
		Args: cobra.ExactArgs(1),
	}
	path := cmd.Flags().String("config", "", "configuration with a block for the plugin")
	settings := variableFlags(cmd)
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		own := "{}"
		if *path != "" {
			p, err := blockOf(cmd, *path, *settings, args[0])
			if err != nil {
				return err
			}
			own = string(p.Config)
		}
		findings := []sdktest.Finding{}
		header := []string{"", "PROMISE", "TOOK", "FOUND"}
		var rows [][]string
		broken := 0
		for f := range sdktest.Examine(cmd.Context(), args[0], own) {
			findings = append(findings, f)
			mark, found := "ok", f.Measured
			if f.Problem != "" {
				broken++
				mark, found = "BROKEN", f.Problem
			}
			rows = append(rows, []string{mark, f.Promise, f.Took.Round(10 * time.Millisecond).String(), found})
		}
		var err error
		switch *output {
		case asJSON:
			err = printJSON(cmd.OutOrStdout(), findings)
		case asCSV:
			err = printCSV(cmd.OutOrStdout(), header, rows)
		default:
			err = printTable(cmd.OutOrStdout(), header, rows)
		}
		if err == nil && broken > 0 {
			err = fmt.Errorf("%d of %d promises are broken", broken, len(findings))
		}
		return err
	}
	return cmd
}

// blockOf returns the plugin block of the configuration whose program is the binary.
func blockOf(cmd *cobra.Command, path string, settings []config.Setting, binary string) (*config.Plugin, error) {
	cfg, diags := app.Load(path, settings...)
	cfg, err := checked(cmd, cfg, diags)
	if err != nil {
		return nil, err
	}
	if binary, err = filepath.Abs(binary); err != nil {
		return nil, err
	}
	catalog := app.Catalog(cfg.Daemon.PluginDir)
	for i, p := range cfg.Plugins {
		if catalog.Path(p.Source) == binary {
			return &cfg.Plugins[i], nil
		}
	}
	return nil, errors.New(path + " has no plugin block whose program is " + binary + ": name it with source = …")
}
