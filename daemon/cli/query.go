package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/vedette-monitor/vedette/daemon/app"
	"github.com/vedette-monitor/vedette/daemon/config"
	"github.com/vedette-monitor/vedette/daemon/influx"
)

func newQuery() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "query INFLUXQL",
		Short: "Ask InfluxDB in InfluxQL",
		Example: `  vedette query 'SELECT total_time, http_code, up FROM http_quality ORDER BY time DESC LIMIT 3'
  vedette query -o csv 'SELECT mean(up) FROM http_quality WHERE time > now() - 1d GROUP BY target, time(1h)'`,
		Args: cobra.ExactArgs(1),
	}
	path := configFlag(cmd)
	settings := variableFlags(cmd)
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, diags := config.Locate(*path, *settings, "daemon", "influxdb")
		cfg, err := checked(cmd, cfg, diags)
		if err != nil {
			return err
		}
		reader, err := app.NewReader(cfg)
		if err != nil {
			return err
		}
		defer reader.Close()
		series, err := reader.Query(cmd.Context(), args[0])
		if err != nil {
			return app.Explain(cfg, err)
		}
		return printSeries(cmd.OutOrStdout(), series, *output)
	}
	return cmd
}

func printSeries(out io.Writer, series []influx.Series, output format) error {
	switch output {
	case asJSON:
		if series == nil {
			series = []influx.Series{}
		}
		return printJSON(out, series)
	case asCSV:
		return printSeriesCSV(out, series)
	}
	if len(series) == 0 {
		_, err := fmt.Fprintln(out, "No results.")
		return err
	}
	for i, s := range series {
		if i > 0 {
			fmt.Fprintln(out)
		}
		fmt.Fprint(out, printable(s.Name))
		for _, tag := range slices.Sorted(maps.Keys(s.Tags)) {
			fmt.Fprintf(out, "  %s=%s", printable(tag), printable(s.Tags[tag]))
		}
		fmt.Fprintln(out)
		if err := printTable(out, s.Columns, rowsOf(s)); err != nil {
			return err
		}
	}
	return nil
}

// printSeriesCSV prints all series as one table, with the name and the tags as columns. Series with other columns than
// the first begin a table of their own, after an empty line.
func printSeriesCSV(out io.Writer, series []influx.Series) error {
	for i := 0; i < len(series); {
		tags := slices.Sorted(maps.Keys(series[i].Tags))
		header := slices.Concat([]string{"name"}, tags, series[i].Columns)
		var rows [][]string
		first := series[i]
		for ; i < len(series) && slices.Equal(series[i].Columns, first.Columns) && slices.Equal(slices.Sorted(maps.Keys(series[i].Tags)), tags); i++ {
			for _, row := range rowsOf(series[i]) {
				line := []string{series[i].Name}
				for _, tag := range tags {
					line = append(line, series[i].Tags[tag])
				}
				rows = append(rows, append(line, row...))
			}
		}
		if err := printCSV(out, header, rows); err != nil {
			return err
		}
		if i < len(series) {
			fmt.Fprintln(out)
		}
	}
	return nil
}

func rowsOf(s influx.Series) [][]string {
	rows := make([][]string, len(s.Rows))
	for i, values := range s.Rows {
		for _, v := range values {
			rows[i] = append(rows[i], v.String())
		}
	}
	return rows
}
