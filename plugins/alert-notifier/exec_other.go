//go:build unix && !linux

package main

import "syscall"

// tie does nothing: only Linux ends a program with who started it.
func tie(*syscall.SysProcAttr) {}
