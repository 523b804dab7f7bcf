package main

import (
	"errors"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "write what the commands print into the scripts")

// until is the command of scripts `until REGEXP PROGRAM ARGUMENT…`: it runs a program again and again until what it prints, on either
// way, matches.
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until regexp program argument...")
	}
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	for end := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		_ = ts.Exec(args[1], args[2:]...)
		said := ts.ReadFile("stdout") + ts.ReadFile("stderr")
		if pattern.MatchString(said) {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("after %s %q does not print %q, but\n%s", patience, args[1:], args[0], said)
		}
	}
}

// status is the command of scripts `status N PROGRAM ARGUMENT…`: it runs a program, and holds that it ends with this status.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status number program argument...")
	}
	code := 0
	var ended *exec.ExitError
	switch err := ts.Exec(args[1], args[2:]...); {
	case errors.As(err, &ended):
		code = ended.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("%q ended with status %d, and not %s", args[1:], code, args[0])
	}
}

// TestCommandLineSaysWhatIsWrongAndWhere runs the scripts in testdata/script with the real programs.
func TestCommandLineSaysWhatIsWrongAndWhere(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           filepath.Join("testdata", "script"),
		UpdateScripts: *update,
		Cmds:          map[string]func(*testscript.TestScript, bool, []string){"until": until, "status": status},
		Setup: func(env *testscript.Env) error {
			env.Vars = append(env.Vars, environment(env.WorkDir)...)
			env.Setenv("PROGRAMS", programs)
			pages := http.NewServeMux()
			pages.HandleFunc("/hello", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
			pages.HandleFunc("/gone", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) })
			site := httptest.NewServer(pages)
			env.Defer(site.Close)
			env.Setenv("SITE", site.URL)
			return nil
		},
	})
}
