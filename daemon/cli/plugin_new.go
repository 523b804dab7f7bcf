package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vedette-monitor/vedette/daemon/scaffold"
)

func newPluginNew() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "new " + strings.Join(scaffold.Kinds, "|") + " NAME",
		Short: "Write the module of a new plugin, which builds and runs as it is",
		Long: `Write the module of a new plugin, which builds and runs as it is, to be changed into what it shall be: a collector
is called on a tick, a streamer runs until it is stopped, a notifier tells people. Nothing is overwritten.`,
		Example: "  vedette plugin new collector disk-free",
		Args:    cobra.ExactArgs(2),
	}
	dir := cmd.Flags().String("dir", "", "directory to write to; by default the name, below this one")
	module := cmd.Flags().String("module", "", "path of the Go module; by default example.com/NAME")
	sdk := cmd.Flags().String("sdk", "", "checkout of Vedette whose sdk to use; by default the newest that is published")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		p := scaffold.Plugin{Kind: args[0], Name: args[1], Module: *module}
		if *sdk != "" {
			absolute, err := filepath.Abs(*sdk)
			if err != nil {
				return fmt.Errorf("looking for the sdk: %w", err)
			}
			p.SDK = absolute
		}
		to := *dir
		if to == "" {
			to = p.Name
		}
		files, err := p.Write(to)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), `Wrote the %s %s to %s:
  %s

Next, in this order:
  cd %s
  go mod tidy
  go test ./...
  go build -o %s .
  ./%s describe
  %s validate config.hcl
  %s run --config config.hcl
`, p.Kind, p.Name, to, strings.Join(files, "  "), to, p.Name, p.Name, typed(), typed())
		return err
	}
	return cmd
}

// typed is what to type for this program in whatever directory.
func typed() string {
	name := program()
	if !strings.ContainsRune(name, os.PathSeparator) {
		return name
	}
	if absolute, err := filepath.Abs(name); err == nil {
		return absolute
	}
	return name
}
