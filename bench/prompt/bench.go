package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"

	"github.com/vedette-monitor/vedette/bench/report"
)

type bench struct {
	bin                  string
	prompts, slow, calls int
	dir                  string
	port                 int
}

func (b *bench) run(ctx context.Context) (err error) {
	if b.bin, err = filepath.Abs(b.bin); err != nil {
		return err
	}
	if os.Args[0], err = os.Executable(); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "vedette-bench-"); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(b.dir) }()
	if err := os.WriteFile(filepath.Join(b.dir, "client.py"), []byte(client), 0o644); err != nil {
		return err
	}
	server, err := serve()
	if err != nil {
		return err
	}
	defer func() { _ = server.Close() }()
	b.port = server.Addr().(*net.TCPAddr).Port

	all := b.variants()
	defer func() {
		for _, v := range all {
			v.end()
		}
	}()
	for _, v := range all {
		if err := v.start(ctx, b); err != nil {
			return fmt.Errorf("starting %s: %w", v.name, err)
		}
	}
	every := max(1, b.prompts/b.slow)
	for i := range b.prompts {
		for _, v := range all {
			if v.slow && i%every != 0 {
				continue
			}
			if err := v.prompt(ctx, i); err != nil {
				return err
			}
		}
	}
	for _, v := range all {
		if !v.slow {
			if err := v.call(ctx, b.calls); err != nil {
				return err
			}
		}
	}
	b.report(all)
	return nil
}

func (b *bench) report(all []*variant) {
	none, python := report.Quantiles(all[0].took), report.Quantiles(all[len(all)-1].took)
	alone := report.Quantiles(all[0].alone)
	fmt.Printf("From the Enter key to the next prompt of bash, %d prompts (%d of those that start a program), in µs; and the hook alone, %d calls inside of the shell.\n\n",
		b.prompts, b.slow, b.calls)
	t := report.NewTable("", "p50", "p99", "added p50", "alone p50", "alone p99")
	for _, v := range all {
		q := report.Quantiles(v.took)
		cells := []any{"%.0f", q.At(0.5), "%.0f", q.At(0.99), "%.0f", q.At(0.5) - none.At(0.5)}
		if len(v.alone) > 0 {
			a := report.Quantiles(v.alone)
			cells = append(cells, "%.0f", a.At(0.5), "%.0f", a.At(0.99))
		} else {
			cells = append(cells, "%s", "", "%s", "")
		}
		t.Row(v.name, cells...)
	}
	t.Print()
	fmt.Println()
	client := python.At(0.5) - none.At(0.5)
	for _, v := range all {
		if !v.hooked {
			continue
		}
		report.Promise(v.name+": added by the hook, p99, µs", report.Quantiles(v.alone).At(0.99)-alone.At(0.99), report.AtMost, 1000)
		report.Promise(v.name+": a Python client adds so many times as much, p50", client/(report.Quantiles(v.took).At(0.5)-none.At(0.5)), report.AtLeast, 100)
	}
}

// listen is the collector: it reads what hooks tell and throws it away.
func listen(socket string) error {
	l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: socket, Net: "unixpacket"})
	if err != nil {
		return err
	}
	for {
		c, err := l.AcceptUnix()
		if err != nil {
			return err
		}
		go func() {
			message := make([]byte, 32<<10)
			for {
				if n, err := c.Read(message); err != nil || n == 0 {
					_ = c.Close()
					return
				}
			}
		}()
	}
}

// serve takes what the Python client sends.
func serve() (net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(io.Discard, c)
				_ = c.Close()
			}()
		}
	}()
	return l, nil
}
