// Package scaffold writes the module of a new plugin: one that builds, passes its own tests and runs as it is, to be
// changed into what its author wants. It knows the shape of such a module and nothing of the daemon.
package scaffold

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"
)

// Below template there is a directory for each kind, and common for what all have.
//
//go:embed all:template
var templates embed.FS

// Kinds are the kinds of plugins that can be written.
var Kinds = []string{"collector", "streamer", "notifier"}

// Plugin says what to write.
type Plugin struct {
	// Kind is one of Kinds.
	Kind string
	// Name is that of the plugin and of its program.
	Name string
	// Module is the path of the Go module; by default example.com/ and the name.
	Module string
	// SDK is the absolute path of a checkout of Vedette whose sdk is used; by default it is the one that is published.
	SDK string
}

// names are what a plugin may be called: its program, the label of its block and, with underscores, its measurement.
var names = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

const longestName = 40

// taken are the daemon's own programs, which lie in the same directory as plugins.
var taken = []string{"vedette", "influxd"}

// Check says what is wrong with the plugin, and how to mend it.
func (p Plugin) Check() error {
	switch {
	case !slices.Contains(Kinds, p.Kind):
		return fmt.Errorf("there is no kind %q of plugins: it is one of %s", p.Kind, strings.Join(Kinds, ", "))
	case !names.MatchString(p.Name) || len(p.Name) > longestName:
		return fmt.Errorf("a plugin can not be called %q: a name begins with a small letter and has small letters, digits and single dashes between them, at most %d in all, such as disk-free", p.Name, longestName)
	case slices.Contains(taken, p.Name):
		return fmt.Errorf("a plugin can not be called %s: that is a program of the daemon's own", p.Name)
	case strings.ContainsAny(p.Module, " \t\n\"'`\\"):
		return fmt.Errorf("%q is no path of a Go module: it is like that of a repository, such as example.com/%s", p.Module, p.Name)
	}
	if p.SDK != "" {
		if _, err := os.Stat(filepath.Join(p.SDK, "sdk", "plugin.go")); err != nil {
			return fmt.Errorf("%s is no checkout of Vedette: %w", p.SDK, err)
		}
	}
	return nil
}

// Measurement is the name of what the plugin emits: a query needs no quotes for it.
func (p Plugin) Measurement() string { return strings.ReplaceAll(p.Name, "-", "_") }

// Write writes the module into a directory, which is made if it is not there and has to be empty if it is. It returns
// the names of the files, sorted.
func (p Plugin) Write(dir string) ([]string, error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	if p.Module == "" {
		p.Module = "example.com/" + p.Name
	}
	entries, err := os.ReadDir(dir)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("looking into the directory for the plugin: %w", err)
	case len(entries) > 0:
		return nil, fmt.Errorf("there is something in %s already, and nothing is overwritten: name another directory with --dir", dir)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("making the directory for the plugin: %w", err)
	}
	var written []string
	for _, part := range []string{"common", p.Kind} {
		from, err := fs.Sub(templates, path.Join("template", part))
		if err != nil {
			return nil, err
		}
		files, err := template.ParseFS(from, "*.tmpl")
		if err != nil {
			return nil, err
		}
		for _, t := range files.Templates() {
			name := strings.TrimSuffix(t.Name(), ".tmpl")
			if err := p.write(t, filepath.Join(dir, name)); err != nil {
				return nil, err
			}
			written = append(written, name)
		}
	}
	slices.Sort(written)
	return written, nil
}

// write makes one file, which must not be there.
func (p Plugin) write(t *template.Template, name string) error {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("making a file of the plugin: %w", err)
	}
	if err := errors.Join(t.Execute(file, p), file.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}
