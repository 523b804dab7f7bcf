package cli

import (
	_ "embed"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/vedette-monitor/vedette/daemon/app"
	"github.com/vedette-monitor/vedette/daemon/dashboard"
	"github.com/vedette-monitor/vedette/daemon/reference"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// newDocs is hidden: `make generate` writes pages of docs/ with it.
func newDocs() *cobra.Command {
	return &cobra.Command{
		Use:       "docs configuration|schema|dashboard",
		Short:     "Print a page of the reference as Markdown, or the starter dashboard for Chronograf",
		Hidden:    true,
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []string{"configuration", "schema", "dashboard"},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch args[0] {
			case "configuration":
				return configurationPage(cmd.OutOrStdout())
			case "dashboard":
				return dashboard.Chronograf(cmd.OutOrStdout(), dashboard.Starter())
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
	for _, b := range app.Blocks() {
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
	manifests := []*wire.Manifest{{Name: "vedette", Doc: "The daemon on itself.", Measurements: app.Measurements()}}
	for _, name := range catalog.Names() {
		m, err := catalog.Manifest(name)
		if err != nil {
			return err
		}
		manifests = append(manifests, m)
	}
	return reference.Schema(w, manifests)
}
