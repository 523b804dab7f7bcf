// Probe measures what HTTP probes cost, and how well they keep their times: the engine in a closed loop against a prober with
// net/http and httptrace and against libcurl; the plugin on its schedule against blackbox_exporter and Telegraf. The
// contestants take turns against one nginx on loopback, which counts the requests itself, so that the ratios hold when the
// machine's speed drifts.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "loop" {
		if err := loop(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "Error:", err)
			os.Exit(1)
		}
		return
	}
	var b bench
	flag.StringVar(&b.bin, "bin", "bin", "directory with vedette and http-quality")
	flag.StringVar(&b.tools, "tools", ".tools", "directory with telegraf, and bench/ with the loop of libcurl")
	flag.IntVar(&b.probes, "probes", 3000, "probes of a round of the closed loop")
	flag.IntVar(&b.rounds, "rounds", 5, "rounds, of which the medians are printed")
	flag.StringVar(&b.only, "only", "", "the one part to run: loop, schedule, memory or punctuality")
	flag.DurationVar(&b.span, "span", 10*time.Second, "how long each schedule is watched in a round")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := b.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}

func (b *bench) run(ctx context.Context) (err error) {
	for _, dir := range []*string{&b.bin, &b.tools} {
		if *dir, err = filepath.Abs(*dir); err != nil {
			return err
		}
	}
	if b.dir, err = os.MkdirTemp("", "vedette-bench-"); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(b.dir) }()
	if b.site, err = startNginx(ctx, b.dir); err != nil {
		return err
	}
	defer b.site.End()
	fmt.Printf("%d rounds; a page of %d bytes from one nginx worker on loopback; medians.\n\n", b.rounds, pageSize)
	for _, part := range []struct {
		name string
		run  func(context.Context) error
	}{{"loop", b.closedLoop}, {"schedule", b.schedules}, {"memory", b.memory}, {"punctuality", b.punctuality}} {
		if b.only != "" && b.only != part.name {
			continue
		}
		if err := part.run(ctx); err != nil {
			return err
		}
		fmt.Println()
	}
	return nil
}
