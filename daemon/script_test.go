package main

import (
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "write what the commands print into the scripts")

// TestCommandLineSaysWhatIsWrongAndWhere runs the scripts in testdata/script with the real programs.
func TestCommandLineSaysWhatIsWrongAndWhere(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           filepath.Join("testdata", "script"),
		UpdateScripts: *update,
		Setup: func(env *testscript.Env) error {
			env.Vars = append(env.Vars, environment(env.WorkDir)...)
			env.Setenv("PROGRAMS", programs)
			pages := http.NewServeMux()
			pages.HandleFunc("/hello", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
			site := httptest.NewServer(pages)
			env.Defer(site.Close)
			env.Setenv("SITE", site.URL)
			return nil
		},
	})
}
