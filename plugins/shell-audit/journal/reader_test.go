package journal

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestAReaderFollowsTheWriter(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{SegmentBytes: 100})
	r := Read(dir, 1)
	defer r.Close()
	for i := range 20 {
		if e, err := r.Next(); err != io.EOF {
			t.Fatalf("%+v, %v", e, err)
		}
		add(t, j, fmt.Sprint("b", i))
		if e, err := r.Next(); err != nil || string(e.Body) != fmt.Sprint("b", i) {
			t.Fatalf("%+v, %v", e, err)
		}
	}
}

func FuzzReaderPassesAnything(f *testing.F) {
	good := Entry{Seq: 1, Time: at, Body: []byte("a")}.encode(nil)
	f.Add(good, uint16(3))
	f.Add(append(good[:20:20], good...), uint16(0))
	f.Fuzz(func(t *testing.T, noise []byte, cut uint16) {
		dir := t.TempDir()
		b := Entry{Seq: 1, Time: at, Body: []byte("first")}.encode(nil)
		b = append(b, noise...)
		b = Entry{Seq: 1 << 40, Time: at, Body: []byte("last")}.encode(b)
		if err := os.WriteFile(filepath.Join(dir, segmentName(1)), b, 0o600); err != nil {
			t.Fatal(err)
		}
		got := bodies(t, dir, 1)
		if got[0] != "1:first" || got[len(got)-1] != fmt.Sprintf("%d:last", 1<<40) {
			t.Fatalf("%q", got)
		}
		if err := os.Truncate(filepath.Join(dir, segmentName(1)), int64(min(int(cut), len(b)))); err != nil {
			t.Fatal(err)
		}
		j, _, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		if seq, err := j.Append(1, at, []byte("new")); err != nil || j.Sync(seq) != nil {
			t.Fatal(err)
		}
		got = bodies(t, dir, 1)
		if !strings.HasSuffix(got[len(got)-1], ":new") {
			t.Fatalf("%q", got)
		}
	})
}

func TestAReaderBesideABusyWriterSeesNoDamage(t *testing.T) {
	const entries = 3000
	dir := t.TempDir()
	j := open(t, dir, Options{SegmentBytes: 20 << 10})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range entries {
			if _, err := j.Append('p', at, []byte(strings.Repeat("x", i%3000))); err != nil {
				t.Error(err)
				return
			}
		}
	})
	defer wg.Wait()
	r := Read(dir, 1)
	defer r.Close()
	deadline := time.Now().Add(time.Minute)
	for next := uint64(1); next <= entries; {
		e, err := r.Next()
		if err == io.EOF && time.Now().Before(deadline) {
			continue
		}
		if err != nil || e.Seq != next || len(e.Body) != int(next-1)%3000 {
			t.Fatalf("entry %d: %d with %d bytes, %v", next, e.Seq, len(e.Body), err)
		}
		next++
	}
}
