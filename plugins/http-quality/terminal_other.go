//go:build !unix

package main

import "os"

// columns takes nothing for a terminal.
func columns(*os.File) (int, bool) { return 0, false }
