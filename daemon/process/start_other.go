//go:build unix && !linux

package process

import (
	"os/exec"
	"syscall"
)

func startOnLastingThread(cmd *exec.Cmd) error { return cmd.Start() }

// Other systems have no such signal; a plugin notices the end of its standard input instead.
func setDeathSignal(*syscall.SysProcAttr, syscall.Signal) {}
