package trial

import (
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
)

// Write prints a line for each test, and of those that failed what was not as it has to be and what has happened. It returns how
// many failed.
func Write(w io.Writer, results []Result) (failed int, err error) {
	var out strings.Builder
	for _, r := range results {
		if len(r.Failures) == 0 {
			fmt.Fprintf(&out, "ok    %s\n", visible(r.Name))
			continue
		}
		failed++
		fmt.Fprintf(&out, "FAIL  %s\n", visible(r.Name))
		for _, failure := range r.Failures {
			fmt.Fprintf(&out, "      %s\n", visible(failure))
		}
		out.WriteString("      What has happened:\n")
		for _, line := range r.told() {
			fmt.Fprintf(&out, "        %s\n", line)
		}
	}
	fmt.Fprintf(&out, "%s, %d failed.\n", counted(len(results), "test"), failed)
	_, err = io.WriteString(w, out.String())
	return failed, err
}

// told is the story, or that there is none.
func (r *Result) told() []string {
	if len(r.Story) == 0 {
		return []string{"nothing"}
	}
	return r.Story
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// visible makes of a text one line that steers no terminal.
func visible(text string) string {
	var line strings.Builder
	for _, r := range text {
		if unicode.IsPrint(r) {
			line.WriteRune(r)
			continue
		}
		escaped := strconv.QuoteRune(r)
		line.WriteString(escaped[1 : len(escaped)-1])
	}
	return line.String()
}

// The elements of a JUnit report, as CI systems read it.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Time     string       `xml:"time,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Time     string      `xml:"time,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name    string        `xml:"name,attr"`
		Class   string        `xml:"classname,attr"`
		File    string        `xml:"file,attr"`
		Line    int           `xml:"line,attr"`
		Time    string        `xml:"time,attr"`
		Failure *junitFailure `xml:"failure,omitempty"`
		Out     string        `xml:"system-out,omitempty"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
)

// WriteJUnit writes the results as JUnit does: a suite for each file, and a class for each alert.
func WriteJUnit(w io.Writer, results []Result) error {
	all := junitSuites{}
	var took, inSuite float64
	for _, r := range results {
		file := r.At.Filename
		if n := len(all.Suites); n == 0 || all.Suites[n-1].Name != file {
			all.Suites = append(all.Suites, junitSuite{Name: file})
			inSuite = 0
		}
		s := &all.Suites[len(all.Suites)-1]
		c := junitCase{Name: r.Name, Class: r.Alert.Name, File: file, Line: r.At.Start.Line, Time: seconds(r.Took.Seconds()), Out: strings.Join(r.Story, "\n")}
		if len(r.Failures) > 0 {
			c.Failure = &junitFailure{Message: r.Failures[0], Type: "assertion", Text: strings.Join(r.Failures, "\n")}
			s.Failures++
			all.Failures++
		}
		took += r.Took.Seconds()
		inSuite += r.Took.Seconds()
		s.Cases, s.Tests, s.Time = append(s.Cases, c), s.Tests+1, seconds(inSuite)
		all.Tests, all.Time = all.Tests+1, seconds(took)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func seconds(s float64) string { return fmt.Sprintf("%.3f", s) }
