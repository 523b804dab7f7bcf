package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vedette-monitor/vedette/sdk"
)

// terminalOf is a terminal with that many columns: where a program writes, and where a person reads it.
func terminalOf(t *testing.T, columns uint16) (tty, reader *os.File) {
	t.Helper()
	reader, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = reader.Close() })
	number, err := unix.IoctlGetInt(int(reader.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(reader.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(int(reader.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: columns})
	}
	if err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tty.Close() })
	return tty, reader
}

func TestBarsFillTheTerminal(t *testing.T) {
	t.Setenv("NO_COLOR", "1")
	t.Setenv("LC_ALL", "C.UTF-8")
	url := site(t, says(200, "hello"))
	for _, columns := range []uint16{50, 132} {
		tty, reader := terminalOf(t, columns)
		shown := whatIsShown(reader)
		err := testTarget(t.Context(), sdk.Call{Args: []string{url}, Stdout: tty})
		if closeErr := tty.Close(); err != nil || closeErr != nil {
			t.Fatal(err, closeErr)
		}
		var text string
		select {
		case text = <-shown:
		case <-time.After(patience):
			t.Fatal("the terminal does not end")
		}
		longest := 0
		for line := range strings.Lines(text) {
			if strings.ContainsAny(line, "█▏▎▍▌▋▊▉") {
				longest = max(longest, len([]rune(strings.TrimRight(line, "\r\n"))))
			}
		}
		if longest > int(columns) || longest < int(columns)-3 {
			t.Errorf("the longest bar ends in column %d of %d:\n%s", longest, columns, text)
		}
		isPlain(t, strings.ReplaceAll(text, "\r", ""))
	}
}

func TestOnlyATerminalGetsColours(t *testing.T) {
	tty, _ := terminalOf(t, 0)
	file, err := os.Create(t.TempDir() + "/out")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, tc := range []struct {
		out           *os.File
		noColor, term string
		want          bool
	}{
		{tty, "", "xterm", true}, {tty, "1", "xterm", false}, {tty, "", "dumb", false}, {file, "", "xterm", false},
	} {
		t.Setenv("NO_COLOR", tc.noColor)
		t.Setenv("TERM", tc.term)
		if s := screenOf(tc.out); s.colour != tc.want || s.width != usualWidth {
			t.Errorf("%+v: %+v", tc, s)
		}
	}
}

// whatIsShown reads a terminal until all who write to it have closed it.
func whatIsShown(reader *os.File) <-chan string {
	shown := make(chan string, 1)
	go func() {
		text, _ := io.ReadAll(reader) // which then ends with an error
		shown <- string(text)
	}()
	return shown
}
