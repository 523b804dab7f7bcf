package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

// LockFile is the name of the file that pins plugins. It lies beside the configuration and is no part of it.
const LockFile = "vedette.lock.hcl"

// Lock pins plugins, by the names in their manifests.
type Lock map[string]Locked

// Locked is a plugin that is pinned.
type Locked struct {
	Version string
	// Sources are where the configuration has it: names in the plugin directory, or paths relative to the lock file. No other
	// program runs in these places, whatever it calls itself.
	Sources []string
	// SHA256 of the program, in hexadecimal, by platform: linux/amd64.
	SHA256 map[string]string
}

// Platform is that of this program, as a lock file names it.
const Platform = runtime.GOOS + "/" + runtime.GOARCH

// LockPath is where the lock file of the configuration at path lies.
func LockPath(path string) string { return filepath.Join(baseDir(path), LockFile) }

// ReadLock reads the lock file at path. If there is none, nothing is pinned.
func ReadLock(path string) (Lock, error) {
	text, err := ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Lock{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the lock file: %w", err)
	}
	var content struct {
		Plugins []struct {
			Name    string            `hcl:"name,label"`
			Version string            `hcl:"version"`
			Sources []string          `hcl:"sources,optional"`
			SHA256  map[string]string `hcl:"sha256"`
		} `hcl:"plugin,block"`
	}
	file, diags := hclparse.NewParser().ParseHCL(text, path)
	if !diags.HasErrors() {
		diags = append(diags, gohcl.DecodeBody(file.Body, nil, &content)...)
	}
	if diags.HasErrors() {
		return nil, fmt.Errorf("reading the lock file: %w; remove it, and let `vedette plugin lock` write it anew", diags)
	}
	lock := Lock{}
	for _, p := range content.Plugins {
		lock[p.Name] = Locked{p.Version, p.Sources, p.SHA256}
	}
	return lock, nil
}

// Write writes the lock file at path.
func (l Lock) Write(path string) error {
	file := hclwrite.NewEmptyFile()
	body := file.Body()
	body.AppendUnstructuredTokens(hclwrite.Tokens{{Type: hclsyntax.TokenComment, Bytes: []byte("# Written by `vedette plugin lock`: the programs that may run as plugins.\n")}})
	for _, name := range slices.Sorted(maps.Keys(l)) {
		body.AppendNewline()
		block := body.AppendNewBlock("plugin", []string{name}).Body()
		block.SetAttributeValue("version", cty.StringVal(l[name].Version))
		if sources := l[name].Sources; len(sources) > 0 {
			values := make([]cty.Value, len(sources))
			for i, source := range sources {
				values[i] = cty.StringVal(source)
			}
			block.SetAttributeValue("sources", cty.ListVal(values))
		}
		sums := map[string]cty.Value{}
		for platform, sum := range l[name].SHA256 {
			sums[platform] = cty.StringVal(sum)
		}
		block.SetAttributeValue("sha256", cty.MapVal(sums))
	}
	if err := os.WriteFile(path, file.Bytes(), 0o644); err != nil {
		return fmt.Errorf("writing the lock file: %w", err)
	}
	return nil
}

// Place is a source of a configuration as its lock file names it.
func Place(configuration, source string) string {
	if !filepath.IsAbs(source) {
		return source
	}
	base, err := filepath.Abs(baseDir(configuration))
	if err != nil {
		return source
	}
	place, err := filepath.Rel(base, source)
	if err != nil {
		return source
	}
	return filepath.ToSlash(place)
}

// NotLocked says why a program may not run.
type NotLocked struct{ Summary, Detail string }

func (n *NotLocked) Error() string { return n.Detail }

// Check says why a program with this SHA256 may not run in a place, before it has: a NotLocked, or nil. Only where locks are required is
// a place refused that the lock file does not know, unless the program is one that it knows.
func (l Lock) Check(place, sum string, required bool) error {
	name, known := l.in(place)
	switch {
	case known && l[name].SHA256[Platform] != "":
		return l.compare(name, sum)
	case required && known:
		return &NotLocked{"Plugin is not locked", fmt.Sprintf("The lock file has %s %s, but not for %s. Run `vedette plugin lock`", name, l[name].Version, Platform)}
	case required && !l.has(sum):
		return &NotLocked{"Plugin is not locked", fmt.Sprintf("require_lock is set, and the lock file does not have %s. Run `vedette plugin lock`", place)}
	}
	return nil
}

// compare says whether a program is not the one that is pinned by a name, if one is.
func (l Lock) compare(name, sum string) error {
	locked := l[name]
	want, here := locked.SHA256[Platform]
	if !here || want == sum {
		return nil
	}
	return &NotLocked{"Plugin is not the one that is locked", fmt.Sprintf("The program of %s has the SHA256 %s, and the lock file has %s %s for %s. "+
		"If the change is meant, run `vedette plugin lock`", name, sum, locked.Version, want, Platform)}
}

// in is the name of the plugin that is pinned in a place. One whose places are not told is in that of its name.
func (l Lock) in(place string) (name string, known bool) {
	for _, name := range slices.Sorted(maps.Keys(l)) {
		if sources := l[name].Sources; slices.Contains(sources, place) || len(sources) == 0 && name == place {
			return name, true
		}
	}
	return "", false
}

// has reports whether a program is pinned, wherever.
func (l Lock) has(sum string) bool {
	for _, locked := range l {
		if locked.SHA256[Platform] == sum {
			return true
		}
	}
	return false
}

// pin notes whether a program is pinned. One that calls itself by the name of a pinned one must be that, in whatever place it is.
func (d *decoder) pin(p *Plugin, sum string, at hcl.Range) {
	if sum == "" {
		return
	}
	p.SHA256, p.Pinned = sum, d.lock.has(sum)
	d.refuse(at, d.lock.compare(p.Manifest.Name, sum))
}

// refuse reports a program that may not run, and whether the error is about that.
func (d *decoder) refuse(at hcl.Range, err error) bool {
	var not *NotLocked
	if !errors.As(err, &not) {
		return false
	}
	d.fail(at, not.Summary, "%s.", not.Detail)
	return true
}
