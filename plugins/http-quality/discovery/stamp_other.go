//go:build !unix

package discovery

import (
	"fmt"
	"io/fs"
)

// stampOf changes whenever a file is written or replaced.
func stampOf(info fs.FileInfo) string {
	return fmt.Sprintf("%d.%d", info.ModTime().UnixNano(), info.Size())
}
