package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/vedette-monitor/vedette/plugins/shell-audit/chain"
	"github.com/vedette-monitor/vedette/sdk"
)

func printKey(_ context.Context, call sdk.Call) error {
	c, err := configured(call)
	if err != nil {
		return err
	}
	flags := newArguments("key")
	take := flags.Bool("take", false, "Delete the key on this host once it is printed.")
	if ok, err := flags.parse(call); !ok {
		return err
	}
	key, err := readFirstKey(c)
	if err != nil {
		return err
	}
	fmt.Fprintln(call.Stderr, "The first key of this host's chain. With it 'vedette audit verify' shows that nothing which was recorded was altered, and\n"+
		"nobody can without. Keep it away from this host: whoever has it can forge.")
	if _, err := fmt.Fprintln(call.Stdout, key); err != nil {
		return fmt.Errorf("printing the key, which is still in %s: %w", c.firstKey(), err)
	}
	if !*take {
		fmt.Fprintf(call.Stderr, "It is still in %s. When you have it, delete it there: vedette audit key --take\n", c.firstKey())
		return nil
	}
	if err := wipe(c.firstKey()); err != nil {
		return err
	}
	fmt.Fprintln(call.Stderr, "It is gone from this host, and can not be printed again.")
	return nil
}

// readFirstKey reads the key that nobody has taken away yet.
func readFirstKey(c config) (chain.Key, error) {
	text, err := os.ReadFile(c.firstKey())
	switch {
	case errors.Is(err, fs.ErrPermission):
		return chain.Key{}, errors.New("only root can read the first key: run it with sudo")
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Stat(c.chain()); err == nil {
			return chain.Key{}, errors.New("the first key was taken from this host: it is where it was put then")
		}
		return chain.Key{}, fmt.Errorf("there is no chain in %s yet: it begins when the daemon runs this plugin", c.Directory)
	case err != nil:
		return chain.Key{}, fmt.Errorf("reading the first key: %w", err)
	}
	key, err := chain.ParseKey(strings.TrimSpace(string(text)))
	if err != nil {
		return key, fmt.Errorf("reading the first key from %s: %w", c.firstKey(), err)
	}
	return key, nil
}

// wipe overwrites a file before it deletes it.
func wipe(path string) error {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("deleting the key: %w", err)
	}
	info, err := file.Stat()
	if err == nil {
		_, err = file.Write(make([]byte, info.Size()))
	}
	if err = errors.Join(err, file.Sync(), file.Close(), os.Remove(path)); err != nil {
		return fmt.Errorf("deleting the key: %w", err)
	}
	return nil
}
