package cli

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/vedette-monitor/vedette/daemon/app"
	"github.com/vedette-monitor/vedette/daemon/influx"
)

// letterGroup is dead letters of one measurement with one reason.
type letterGroup struct {
	Lane        influx.Lane `json:"lane"`
	Measurement string      `json:"measurement"`
	Reason      string      `json:"reason"`
	Letters     int         `json:"letters"`
	First       time.Time   `json:"first"`
	Last        time.Time   `json:"last"`
}

func newDeadLetterList() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List dead letters by measurement and reason",
		Args:  cobra.NoArgs,
	}
	flags := addLetterFlags(cmd)
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, chosen, err := flags.load(cmd)
		if err != nil {
			return err
		}
		groups := map[letterGroup]*letterGroup{}
		damage := eachLetter(app.DeadLetters(cfg), chosen, func(l influx.DeadLetter) {
			key := letterGroup{Lane: l.Lane, Measurement: l.Measurement(), Reason: l.Kind()}
			g := groups[key]
			if g == nil {
				g = &letterGroup{Lane: key.Lane, Measurement: key.Measurement, Reason: key.Reason, First: l.Time}
				groups[key] = g
			}
			g.Letters++
			g.Last = l.Time
		})
		list := []letterGroup{}
		for _, g := range groups {
			list = append(list, *g)
		}
		slices.SortFunc(list, func(a, b letterGroup) int {
			return cmp.Or(b.Last.Compare(a.Last), cmp.Compare(a.Measurement, b.Measurement), cmp.Compare(a.Reason, b.Reason))
		})
		if err := printGroups(cmd, list, *output); err != nil {
			return err
		}
		return damage
	}
	return cmd
}

func printGroups(cmd *cobra.Command, list []letterGroup, output format) error {
	header := []string{"LETTERS", "MEASUREMENT", "LANE", "FIRST", "LAST", "REASON"}
	var rows [][]string
	for _, g := range list {
		row := []string{strconv.Itoa(g.Letters), g.Measurement, string(g.Lane), g.First.Format(time.RFC3339), g.Last.Format(time.RFC3339), g.Reason}
		if output == asTable {
			row[1], row[5] = legible(g.Measurement), legible(g.Reason)
		}
		rows = append(rows, row)
	}
	return printList(cmd.OutOrStdout(), output, list, header, rows, "No dead letters.")
}
