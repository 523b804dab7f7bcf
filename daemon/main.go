// Vedette is a monitoring daemon whose eyes are plugins.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/vedette-monitor/vedette/daemon/cli"
)

// version is set by the linker.
var version = "0.1.0-dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	// A second signal ends the program at once.
	context.AfterFunc(ctx, stop)
	code := cli.Main(ctx, version, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
