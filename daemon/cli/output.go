package cli

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"
)

// format is the value of -o.
type format string

const (
	asTable format = "table"
	asJSON  format = "json"
	asCSV   format = "csv"
)

// outputFlag adds -o.
func outputFlag(cmd *cobra.Command) *format {
	f := asTable
	cmd.Flags().VarP(&f, "output", "o", "how to print: table, json or csv")
	return &f
}

// String implements pflag.Value.
func (f *format) String() string { return string(*f) }

// Type implements pflag.Value.
func (f *format) Type() string { return "format" }

// Set implements pflag.Value.
func (f *format) Set(text string) error {
	switch format(text) {
	case asTable, asJSON, asCSV:
		*f = format(text)
		return nil
	}
	return fmt.Errorf("%q is none of table, json and csv", text)
}

// printJSON prints v as indented JSON. What could do something to a terminal is escaped, which changes no value.
func printJSON(out io.Writer, v any) error {
	var text strings.Builder
	e := json.NewEncoder(&text)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	var safe strings.Builder
	for _, r := range text.String() {
		if r < 0x80 || unicode.IsPrint(r) {
			safe.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&safe, `\u%04x`, unit)
		}
	}
	_, err := io.WriteString(out, safe.String())
	return err
}

// printCSV prints a header and rows, as they are for a program, and without what could do something to a terminal for one.
func printCSV(out io.Writer, header []string, rows [][]string) error {
	if isTerminal(out) {
		for _, row := range rows {
			for i := range row {
				row[i] = printable(row[i])
			}
		}
	}
	w := csv.NewWriter(out)
	if err := w.Write(header); err != nil {
		return err
	}
	return w.WriteAll(rows)
}

// printList prints a list as it was asked for, and what to say to people if nothing is in it.
func printList(out io.Writer, output format, list any, header []string, rows [][]string, nothing string) error {
	switch {
	case output == asJSON:
		return printJSON(out, list)
	case output == asCSV:
		return printCSV(out, header, rows)
	case len(rows) == 0:
		_, err := fmt.Fprintln(out, nothing)
		return err
	}
	return printTable(out, header, rows)
}

// printTable prints a header and rows in columns. Cells may hold anything, so what could move a terminal's cursor or
// change its colours is replaced.
func printTable(out io.Writer, header []string, rows [][]string) error {
	t := table.NewWriter()
	style := table.StyleDefault
	style.Format.Header = 0
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	t.SetStyle(style)
	t.AppendHeader(cells(header))
	for _, row := range rows {
		t.AppendRow(cells(row))
	}
	var text strings.Builder
	for line := range strings.Lines(t.Render() + "\n") {
		text.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	_, err := io.WriteString(out, text.String())
	return err
}

func cells(texts []string) table.Row {
	row := make(table.Row, len(texts))
	for i, text := range texts {
		row[i] = printable(text)
	}
	return row
}

func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}
