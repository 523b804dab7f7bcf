package influx

import (
	"os"

	"golang.org/x/sys/unix"
)

// reserveRoom gives a file blocks beyond its end, as far as the disk has them and the file system can; its size stays.
func reserveRoom(f *os.File, end, length int64) {
	_ = unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, end, length)
}
