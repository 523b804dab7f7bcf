package influx_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/influx"
)

func TestRemovedDeadLettersAreGoneAndTheOthersStay(t *testing.T) {
	dir := t.TempDir()
	d := deadLetters(t, dir, 3000)
	for i := range 30 {
		lane := influx.Points
		if i%3 == 0 {
			lane = influx.Records
		}
		if err := d.Add(lane, lines(fmt.Sprintf("m%d v=1 %d", i%2, i)), "test"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "dead-letters.jsonl.old")); err != nil {
		t.Fatal("this test needs both files: ", err)
	}
	before := readLetters(t, dir)
	chosen := influx.LetterFilter{Measurement: "m1", Lane: influx.Points}
	removed, err := d.Remove(chosen.Match)
	if err != nil || removed == 0 {
		t.Fatalf("%d removed, %v", removed, err)
	}
	var want []string
	for _, l := range before {
		if !chosen.Match(l) {
			want = append(want, string(l.Line)+" "+string(l.Lane))
		}
	}
	check := func() {
		t.Helper()
		var got []string
		for _, l := range readLetters(t, dir) {
			got = append(got, string(l.Line)+" "+string(l.Lane))
		}
		if strings.Join(got, ", ") != strings.Join(want, ", ") || d.Stats().Kept != uint64(len(want)) {
			t.Errorf("left: %q, want %q; %+v", got, want, d.Stats())
		}
	}
	check()
	// What is added afterwards comes behind, also after a restart.
	for range 2 {
		if err := d.Add(influx.Points, lines("later v=1 1"), "test"); err != nil {
			t.Fatal(err)
		}
		want = append(want, "later v=1 1 points")
		check()
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		d = deadLetters(t, dir, 1<<20)
		check()
	}
	if removed, err := d.Remove(influx.LetterFilter{}.Match); err != nil || removed != uint64(len(want)) {
		t.Errorf("%d removed, %v", removed, err)
	}
	want = nil
	check()
}

func TestFilterChoosesByEachOfItsParts(t *testing.T) {
	at := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	letter := influx.DeadLetter{Time: at, Lane: influx.Records, Reason: "400: field type conflict", Line: []byte(`a\ b\,c,t=1 v=1 5`)}
	for _, c := range []struct {
		filter influx.LetterFilter
		want   bool
	}{
		{influx.LetterFilter{}, true},
		{influx.LetterFilter{Measurement: "a b,c"}, true},
		{influx.LetterFilter{Measurement: "a b"}, false},
		{influx.LetterFilter{Reason: "type"}, true},
		{influx.LetterFilter{Reason: "parse"}, false},
		{influx.LetterFilter{Lane: influx.Records}, true},
		{influx.LetterFilter{Lane: influx.Points}, false},
		{influx.LetterFilter{Since: at, Until: at.Add(1)}, true},
		{influx.LetterFilter{Since: at.Add(1)}, false},
		{influx.LetterFilter{Until: at}, false},
	} {
		if got := c.filter.Match(letter); got != c.want {
			t.Errorf("%+v: %v", c.filter, got)
		}
	}
}

func TestDirectoryOfDeadLettersBelongsToOneProcess(t *testing.T) {
	dir := t.TempDir()
	first := deadLetters(t, dir, 1<<20)
	if _, err := influx.OpenDeadLetters(dir, 1<<20); !errors.Is(err, influx.ErrDeadLettersInUse) || !strings.Contains(err.Error(), dir) {
		t.Errorf("the second is told %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	deadLetters(t, dir, 1<<20)
}

func TestManyLinesAtOnceStayWithinTheBound(t *testing.T) {
	dir := t.TempDir()
	const bound = 20000
	d := deadLetters(t, dir, bound)
	var batch []string
	for i := range 1000 {
		batch = append(batch, fmt.Sprintf("m v=%d 1", i))
	}
	if err := d.Add(influx.Points, lines(batch...), "test"); err != nil {
		t.Fatal(err)
	}
	var size int64
	for _, name := range []string{"dead-letters.jsonl", "dead-letters.jsonl.old"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil {
			size += info.Size()
		}
	}
	got := readLetters(t, dir)
	stats := d.Stats()
	if size > bound || uint64(len(got)) != stats.Kept || stats.Kept+stats.Dropped != 1000 || string(got[len(got)-1].Line) != "m v=999 1" {
		t.Errorf("%d bytes, %d letters, %+v", size, len(got), stats)
	}
}

func TestRemovalThatACrashHasCutShortLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	d := deadLetters(t, dir, 1<<20)
	if err := d.Add(influx.Points, lines("m v=1 1"), "test"); err != nil {
		t.Fatal(err)
	}
	d.Close()
	left := filepath.Join(dir, "dead-letters.jsonl.new-123")
	if err := os.WriteFile(left, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	deadLetters(t, dir, 1<<20)
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Error("it is still there")
	}
	if got := readLetters(t, dir); len(got) != 1 {
		t.Errorf("%d letters", len(got))
	}
}

func TestLettersAreAddedWhileOthersAreRemoved(t *testing.T) {
	dir := t.TempDir()
	d := deadLetters(t, dir, 1<<20)
	var writers sync.WaitGroup
	for lane := range 4 {
		writers.Go(func() {
			for i := range 25 {
				if err := d.Add(influx.Points, lines(fmt.Sprintf("keep%d v=%d 1", lane, i), "go v=1 1"), "test"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 20 {
		if _, err := d.Remove(influx.LetterFilter{Measurement: "go"}.Match); err != nil {
			t.Error(err)
		}
	}
	writers.Wait()
	if _, err := d.Remove(influx.LetterFilter{Measurement: "go"}.Match); err != nil {
		t.Error(err)
	}
	if got := readLetters(t, dir); len(got) != 100 || d.Stats().Kept != 100 {
		t.Errorf("%d letters, %+v", len(got), d.Stats())
	}
}
