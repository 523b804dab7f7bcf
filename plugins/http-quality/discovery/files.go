package discovery

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// maxFiles bounds how many files one source reads.
const maxFiles = 1000

// settled is for how long a file must not have been written before it is read: an editor may be in the middle of it.
const settled = 200 * time.Millisecond

// Files is a source that reads files. It looks whether they have changed by their time, size and number, which works on
// every file system, and for files that are replaced as for those that are written anew.
type Files struct{ patterns []string }

// NewFiles makes a source of the files of these patterns: paths that end in .json, .yml or .yaml, and in whose last element *, ?
// and […] match as in filepath.Match.
func NewFiles(patterns []string) (*Files, error) {
	for _, p := range patterns {
		if err := CheckPattern(p); err != nil {
			return nil, err
		}
	}
	return &Files{patterns}, nil
}

// CheckPattern says what is wrong with a pattern of files.
func CheckPattern(pattern string) error {
	dir, name := filepath.Split(pattern)
	if _, err := filepath.Match(name, ""); err != nil {
		return fmt.Errorf("pattern %q can not match anything: a [ is not closed", name)
	}
	if strings.ContainsAny(dir, "*?[") {
		return fmt.Errorf("pattern %s has a *, ? or [ before its last element, where it matches nothing", pattern)
	}
	switch filepath.Ext(name) {
	case ".json", ".yml", ".yaml":
		return nil
	}
	return fmt.Errorf("file %q is not known to be JSON or YAML: its name must end in .json, .yml or .yaml", name)
}

// Read implements Source.
func (f *Files) Read(_ context.Context, known map[string]Part) (map[string]Part, error) {
	parts := map[string]Part{}
	var wrong []error
	for _, pattern := range f.patterns {
		paths, err := matching(pattern)
		if err != nil {
			wrong = append(wrong, err)
			// Nobody knows which files there are: those that there were stay.
			maps.Copy(parts, matched(known, pattern))
			continue
		}
		if len(paths) == 0 {
			wrong = append(wrong, fmt.Errorf("no file is there for %s", pattern))
		}
		for _, path := range paths {
			if _, done := parts[path]; done {
				continue
			}
			if len(parts) == maxFiles {
				return known, fmt.Errorf("there are more than %d files", maxFiles)
			}
			before, wasThere := known[path]
			part, err := readFile(path, before)
			switch {
			case errors.Is(err, fs.ErrNotExist): // it went this moment
			case err == nil:
				parts[path] = part
			default:
				wrong = append(wrong, fmt.Errorf("file %s: %w", path, err))
				if wasThere {
					parts[path] = before
				}
			}
		}
	}
	return parts, errors.Join(wrong...)
}

// matching are the files of a pattern. Other than filepath.Glob it fails where a directory can not be read.
func matching(pattern string) ([]string, error) {
	dir, name := filepath.Split(pattern)
	entries, err := os.ReadDir(filepath.Clean(dir))
	if err != nil {
		return nil, fmt.Errorf("looking for files: %w", err)
	}
	var paths []string
	for _, e := range entries {
		// A dot in front hides a file from a *, as it does in a shell: editors keep their own so.
		hidden := strings.HasPrefix(e.Name(), ".") && !strings.HasPrefix(name, ".")
		if ok, _ := filepath.Match(name, e.Name()); ok && !hidden && !e.IsDir() {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	return paths, nil
}

func matched(known map[string]Part, pattern string) map[string]Part {
	of := map[string]Part{}
	for path, part := range known {
		if ok, _ := filepath.Match(filepath.Clean(pattern), path); ok {
			of[path] = part
		}
	}
	return of
}

// readFile reads a file unless it is as it was.
func readFile(path string, before Part) (Part, error) {
	// A pipe or a device would keep the reader for ever.
	info, err := os.Stat(path)
	if err != nil {
		return Part{}, err
	}
	if !info.Mode().IsRegular() {
		return Part{}, errors.New("it is no regular file")
	}
	stamp := stampOf(info)
	if stamp == before.Stamp {
		return before, nil
	}
	if age := time.Since(info.ModTime()); before.Stamp != "" && age >= 0 && age < settled {
		return before, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return Part{}, err
	}
	defer file.Close()
	text, err := readAll(file)
	if err != nil {
		return Part{}, err
	}
	// Who writes it anew may have begun since it was looked at: what was read is half a list then, or none.
	if now, err := file.Stat(); err != nil || stampOf(now) != stamp {
		if before.Stamp == "" {
			err = errors.Join(errors.New("it is being written"), err)
		}
		return before, err
	}
	parse := parseYAML
	if filepath.Ext(path) == ".json" {
		parse = parseJSON
	}
	groups, err := parse(text)
	if err != nil {
		return Part{}, err
	}
	return Part{Groups: groups, Stamp: stamp}, nil
}
