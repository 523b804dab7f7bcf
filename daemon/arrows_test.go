package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/vedette-monitor/vedette/"

// floors are the rooms of the daemon, the highest first. A room may import what is on a lower floor, and nothing on its
// own or a higher one. A room that is not listed here has no place yet: give it one.
var floors = [][]string{
	{"daemon"},
	{"daemon/cli"},
	{"daemon/app"},
	{"daemon/supervisor", "daemon/pipeline", "daemon/console", "daemon/reference", "daemon/scaffold", "daemon/vitals", "daemon/dashboard"},
	{"daemon/alert", "daemon/alert/trial"},
	{"daemon/alert/dispatch"},
	{"daemon/alert/outbox", "daemon/alert/store"},
	{"daemon/alert/policy", "daemon/alert/incident"},
	{"daemon/alert/rule", "daemon/alert/label", "daemon/alert/template", "daemon/alert/calendar"},
	{"daemon/alert/expression"},
	{"daemon/alert/window"},
	{"daemon/influx/embedded/influxdtest"},
	{"daemon/influx/embedded"},
	{"daemon/config", "daemon/spool", "daemon/influx"},
	{"daemon/point/pointtest"},
	{"daemon/point", "daemon/process", "daemon/backoff", "daemon/redaction", "daemon/tally", "daemon/soak", "daemon/port"},
	{"sdk/sdktest"},
	{"sdk"},
	{"sdk/wire"},
}

// private are the rooms that a test helper or one other room alone may enter.
var private = map[string][]string{
	// The embedded server is wired by app, as every room is.
	"daemon/influx/embedded": {"daemon/app"},
	// The siblings of alert have nothing to do with its rules.
	"daemon/alert/policy":     {"daemon/alert", "daemon/alert/dispatch", "daemon/app", "daemon/alert/trial"},
	"daemon/alert/incident":   {"daemon/cli", "daemon/alert", "daemon/alert/dispatch", "daemon/alert/outbox", "daemon/alert/store", "daemon/alert/trial"},
	"daemon/alert/outbox":     {"daemon/cli", "daemon/alert", "daemon/alert/dispatch", "daemon/alert/trial"},
	"daemon/alert/store":      {"daemon/alert", "daemon/alert/dispatch", "daemon/alert/trial"},
	"daemon/alert/dispatch":   {"daemon/cli", "daemon/alert", "daemon/alert/trial"},
	"daemon/alert/label":      {"daemon/alert", "daemon/alert/dispatch", "daemon/alert/policy"},
	"daemon/alert/template":   {"daemon/alert", "daemon/alert/dispatch", "daemon/alert/policy"},
	"daemon/alert/calendar":   {"daemon/alert", "daemon/alert/dispatch", "daemon/alert/policy"},
	"daemon/alert/rule":       {"daemon/alert", "daemon/alert/dispatch", "daemon/alert/policy", "daemon/app", "daemon/alert/trial"},
	"daemon/alert/expression": {"daemon/cli", "daemon/alert", "daemon/alert/policy", "daemon/alert/rule", "daemon/alert/label", "daemon/alert/trial"},
	"daemon/alert/window":     {"daemon/alert", "daemon/alert/rule", "daemon/alert/expression"},
}

type listed struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func list(t *testing.T, patterns ...string) []listed {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Imports,Deps"}, patterns...)...)
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var packages []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages
		}
		if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

// ours are the rooms among the imports.
func ours(imports []string) []string {
	var rooms []string
	for _, i := range imports {
		if room, ok := strings.CutPrefix(i, module); ok {
			rooms = append(rooms, room)
		}
	}
	return rooms
}

func floorOf(room string) int {
	return slices.IndexFunc(floors, func(rooms []string) bool { return slices.Contains(rooms, room) })
}

func TestArrowsBetweenRoomsPointDownwards(t *testing.T) {
	for _, p := range list(t, "./daemon/...") {
		room := strings.TrimPrefix(p.ImportPath, module)
		floor := floorOf(room)
		if floor < 0 {
			t.Errorf("%s has no floor", room)
			continue
		}
		for _, target := range ours(p.Imports) {
			if below := floorOf(target); below <= floor {
				t.Errorf("%s imports %s, which is not on a lower floor", room, target)
			}
			if may, ok := private[target]; ok && !slices.Contains(may, room) {
				t.Errorf("%s imports %s, which is for %v alone", room, target, may)
			}
		}
	}
}

func TestPluginsKnowTheSDKAlone(t *testing.T) {
	for _, p := range list(t, "./plugins/...") {
		plugin, _, _ := strings.Cut(strings.TrimPrefix(p.ImportPath, module+"plugins/"), "/")
		for _, target := range ours(p.Imports) {
			// The contract is part of the SDK: a command that shows points or arguments reads them by it.
			if target != "sdk" && target != "sdk/wire" && !strings.HasPrefix(target, "plugins/"+plugin+"/") {
				t.Errorf("%s imports %s", p.ImportPath, target)
			}
		}
	}
}

func TestTheSDKBringsNoneOfTheDaemonsLibrariesToAPlugin(t *testing.T) {
	for _, p := range list(t, "./sdk/...") {
		for _, dep := range p.Deps {
			for _, unwanted := range []string{module + "daemon", module + "plugins", "github.com/hashicorp/hcl", "github.com/zclconf/go-cty", "github.com/influxdata", "github.com/spf13"} {
				if strings.HasPrefix(dep, unwanted) {
					t.Errorf("%s depends on %s", p.ImportPath, dep)
				}
			}
		}
	}
}
