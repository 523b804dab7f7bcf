// Prompt measures what the audit adds to a prompt of bash: with the collector up, stopped, dead, and with a full disk, against no
// audit, a fork for the history's last line, and a Python client for each prompt. All are shells on terminals of their own and
// take turns, so that the ratios hold when the machine's speed drifts. The hook alone is measured inside of its shell.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == "listen" {
		fmt.Fprintln(os.Stderr, "Error:", listen(os.Args[2]))
		os.Exit(1)
	}
	var b bench
	flag.StringVar(&b.bin, "bin", "bin", "directory with vedette-audit.so")
	flag.IntVar(&b.prompts, "prompts", 500, "prompts of each variant")
	flag.IntVar(&b.slow, "slow", 60, "prompts of the variants that start a program")
	flag.IntVar(&b.calls, "calls", 2000, "calls of the hook alone")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := b.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}
