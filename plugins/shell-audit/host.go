package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// hostKey is a key of this host's, by which commands can be compared without being told.
func hostKey(path string) ([]byte, error) {
	key, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		key = make([]byte, 32)
		_, _ = rand.Read(key) // never fails
		err = replace(path, key)
	}
	if err != nil {
		return nil, fmt.Errorf("the key of the host: %w", err)
	}
	return key, nil
}

// makeWay makes a directory and those above it that are missing, so that every user can get to what is in it. It names the one that
// lets nobody through.
func makeWay(dir string) error {
	if above := filepath.Dir(dir); above != dir {
		if err := makeWay(above); err != nil {
			return err
		}
	}
	const through = 0o711
	err := os.Mkdir(dir, through)
	if err == nil {
		return os.Chmod(dir, through) // whatever the mask of this process is
	}
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() || info.Mode()&0o001 == 0 {
		return fmt.Errorf("users can not get through %s: let them with 'chmod o+x %[1]s', or choose another place", dir)
	}
	return nil
}

// peopleOf are root and the users of a passwd file who are people, by the usual numbers.
func peopleOf(path string) []int {
	people := []int{0}
	text, err := os.ReadFile(path)
	if err != nil {
		return people
	}
	const first, nobody = 1000, 65534
	for line := range strings.Lines(string(text)) {
		fields := strings.Split(line, ":")
		if len(fields) < 7 {
			continue
		}
		if uid, err := strconv.Atoi(fields[2]); err == nil && uid >= first && uid != nobody {
			people = append(people, uid)
		}
	}
	return people
}

// ownAddress is the address from which this host would speak to others; "" if it has none. Nothing is sent.
func ownAddress() string {
	for _, to := range []string{"192.0.2.1:9", "[2001:db8::1]:9"} {
		conn, err := net.Dial("udp", to)
		if err != nil {
			continue
		}
		defer conn.Close()
		if addr, ok := conn.LocalAddr().(*net.UDPAddr); ok {
			return addr.IP.String()
		}
	}
	return ""
}
