package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/vedette-monitor/vedette/sdk"
)

// maxSecret is the longest secret that is read from a file.
const maxSecret = 64 << 10

// secret is a password, a key, or an address that holds one: from the configuration, or from a file that is read again when
// it has changed, so that it can be rotated without a reload.
type secret struct {
	inline string
	file   string

	mu      sync.Mutex
	read    string
	size    int64
	changed time.Time
	known   bool
}

// newSecret takes the two attributes, of which at most one is set; name is that of the first.
func newSecret(name, inline string, file sdk.Path) (*secret, error) {
	if inline != "" && file != "" {
		return nil, at(name, fmt.Errorf("%s and %s_file are both set; one is enough", name, name))
	}
	return &secret{inline: strings.TrimSpace(inline), file: string(file)}, nil
}

// needed is newSecret where one of the two must be set.
func needed(name, inline string, file sdk.Path) (*secret, error) {
	if inline == "" && file == "" {
		return nil, at(name, fmt.Errorf("set %s or %s_file", name, name))
	}
	return newSecret(name, inline, file)
}

func (s *secret) isSet() bool { return s.inline != "" || s.file != "" }

// value returns the secret. The error names the file, and never what is in it.
func (s *secret) value() (string, error) {
	if s.file == "" {
		return s.inline, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f, err := os.Open(s.file)
	if err != nil {
		return "", fmt.Errorf("opening the file of a secret: %w", err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("looking at the file of a secret: %w", err)
	}
	if s.known && info.Size() == s.size && info.ModTime().Equal(s.changed) && time.Since(s.changed) > time.Second {
		return s.read, nil
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return "", fmt.Errorf("reading the file of a secret: %w", err)
	}
	if len(text) > maxSecret {
		return "", fmt.Errorf("%s is longer than %d bytes, which is no secret", s.file, maxSecret)
	}
	s.read, s.size, s.changed, s.known = strings.TrimSpace(string(text)), info.Size(), info.ModTime(), true
	if s.read == "" {
		return "", fmt.Errorf("%s is empty", s.file)
	}
	return s.read, nil
}

// at is an error at an attribute.
func at(name string, err error) error { return &sdk.Problem{Path: []string{name}, Err: err} }

// errNone is the error of a list that may not be empty.
var errNone = errors.New("name at least one")

// hidden replaces secrets in what may be shown.
type hidden []string

// hide makes the replacer for these secrets; what is too short to be one is left alone.
func hide(secrets ...string) hidden {
	var h hidden
	for _, s := range secrets {
		if len(s) >= 4 {
			h = append(h, s)
		}
	}
	return h
}

func (h hidden) in(text string) string {
	for _, s := range h {
		text = strings.ReplaceAll(text, s, "…")
	}
	return text
}
