package influx_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/vedette-monitor/vedette/daemon/influx"
)

// smallDisk mounts a disk of a few MiB.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Fatalf("mount, which needs root: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	return dir
}

// fill takes all the room that a disk has.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 4096); err == nil; {
		_, err = f.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}

func TestDeadLettersHaveRoomOnAFullDisk(t *testing.T) {
	disk := smallDisk(t)
	dir, ballast := filepath.Join(disk, "dead"), filepath.Join(disk, "ballast")
	d := deadLetters(t, dir, 3<<20)
	fill(t, ballast)
	var want []string
	add := func(n, size int) {
		t.Helper()
		for range n {
			line := fmt.Sprintf("%d%s", len(want), strings.Repeat("x", size))
			if err := d.Add(influx.Points, lines(line), "test"); err != nil {
				t.Fatalf("letter %d: %v", len(want), err)
			}
			want = append(want, line)
		}
	}
	add(100, 1000)
	// The reserve outlives a restart.
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = deadLetters(t, dir, 3<<20)
	add(800, 1000)

	// More than the reserve is refused whole, and costs nothing of what is there.
	if err := d.Add(influx.Points, lines(strings.Repeat("y", 1<<20)), "test"); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("a letter that has no room: %v", err)
	}
	add(20, 1000)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	// With room again the reserve grows again, and goes over to the next file.
	add(700, 1000)
	fill(t, ballast)
	add(500, 1000)
	got := readLetters(t, dir)
	if len(got) != len(want) || d.Stats().Kept != uint64(len(want)) || d.Stats().Dropped != 0 {
		t.Fatalf("%d letters, want %d; %+v", len(got), len(want), d.Stats())
	}
	for i := range want {
		if string(got[i].Line) != want[i] {
			t.Fatalf("letter %d is %.20s, want %.20s", i, got[i].Line, want[i])
		}
	}
}
