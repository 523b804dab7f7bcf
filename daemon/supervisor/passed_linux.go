package supervisor

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// passed is a file in memory alone, with no name that others could open, from which content is read.
func passed(content []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("configuration", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "configuration")
	_, err = file.Write(content)
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}
