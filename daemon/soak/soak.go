// Package soak says to tests whether they shall take their time: `make soak` runs those whose names begin with TestSoak for
// long, `make test` all for short.
package soak

import "os"

// Variable is set in the environment of a long run.
const Variable = "VEDETTE_SOAK"

// Rounds is how often a test shall do what it does again and again.
func Rounds(short, long int) int {
	if os.Getenv(Variable) != "" {
		return long
	}
	return short
}
