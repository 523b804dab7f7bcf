package influx_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/vedette-monitor/vedette/daemon/influx"
)

func deadLetters(t testing.TB, dir string, bound int64) *influx.DeadLetters {
	t.Helper()
	d, err := influx.OpenDeadLetters(dir, bound)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func readLetters(t testing.TB, dir string) []influx.DeadLetter {
	t.Helper()
	var all []influx.DeadLetter
	for letter, err := range influx.ReadDeadLetters(dir) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, letter)
	}
	return all
}

func TestDeadLettersComeBackAsTheyWere(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dead")
	odd := []string{"m v=1 1", "m s=\"a\nb\" 2", "m s=\"\xff\xfe\x00\" 3", "", "店 v=1 4"}
	d := deadLetters(t, dir, 1<<20)
	for _, line := range odd {
		if err := d.Add(influx.Points, lines(line), "because of "+line[:0]+"that"); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	got := readLetters(t, dir)
	if len(got) != len(odd) {
		t.Fatalf("%d letters", len(got))
	}
	for i, letter := range got {
		if string(letter.Line) != odd[i] || letter.Reason != "because of that" || letter.Time.IsZero() {
			t.Errorf("letter %d: %+v", i, letter)
		}
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("directory: %v, %v", info.Mode(), err)
	}
	if info, err := os.Stat(filepath.Join(dir, "dead-letters.jsonl")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("file: %v, %v", info.Mode(), err)
	}
	if again := deadLetters(t, dir, 1<<20); again.Stats().Kept != uint64(len(odd)) {
		t.Errorf("stats after a restart: %+v", again.Stats())
	}
	if none := readLetters(t, t.TempDir()); len(none) != 0 {
		t.Errorf("%d letters in an empty directory", len(none))
	}
}

func TestDeadLettersStayWithinTheirBoundAndKeepTheNewest(t *testing.T) {
	dir := t.TempDir()
	const bound, n = 4000, 200
	d := deadLetters(t, dir, bound)
	for i := range n {
		if i == n/2 {
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			dropped := d.Stats().Dropped
			d = deadLetters(t, dir, bound)
			if kept := d.Stats().Kept; kept+dropped != n/2 {
				t.Errorf("%d kept and %d dropped of %d", kept, dropped, n/2)
			}
		}
		if err := d.Add(influx.Points, lines(fmt.Sprintf("m v=%d 1", i)), "test"); err != nil {
			t.Fatal(err)
		}
		var size int64
		files, _ := filepath.Glob(filepath.Join(dir, "*"))
		for _, f := range files {
			if info, err := os.Stat(f); err == nil {
				size += info.Size()
			}
		}
		if size > bound {
			t.Fatalf("%d bytes after letter %d", size, i)
		}
	}
	got := readLetters(t, dir)
	if uint64(len(got)) != d.Stats().Kept || len(got) < 10 {
		t.Errorf("%d letters, stats %+v", len(got), d.Stats())
	}
	for i, letter := range got {
		if want := fmt.Sprintf("m v=%d 1", n-len(got)+i); string(letter.Line) != want {
			t.Fatalf("letter %d is %s, want %s", i, letter.Line, want)
		}
	}
}

func TestLetterThatACrashHasTornIsCutOffAndOthersStay(t *testing.T) {
	dir := t.TempDir()
	d := deadLetters(t, dir, 1<<20)
	if err := d.Add(influx.Points, lines("first"), "test"); err != nil {
		t.Fatal(err)
	}
	d.Close()
	path := filepath.Join(dir, "dead-letters.jsonl")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(bytes.Clone(text), text[:len(text)/2]...), 0o600); err != nil {
		t.Fatal(err)
	}
	d = deadLetters(t, dir, 1<<20)
	if err := d.Add(influx.Points, lines("second"), "test"); err != nil {
		t.Fatal(err)
	}
	if got := readLetters(t, dir); len(got) != 2 || string(got[0].Line) != "first" || string(got[1].Line) != "second" {
		t.Errorf("%+v", got)
	}
}

func TestDamagedLetterIsNamedAndSkipped(t *testing.T) {
	dir := t.TempDir()
	d := deadLetters(t, dir, 1<<20)
	for _, line := range []string{"first", "second", "third"} {
		if err := d.Add(influx.Points, lines(line), "test"); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "dead-letters.jsonl")
	text, _ := os.ReadFile(path)
	if err := os.WriteFile(path, bytes.Replace(text, []byte(`"second"`), []byte(`"second`), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	var good, bad []string
	for letter, err := range influx.ReadDeadLetters(dir) {
		if err != nil {
			bad = append(bad, err.Error())
		} else {
			good = append(good, string(letter.Line))
		}
	}
	if fmt.Sprint(good) != "[first third]" || len(bad) != 1 || !strings.Contains(bad[0], path+", line 2") {
		t.Errorf("good %q, bad %q", good, bad)
	}
}

func TestDeadLettersAfterAFailureAreWholeAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dead")
	d := deadLetters(t, dir, 200)
	if err := d.Add(influx.Points, lines(strings.Repeat("x", 100)), "test"); err != nil {
		t.Fatal(err)
	}
	// A directory where the old file should go makes the rotation fail.
	obstacle := filepath.Join(dir, "dead-letters.jsonl.old")
	if err := os.Mkdir(obstacle, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := d.Add(influx.Points, lines("second"), "test"); err == nil {
		t.Fatal("no error")
	}
	if err := os.Remove(obstacle); err != nil {
		t.Fatal(err)
	}
	if err := d.Add(influx.Points, lines("second"), "test"); err != nil {
		t.Fatal(err)
	}
	if got := readLetters(t, dir); len(got) != 2 || string(got[1].Line) != "second" {
		t.Errorf("%+v", got)
	}
}

func TestDeadLettersTakeManyWriters(t *testing.T) {
	dir := t.TempDir()
	d := deadLetters(t, dir, 1<<20)
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for range 20 {
				if err := d.Add(influx.Points, lines("m v=1 1"), "test"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	if got := readLetters(t, dir); len(got) != 160 || d.Stats().Kept != 160 {
		t.Errorf("%d letters, %+v", len(got), d.Stats())
	}
}
