// Bed is the program of the processes that this directory's tests start at the ends of a delay line: an origin of known
// delays, and probers. It is built without the race detector, which would make both slower than what they stand for.
//
// The tests are what this directory is for. They prove that the engine's numbers are those of curl, that they stay true
// when many probes are due at once, and that bad servers are told for what they are and leave nothing behind.
package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/netip"
	"os"
	"os/signal"

	"github.com/vedette-monitor/vedette/plugins/http-quality/origin"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 4 && args[0] == "origin":
		return serve(args[1], args[2], args[3])
	case len(args) == 1 && args[0] == "prober":
		return obey(os.Stdin, os.Stdout)
	}
	return fmt.Errorf("usage: bed origin IPV4 IPV6 CERTIFICATE, or bed prober")
}

// serve is an origin. The file has its certificate and key.
func serve(ipv4, ipv6, file string) error {
	certificate, err := tls.LoadX509KeyPair(file, file)
	if err != nil {
		return err
	}
	addresses := [2]netip.Addr{}
	for i, text := range []string{ipv4, ipv6} {
		if addresses[i], err = netip.ParseAddr(text); err != nil {
			return err
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	return origin.Serve(ctx, addresses[0], addresses[1], certificate, func() { fmt.Println("ready") })
}
