package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vedette-monitor/vedette/plugins/shell-audit/view"
	"github.com/vedette-monitor/vedette/sdk"
)

// tailCommands shows rows as they come on standard input.
func tailCommands(ctx context.Context, call sdk.Call) error {
	flags := newArguments("tail")
	hosts := flags.StringArray("host", nil, "Host; may be repeated.")
	users := flags.StringArray("user", nil, "User; may be repeated.")
	match := flags.String("match", "", "Regular expression that commands match.")
	events := flags.Bool("events", false, "Show what happened to the audit, too.")
	programs := flags.Bool("programs", false, "Show the programs that the kernel saw run, too.")
	output := flags.output()
	if ok, err := flags.parse(call); !ok {
		return err
	}
	if err := checkOutput(*output); err != nil {
		return err
	}
	wanted, err := regexp.Compile(*match)
	if err != nil {
		return wrongUse(fmt.Errorf("--match: %w", err))
	}
	keep := func(r view.Row) bool {
		switch {
		case r.Lost > 0:
			return true
		case r.Measurement != view.Commands && !(*events && r.Measurement == eventMeasurement.Name),
			len(*hosts) > 0 && !slices.Contains(*hosts, r.Tags["host"]),
			len(*users) > 0 && !slices.Contains(*users, r.Tags["user"]),
			!*programs && r.Program():
			return false
		case r.Measurement == view.Commands:
			return wanted.MatchString(r.Text("command"))
		}
		return wanted.MatchString(r.Text("detail"))
	}
	o := view.Options{JSON: *output == "json", Zone: time.Local}
	if f, ok := call.Stdout.(*os.File); ok && screenWidth(f) > 0 {
		o.Width = func() int { return screenWidth(f) }
		o.Colour = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	}
	v := view.New(call.Stdout, o)
	if err := follow(ctx, call.Stdin, keep, v); err != nil {
		return err
	}
	return v.Close()
}

// follow shows what comes until it ends or ctx does.
func follow(ctx context.Context, in io.Reader, keep func(view.Row) bool, v *view.View) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	rows, ended := make(chan view.Row), make(chan error, 1)
	// It ends with its input: that of a process that ends can not be waited for.
	go func() {
		lines := json.NewDecoder(in)
		lines.UseNumber()
		for {
			var r view.Row
			if err := lines.Decode(&r); err != nil {
				ended <- err
				return
			}
			select {
			case rows <- r:
			case <-ctx.Done():
				return
			}
		}
	}()
	for {
		var due <-chan time.Time
		if at, ok := v.Due(); ok {
			due = time.After(time.Until(at))
		}
		var err error
		select {
		case <-ctx.Done():
			return nil
		case err := <-ended:
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return nil
			}
			return fmt.Errorf("reading rows: %w", err)
		case r := <-rows:
			if keep(r) {
				err = v.Add(r, time.Now())
			}
		case <-due:
			err = v.Release(time.Now())
		}
		if err != nil {
			return err
		}
	}
}

// screenWidth is that of a terminal; 0 if it is none.
func screenWidth(f *os.File) int {
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	switch {
	case err != nil:
		return 0
	case size.Col == 0:
		return 80
	}
	return int(size.Col)
}
