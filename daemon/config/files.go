package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

// maxFile is more than a configuration needs, and less than a device that never ends. What gives nothing for readTimeout,
// such as a terminal, is given up.
const (
	maxFile     = 16 << 20
	readTimeout = 10 * time.Second
)

// ReadFile reads a file that belongs to a configuration. It never waits for somebody to write into the file: whoever does
// may hold up every later reload.
func ReadFile(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	switch kind := info.Mode().Type(); kind {
	case 0, fs.ModeDir: // reading a directory says what it is
	case fs.ModeDevice | fs.ModeCharDevice:
		_ = file.SetReadDeadline(time.Now().Add(readTimeout)) // a device that takes none is always ready
	default:
		return nil, fmt.Errorf("%s is no regular file but %s: write what it gives into a file, and name that", path, kindName(kind))
	}
	content, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(content) > maxFile {
		return nil, fmt.Errorf("%s has more than %s", path, wire.FormatSize(maxFile))
	}
	return content, nil
}

func kindName(kind fs.FileMode) string {
	switch kind {
	case fs.ModeNamedPipe:
		return "a pipe"
	case fs.ModeSocket:
		return "a socket"
	}
	return "a device of blocks"
}

// readFile reads a text file, without the mark of UTF-8 that some programs, such as Excel, begin one with. A relative name is
// relative to dir.
func readFile(dir, name string) (string, error) {
	content, err := ReadFile(inDir(dir, name))
	if err != nil {
		return "", fmt.Errorf("reading the file: %w", err)
	}
	if !utf8.Valid(content) {
		return "", fmt.Errorf("reading the file: %s is no text in UTF-8", inDir(dir, name))
	}
	return strings.TrimPrefix(string(content), "\ufeff"), nil
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
