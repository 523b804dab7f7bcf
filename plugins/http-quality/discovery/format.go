package discovery

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"
)

// maxBytes is the longest list that is read.
const maxBytes = 16 << 20

var errTooLong = fmt.Errorf("it is longer than %d MiB", maxBytes>>20)

func tooMany(targets, most int) error {
	return fmt.Errorf("it names %d targets, and max_targets is %d", targets, most)
}

// readAll reads a list whole, if it is not too long.
func readAll(r io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxBytes+1))
	if err == nil && len(text) > maxBytes {
		err = errTooLong
	}
	return text, err
}

// parseJSON reads a list. A key that is not known is a mistake that would otherwise pass for a group without targets.
func parseJSON(text []byte) ([]Group, error) {
	d := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff")))) // some editors write a byte order mark
	d.DisallowUnknownFields()
	var groups []*Group
	if err := d.Decode(&groups); err != nil {
		return nil, fmt.Errorf("it is no list of {\"targets\": […], \"labels\": {…}} in JSON: %s", printable(err.Error()))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the list")
	}
	return checked(groups, groups == nil)
}

// parseYAML reads a list. An empty document is an empty list.
func parseYAML(text []byte) ([]Group, error) {
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	var groups []*Group
	err := d.Decode(&groups)
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("it is no list of targets and labels in YAML: %s", printable(err.Error()))
	}
	if err := d.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, errors.New("a second document follows the list")
	}
	return checked(groups, false)
}

func checked(groups []*Group, null bool) ([]Group, error) {
	if null {
		return nil, errors.New("it is null, and no list")
	}
	list := make([]Group, 0, len(groups))
	for i, g := range groups {
		if g == nil {
			return nil, fmt.Errorf("group %d is null", i)
		}
		list = append(list, *g)
	}
	return list, nil
}
