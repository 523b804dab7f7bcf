//go:build unix && !linux

package process

import (
	"os/exec"
	"syscall"
)

func startOnLastingThread(cmd *exec.Cmd) error { return cmd.Start() }

// Other systems have no such signal; a plugin notices the end of its standard input instead.
func setDeathSignal(*syscall.SysProcAttr, syscall.Signal) {}

// Other systems can not wait for the end of a child without reaping it: what is left of its group stays.
func waitForEnd(int) bool { return false }
