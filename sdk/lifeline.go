//go:build unix

package sdk

import (
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// grace is how long a plugin at most lives on without its daemon, until its session has ended.
const grace = time.Second

// dieWithDaemon ends the plugin, and all that it has started, soon after the daemon has ended, however it did. The
// daemon holds the other end of standard input and never writes: its end of file is the sign. While the daemon lives it
// alone says when to stop, so SIGINT and SIGTERM, which a terminal or a service manager may send to all processes at
// once, do not keep the plugin from draining.
func dieWithDaemon(busy func() bool) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		for range signals {
			// Ignored, but not by signal.Ignore, which processes that the plugin starts would inherit.
		}
	}()
	lifeline := os.Stdin
	go func() {
		_, _ = io.Copy(io.Discard, lifeline)
		for end := time.Now().Add(grace); busy() && time.Now().Before(end); {
			time.Sleep(10 * time.Millisecond)
		}
		if syscall.Getpgrp() == os.Getpid() {
			_ = syscall.Kill(0, syscall.SIGKILL)
		}
		os.Exit(1)
	}()
}
