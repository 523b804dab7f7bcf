package spool

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// segment is one file of records with consecutive numbers, named after the first of them.
//
// Where numbers jump, a new segment begins. So each record of a segment is below the name of the next segment, and an
// empty newest segment still says how far the numbers have come.
type segment struct {
	path  string
	first uint64
	size  int64 // acknowledged bytes; the file may hold more, from an append that failed

	reported []int64 // offsets of the holes that Open has reported, which reading must not report again
}

const segmentSuffix = ".seg"

func segmentPath(dir string, first uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%020d%s", first, segmentSuffix))
}

// listSegments returns the segments of dir, oldest first. It opens none of them.
func listSegments(dir string) ([]*segment, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list segments: %w", err)
	}
	var segments []*segment
	for _, e := range entries {
		number, isSegment := strings.CutSuffix(e.Name(), segmentSuffix)
		first, err := strconv.ParseUint(number, 10, 64)
		if !isSegment || err != nil || first == 0 || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return nil, fmt.Errorf("list segments: %w", err)
		}
		segments = append(segments, &segment{path: filepath.Join(dir, e.Name()), first: first, size: info.Size()})
	}
	slices.SortFunc(segments, func(a, b *segment) int { return strings.Compare(a.path, b.path) })
	return segments, nil
}

// holding returns the index of the segment in which record seq belongs: the last that does not begin after it, else the
// first. There must be one.
func holding(segments []*segment, seq uint64) int {
	after := sort.Search(len(segments), func(i int) bool { return segments[i].first > seq })
	return max(after-1, 0)
}
