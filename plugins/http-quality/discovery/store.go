package discovery

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// store keeps what was found in a file.
type store struct{ path string }

func (s *store) load() (map[string]Part, error) {
	if s.path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading what was found: %w", err)
	}
	var parts map[string]Part
	if err := json.Unmarshal(text, &parts); err != nil {
		return nil, fmt.Errorf("reading what was found from %s: %w", s.path, err)
	}
	return parts, nil
}

// save replaces the file as a whole: a crash leaves the one before or this one.
func (s *store) save(parts map[string]Part) error {
	if s.path == "" {
		return nil
	}
	text, err := json.Marshal(parts)
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(s.path), ".found-*")
	if err != nil {
		return fmt.Errorf("keeping what was found: %w", err)
	}
	_, err = file.Write(text)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), s.path)
	}
	if err != nil {
		_ = os.Remove(file.Name())
		return fmt.Errorf("keeping what was found: %w", err)
	}
	return nil
}
