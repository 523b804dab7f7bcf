//go:build unix

package discovery

import (
	"fmt"
	"io/fs"
	"syscall"
)

// stampOf changes whenever a file is written or replaced.
func stampOf(info fs.FileInfo) string {
	var inode uint64
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		inode = uint64(s.Ino)
	}
	return fmt.Sprintf("%d.%d.%d", info.ModTime().UnixNano(), info.Size(), inode)
}
