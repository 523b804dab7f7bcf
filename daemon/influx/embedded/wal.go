package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// BeginSegments makes an InfluxDB 1.8 that does not run begin a new segment of each of its write-ahead logs when it starts.
// dir is its wal-dir.
//
// A crash or a full disk can leave half an entry at the end of a segment. InfluxDB opens that segment to append to it, at
// its end, and only then reads it and cuts the half entry off. What it writes afterwards stands behind a hole, and the
// next start cuts it off with the hole: points that were answered with 204 are gone. An empty newest segment is one that
// InfluxDB replaces rather than appends to the one before.
func BeginSegments(dir string) error {
	logs, err := filepath.Glob(filepath.Join(dir, "*", "*", "*")) // database, retention policy, shard
	if err != nil {
		return fmt.Errorf("find InfluxDB's write-ahead logs: %w", err)
	}
	for _, log := range logs {
		if err := beginSegment(log); err != nil {
			return fmt.Errorf("begin a new segment of InfluxDB's write-ahead log: %w", err)
		}
	}
	return nil
}

func beginSegment(log string) error {
	entries, err := os.ReadDir(log)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a link to nowhere
	} else if err != nil {
		return err
	}
	var last uint64
	for _, e := range entries {
		number, isSegment := strings.CutPrefix(strings.TrimSuffix(e.Name(), ".wal"), "_")
		if id, err := strconv.ParseUint(number, 10, 32); err == nil && isSegment {
			last = max(last, id)
		}
	}
	if last == 0 {
		return nil
	}
	f, err := os.OpenFile(filepath.Join(log, fmt.Sprintf("_%05d.wal", last+1)), os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}
