package sdk

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestACommandEndsWithTheStatusOfItsError(t *testing.T) {
	for _, tc := range []struct {
		err    error
		status int
		said   string
	}{
		{nil, 0, ""},
		{errors.New("no such thing"), 1, "Error: no such thing\n"},
		{&ExitError{Status: 2, Err: errors.New("no such flag")}, 2, "Error: no such flag\n"},
		{fmt.Errorf("reading the flags: %w", &ExitError{Status: 2, Err: errors.New("no such flag")}), 2, "Error: reading the flags: no such flag\n"},
		{&ExitError{Status: 3}, 3, ""},
	} {
		var said strings.Builder
		if status := exitStatus(tc.err, &said); status != tc.status || said.String() != tc.said {
			t.Errorf("%v: status %d, said %q", tc.err, status, said.String())
		}
	}
	if text := (&ExitError{Status: 3}).Error(); text != "exit status 3" {
		t.Errorf("as an error it is %q", text)
	}
}
