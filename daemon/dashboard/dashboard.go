// Package dashboard describes the dashboards that are shipped, once, and writes them for the programs that show them. A
// panel says what it shows in InfluxQL and how; what a program's file looks like is in the file of that program.
//
// Queries name database and measurement in full, for a viewer's proxy names none, and use the variables that Chronograf
// fills in: :dashboardTime:, :upperDashboardTime: and :interval:.
package dashboard

// Dashboard is a page of panels.
type Dashboard struct {
	Name      string
	Variables []Variable
	Panels    []Panel
}

// Kind is how a panel shows its data.
type Kind string

// The kinds of panels.
const (
	Line    Kind = "line"
	Stacked Kind = "line-stacked"
	Number  Kind = "single-stat"
	Table   Kind = "table"
	Note    Kind = "note"
)

// Panel is one picture. It stands at column X of 12 and row Y, and is W by H large.
type Panel struct {
	Title      string
	Kind       Kind
	X, Y, W, H int
	// Queries are InfluxQL; a Number has one, a Note none.
	Queries []string
	// Text is that of a Note, in Markdown.
	Text string
	// Prefix and Suffix stand around the numbers, Label beside the axis. Digits are those after the point.
	Prefix, Suffix, Label string
	Digits                int
	// From is where the axis begins; nothing lets it follow the data.
	From string
	// Limits color a Number: it has the color of the last limit that it has reached.
	Limits []Limit
	// Columns are those of a Table as its queries name them, in order; others are hidden.
	Columns []Column
	// SortBy is the column that a Table is sorted by, ascending; time by default.
	SortBy string
}

// Limit is a number from which a color holds. That of the first has none below it.
type Limit struct {
	From  string
	Color Color
}

// Color is one of those that mean something.
type Color string

// The colors.
const (
	Good    Color = "#4ED8A0"
	Warning Color = "#FFB94A"
	Bad     Color = "#F95F53"
	Neutral Color = "#31C0F6"
)

// Column is a column of a Table. Name is measurement.field, or that of a tag that the query groups by, or time.
type Column struct {
	Name, Title string
}

// Variable is what a viewer chooses. Name is as in queries, without its colons.
type Variable struct {
	Name string
	// Measurement and Tag are of what the values are.
	Measurement, Tag string
	// Text is the value of a variable that the viewer types instead.
	Text string
}
