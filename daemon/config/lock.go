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
	// SHA256 of the program, in hexadecimal, by platform: linux/amd64.
	SHA256 map[string]string
}

// Platform is that of this program, as a lock file names it.
const Platform = runtime.GOOS + "/" + runtime.GOARCH

// LockPath is where the lock file of the configuration at path lies.
func LockPath(path string) string { return filepath.Join(baseDir(path), LockFile) }

// ReadLock reads the lock file at path. If there is none, nothing is pinned.
func ReadLock(path string) (Lock, error) {
	text, err := os.ReadFile(path)
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
		lock[p.Name] = Locked{p.Version, p.SHA256}
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

// pin holds the plugin against the lock file: a program that is pinned must be the one that is installed.
func (d *decoder) pin(p *Plugin, sum string, at hcl.Range) {
	if sum == "" {
		return
	}
	p.SHA256 = sum
	locked, ok := d.lock[p.Manifest.Name]
	want, known := locked.SHA256[Platform]
	switch {
	case known && want != sum:
		d.fail(at, "Plugin is not the one that is locked", "The program of %s %s has the SHA256 %s, and the lock file has %s %s for %s. "+
			"If the change is meant, run `vedette plugin lock`.", p.Manifest.Name, p.Manifest.Version, sum, locked.Version, want, Platform)
	case known:
		p.Pinned = true
	case d.requireLock && ok:
		d.fail(at, "Plugin is not locked", "The lock file has %s %s, but not for %s. Run `vedette plugin lock`.", p.Manifest.Name, locked.Version, Platform)
	case d.requireLock:
		d.fail(at, "Plugin is not locked", "require_lock is set, and the lock file does not have %s. Run `vedette plugin lock`.", p.Manifest.Name)
	}
}
