//go:build darwin || freebsd

package spool

import (
	"os"
	"syscall"
)

// syncData uses fsync: on macOS, os.File.Sync is the one call that reaches the platter (F_FULLFSYNC).
func syncData(f *os.File) error { return f.Sync() }

func freeBytes(dir string) (int64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, os.NewSyscallError("statfs", err)
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}
