package cli

import (
	_ "embed"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/vedette-monitor/vedette/daemon/app"
	"github.com/vedette-monitor/vedette/daemon/config"
	"github.com/vedette-monitor/vedette/daemon/reference"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// newDocs is hidden: `make generate` writes pages of docs/ with it.
func newDocs() *cobra.Command {
	return &cobra.Command{
		Use:       "docs configuration|schema",
		Short:     "Print a page of the reference as Markdown",
		Hidden:    true,
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []string{"configuration", "schema"},
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] == "configuration" {
				return configurationPage(cmd.OutOrStdout())
			}
			return schemaPage(cmd.OutOrStdout())
		},
	}
}

const generated = "<!-- Made by `make generate` from the schemas in the code. Do not edit. -->\n\n"

// configurationText is what no schema says.
//
//go:embed configuration.md
var configurationText string

func configurationPage(w io.Writer) error {
	if _, err := io.WriteString(w, "# Configuration\n\n"+generated+configurationText); err != nil {
		return err
	}
	for _, b := range config.Blocks() {
		if _, err := io.WriteString(w, "\n"); err != nil {
			return err
		}
		if err := reference.Block(w, b.Name, b.Doc, b.Schema); err != nil {
			return err
		}
	}
	return nil
}

func schemaPage(w io.Writer) error {
	if _, err := fmt.Fprint(w, "# What is stored\n\n"+generated+`This is a contract with those who query: names and meanings change only with a migration note. Every point also has the
tags of the vantage block (host, isp, idc and whatever else stands there); a tag that the plugin or a target sets wins.
Times are seconds and sizes bytes unless a name says otherwise; timestamps are nanoseconds, UTC.

`); err != nil {
		return err
	}
	catalog := app.Catalog("")
	var manifests []*wire.Manifest
	for _, name := range catalog.Names() {
		m, err := catalog.Manifest(name)
		if err != nil {
			return err
		}
		manifests = append(manifests, m)
	}
	return reference.Schema(w, manifests)
}
