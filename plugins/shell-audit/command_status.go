package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/vedette-monitor/vedette/plugins/shell-audit/hook"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/view"
	"github.com/vedette-monitor/vedette/sdk"
)

// report is what status shows. A Problem is empty where all is well.
type report struct {
	Shells    []shellReport `json:"shells"`
	Collector placeReport   `json:"collector"`
	Spool     placeReport   `json:"spool"`
	Journal   placeReport   `json:"journal"`
	Kernel    string        `json:"kernel"` // what is heard from it
	// FirstKeyHere says that whoever becomes root on this host can forge what was recorded.
	FirstKeyHere bool `json:"first_key_here"`
}

type shellReport struct {
	Shell   string `json:"shell"`
	State   string `json:"state"`
	Version string `json:"version,omitempty"`
	Detail  string `json:"detail,omitempty"`
	// Builtin is whether bash has it.
	Builtin bool `json:"builtin,omitempty"`
}

type placeReport struct {
	Path    string `json:"path"`
	Problem string `json:"problem,omitempty"`
}

func showStatus(_ context.Context, call sdk.Call) error {
	c, err := configured(call)
	if err != nil {
		return err
	}
	flags := newArguments("status")
	output := flags.output()
	root := flags.root()
	if ok, err := flags.parse(call); !ok {
		return err
	}
	if err := checkOutput(*output); err != nil {
		return err
	}
	r, err := inspect(c, *root)
	if err != nil {
		return err
	}
	if *output == "json" {
		e := json.NewEncoder(call.Stdout)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	return r.write(call.Stdout)
}

func inspect(c config, root string) (report, error) {
	r := report{
		Collector: placeReport{Path: filepath.Join(root, string(c.Socket))},
		Spool:     placeReport{Path: filepath.Join(root, string(c.Spool))},
		Journal:   placeReport{Path: c.journal()},
		Kernel:    "not known: the collector does not run",
	}
	all, err := hook.Inspect(root)
	if err != nil {
		return r, err
	}
	for _, s := range all {
		r.Shells = append(r.Shells, shellReport{s.Shell, string(s.State), s.Version, s.Detail, s.Library})
	}
	if err := dial(r.Collector.Path); err != nil {
		r.Collector.Problem = err.Error()
	} else if said, err := os.ReadFile(c.heard()); err == nil {
		r.Kernel = view.Safe(strings.TrimSpace(string(said)))
	} else {
		r.Kernel = "not known: only root can look"
	}
	if err := passable(filepath.Join(r.Spool.Path, "u")); err != nil {
		r.Spool.Problem = err.Error()
	}
	if spools, err := hook.Spools(root); err == nil {
		for _, other := range spools {
			if other != r.Spool.Path {
				r.Spool.Problem = "the hooks write to " + view.Safe(other) + ", which nobody reads: run 'vedette audit install' again"
			}
		}
	}
	switch _, err := os.Stat(r.Journal.Path); {
	case errors.Is(err, fs.ErrNotExist):
		r.Journal.Problem = "not there: the collector has never run"
	case errors.Is(err, fs.ErrPermission):
		r.Journal.Problem = "only root can look at it"
	case err != nil:
		r.Journal.Problem = err.Error()
	}
	_, err = os.Stat(c.firstKey())
	r.FirstKeyHere = err == nil
	return r, nil
}

// dial says why shells do not reach the collector, if they do not.
func dial(socket string) error {
	conn, err := net.DialTimeout("unixpacket", socket, time.Second)
	switch {
	case err == nil:
		return conn.Close()
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("not there: the daemon does not run with this plugin, or its block names another socket")
	}
	return fmt.Errorf("does not answer: %w", errors.Unwrap(err))
}

// passable says what keeps users from a directory.
func passable(dir string) error {
	for d := dir; ; d = filepath.Dir(d) {
		info, err := os.Stat(d)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			if d == dir {
				return errors.New("not there: the collector has never run, or its block names another spool")
			}
		case err != nil:
			return err
		case info.Mode()&0o001 == 0:
			return fmt.Errorf("users can not get through %s: let them with 'chmod o+x %[1]s'", d)
		}
		if d == "/" || d == "." {
			return nil
		}
	}
}

func (r report) write(out io.Writer) error {
	t := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "SHELL\tHOOK\tVERSION\t")
	for _, s := range r.Shells {
		version, more := s.Version, s.Detail
		if version == "" {
			version = "-"
		}
		if s.Shell == "bash" && s.State == string(hook.Installed) && !s.Builtin {
			more = "without its builtin: commands are recorded when they have ended"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", s.Shell, s.State, version, more)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out)
	for _, p := range []struct {
		name, well string
		placeReport
	}{{"collector", "answers at", r.Collector}, {"spool", "", r.Spool}, {"journal", "", r.Journal}} {
		if p.Problem != "" {
			fmt.Fprintf(t, "%s\t%s: %s\n", p.name, p.Path, p.Problem)
		} else {
			fmt.Fprintf(t, "%s\t%s\n", p.name, strings.TrimSpace(p.well+" "+p.Path))
		}
	}
	fmt.Fprintf(t, "kernel\t%s\n", r.Kernel)
	if err := t.Flush(); err != nil {
		return err
	}
	if r.FirstKeyHere {
		fmt.Fprint(out, "\nWARNING: the first key of the chain is still on this host. Who becomes root here can forge what was recorded until it is\n"+
			"taken away: vedette audit key --take\n")
	}
	return nil
}
