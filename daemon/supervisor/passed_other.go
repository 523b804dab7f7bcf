//go:build unix && !linux

package supervisor

import (
	"io"
	"os"
)

// passed is a file that has no name any more, from which content is read.
func passed(content []byte) (*os.File, error) {
	file, err := os.CreateTemp("", "configuration")
	if err != nil {
		return nil, err
	}
	err = os.Remove(file.Name())
	if err == nil {
		_, err = file.Write(content)
	}
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}
