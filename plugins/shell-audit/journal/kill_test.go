package journal

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

const victim = "VEDETTE_JOURNAL_TEST_DIR"

// TestMain lets the test binary play the plugin that gets killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv(victim); dir != "" {
		beVictim(dir)
	}
	os.Exit(m.Run())
}

// beVictim appends, syncs and commits until it is killed. It writes a line with the number of each entry that is synced.
func beVictim(dir string) {
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	j, _, err := Open(dir, Options{SegmentBytes: 32 << 10, MaxBytes: 256 << 10})
	fail(err)
	for {
		var seq uint64
		for range 1 + rand.N(5) {
			seq, err = j.Append('k', time.Now(), content(j.Last()+1))
			fail(err)
		}
		fail(j.Sync(seq))
		fmt.Println(seq)
		fail(j.Commit(seq - seq%7))
	}
}

func content(seq uint64) []byte {
	return fmt.Appendf(nil, "%d %s", seq, strings.Repeat("x", int(seq*37%900)))
}

func TestSoakJournalKeepsSyncedEntriesAcrossKill(t *testing.T) {
	dir := t.TempDir()
	var synced uint64
	kills := 10
	if os.Getenv("VEDETTE_SOAK") != "" {
		kills = 300
	}
	for range kills {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), victim+"="+dir)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		late := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
		lines, after := bufio.NewReader(out), 20+rand.N(200)
		for n := 0; ; n++ {
			line, err := lines.ReadString('\n')
			if err == io.EOF {
				break
			}
			if _, err := fmt.Sscan(line, &synced); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			if n == after {
				_ = cmd.Process.Kill()
			}
		}
		_ = cmd.Wait()
		if !late.Stop() || stderr.Len() > 0 {
			t.Fatalf("the writing process was late or failed: %s", stderr.String())
		}
		r := Read(dir, 1)
		var last uint64
		for {
			e, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil || last > 0 && e.Seq != last+1 || string(e.Body) != string(content(e.Seq)) {
				t.Fatalf("after entry %d: %d, %.20q, %v", last, e.Seq, e.Body, err)
			}
			last = e.Seq
		}
		_ = r.Close()
		if last < synced {
			t.Fatalf("entry %d was synced, the last is %d", synced, last)
		}
	}
	t.Logf("%d entries, %d kills", synced, kills)
}
