package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

// maxFile is more than a configuration needs, and less than a device that never ends.
const maxFile = 16 << 20

// readFile reads a text file. A relative name is relative to dir.
func readFile(dir, name string) (string, error) {
	file, err := os.Open(inDir(dir, name))
	if err != nil {
		return "", fmt.Errorf("reading the file: %w", err)
	}
	defer func() { _ = file.Close() }()
	content, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return "", fmt.Errorf("reading the file: %w", err)
	}
	if len(content) > maxFile {
		return "", fmt.Errorf("reading the file: %s has more than %s", inDir(dir, name), wire.FormatSize(maxFile))
	}
	if !utf8.Valid(content) {
		return "", fmt.Errorf("reading the file: %s is no text in UTF-8", inDir(dir, name))
	}
	return string(content), nil
}

func inDir(dir, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}

// secretFunction reads a file without the space around it, and marks it so that it is never shown.
func secretFunction(dir string) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			text, err := readFile(dir, args[0].AsString())
			if err != nil {
				return cty.UnknownVal(cty.String), function.NewArgError(0, err)
			}
			text = strings.TrimSpace(text)
			if text == "" {
				return cty.UnknownVal(cty.String), function.NewArgErrorf(0, "the file %s is empty", inDir(dir, args[0].AsString()))
			}
			return cty.StringVal(text).Mark(sensitive), nil
		},
	})
}

// filesetFunction lists the files of a directory whose names match a pattern.
func filesetFunction(dir string) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}, {Name: "pattern", Type: cty.String}},
		Type:   function.StaticReturnType(cty.Set(cty.String)),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			failed := cty.UnknownVal(cty.Set(cty.String))
			root, pattern := inDir(dir, args[0].AsString()), args[1].AsString()
			if strings.Contains(pattern, "**") {
				return failed, function.NewArgError(1, errors.New("** is not understood; a * stands for one directory or file"))
			}
			if info, err := os.Stat(root); err != nil {
				return failed, function.NewArgError(0, fmt.Errorf("looking for files: %w", err))
			} else if !info.IsDir() {
				return failed, function.NewArgErrorf(0, "%s is no directory", root)
			}
			names, err := fs.Glob(os.DirFS(root), pattern)
			if err != nil {
				return failed, function.NewArgErrorf(1, "%q is no pattern of file names", pattern)
			}
			var found []cty.Value
			for _, name := range names {
				if info, err := os.Stat(filepath.Join(root, name)); err == nil && info.Mode().IsRegular() {
					found = append(found, cty.StringVal(name))
				}
			}
			if len(found) == 0 {
				return cty.SetValEmpty(cty.String), nil
			}
			return cty.SetVal(found), nil
		},
	})
}
