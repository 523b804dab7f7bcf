// Vedette is a monitoring daemon whose eyes are plugins.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
	_ "time/tzdata" // hosts need no time zones of their own

	"github.com/vedette-monitor/vedette/daemon/cli"
)

// version is set by the linker.
var version = "0.1.0-dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	// A later signal ends the program at once. Not one of the same moment: a terminal or a wrapper may send two.
	context.AfterFunc(ctx, func() {
		time.Sleep(time.Second)
		stop()
	})
	code := cli.Main(ctx, version, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
