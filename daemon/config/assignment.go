package config

import (
	"maps"
	"os"
	"slices"

	"github.com/hashicorp/hcl/v2"
)

// Setting gives values to variables: -var NAME=VALUE, or -var-file FILE. Of several, the last one wins.
type Setting struct {
	// Name and Value are one variable's. A value whose type is no string, number or bool is an expression.
	Name, Value string
	// File is set instead of them: a file of NAME = VALUE lines.
	File string
}

// assignment is a value that was given to a variable.
type assignment struct {
	expr   hcl.Expression // in a file
	text   string         // elsewhere
	source string
	at     hcl.Range // of the assignment in a file
}

// place is where a mistake in the value is shown: where it stands, or else what it does not fit.
func (a *assignment) place(v *variable) hcl.Range {
	if a.expr != nil {
		return a.expr.Range()
	}
	return v.at
}

// assignments gathers the values of variables. Later ones win: the environment, the files beside the configuration, and
// then the settings in their order.
func (d *decoder) assignments(src *source, settings []Setting, declared map[string]*variable, all bool) map[string]*assignment {
	given := map[string]*assignment{}
	for name := range declared {
		if text, ok := os.LookupEnv(environmentName(name)); ok {
			given[name] = &assignment{text: text, source: "the environment variable " + environmentName(name)}
		}
	}
	names := slices.Sorted(maps.Keys(declared))
	fromFile := func(name string, strict bool) {
		file := src.parse(name)
		if file == nil {
			return
		}
		attributes, diags := file.Body.JustAttributes()
		src.diags = append(src.diags, diags...)
		for _, key := range slices.Sorted(maps.Keys(attributes)) {
			a := attributes[key]
			if declared[key] != nil {
				given[key] = &assignment{expr: a.Expr, source: name, at: a.Range}
				continue
			}
			// Who mistypes the name of a secret does not want its value on the screen.
			d.hide(a.Range)
			if !all {
				continue
			}
			severity := hcl.DiagWarning
			if strict {
				severity = hcl.DiagError
			}
			d.say(severity, a.NameRange, "Value for an unknown variable", "No variable block declares %q.%s", key, didYouMean(key, names))
		}
	}
	for _, name := range src.vars {
		// Beside a single file there may be the values of another configuration.
		fromFile(name, !src.alone)
	}
	for _, s := range settings {
		switch {
		case s.File != "":
			fromFile(s.File, true)
		case declared[s.Name] != nil:
			given[s.Name] = &assignment{text: s.Value, source: "-var " + s.Name}
		case all:
			d.diags = append(d.diags, &hcl.Diagnostic{
				Severity: hcl.DiagError, Summary: "Value for an unknown variable",
				Detail: "-var " + s.Name + " gives a value to a variable that no variable block declares." + didYouMean(s.Name, names),
			})
		}
	}
	return given
}
