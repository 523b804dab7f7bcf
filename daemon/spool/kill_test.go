package spool

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// The short form runs with the other tests; a long one is for instance
//
//	go test ./daemon/spool -run Kill -args -kills=500
var kills = flag.Int("kills", 10, "how often the writing process is killed")

const (
	victimVariable = "VEDETTE_SPOOL_TEST_DIR"
	// droppingVariable lets the victim deliver nothing and drop its oldest records instead.
	droppingVariable = "VEDETTE_SPOOL_TEST_DROPPING"
)

// TestMain lets the test binary play the daemon that gets killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv(victimVariable); dir != "" {
		if os.Getenv(droppingVariable) != "" {
			beDroppingVictim(dir)
		}
		beVictim(dir)
	}
	os.Exit(m.Run())
}

// beDroppingVictim appends to a spool that is full until it is killed. It writes a line "ack ID" when an append is
// acknowledged; the IDs are numbers in the order of the appends.
func beDroppingVictim(dir string) {
	fail := func(err error) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	opts, self := dropping(Options{
		SegmentBytes: 256 << 10,
		MaxBytes:     4 << 20,
		MinFree:      -1,
		OnGap:        func(g Gap) { fail(fmt.Errorf("gap %+v", g)) },
	})
	s, repairs, err := Open(dir, opts)
	if err != nil {
		fail(err)
	}
	if len(repairs.Gaps) > 0 || repairs.CursorSlots > 0 {
		fail(fmt.Errorf("%+v", repairs))
	}
	self.Store("spool", s)
	go func() { // a delivery that never ends
		for range 20 {
			if _, err := s.Read(context.Background()); err != nil {
				fail(err)
			}
		}
	}()
	filler := strings.Repeat("x", 10<<10)
	for id := s.Stats().LastSeq + 1; ; id++ {
		s.Append(fmt.Appendf(nil, "%d %s", id, filler[:rand.N(len(filler))]), 1, func(err error) {
			if err != nil {
				fail(err)
			}
			fmt.Fprintf(os.Stdout, "ack %d\n", id)
		})
	}
}

func TestAKillWhileDroppingLeavesTheNewestRecordsAndNoGap(t *testing.T) {
	dir := t.TempDir()
	var acked, dropped uint64
	for range *kills {
		for _, line := range runVictim(t, dir, 200+rand.N(2000), droppingVariable+"=yes") {
			var id uint64
			if _, err := fmt.Sscanf(line, "ack %d", &id); err != nil || id <= acked {
				t.Fatalf("the writing process said %q after %d: %v", line, acked, err)
			}
			acked = id
		}
		s, repairs := mustOpen(t, dir, Options{OnGap: func(g Gap) { t.Errorf("gap %+v", g) }})
		if len(repairs.Gaps) > 0 || repairs.CursorSlots > 0 {
			t.Fatalf("repairs %+v", repairs)
		}
		st := s.Stats()
		if st.LastSeq < acked || st.Cursor < dropped {
			t.Fatalf("%d records were acknowledged and %d dropped; the spool says %+v", acked, dropped, st)
		}
		dropped = st.Cursor
		next := dropped + 1
		for _, rec := range drain(t, s) {
			if id, _, _ := strings.Cut(string(rec.Payload), " "); id != fmt.Sprint(next) || rec.Seq != next {
				t.Fatalf("record %d is %s, want %d", rec.Seq, id, next)
			}
			next++
		}
		if next != st.LastSeq+1 {
			t.Fatalf("read to record %d of %d", next-1, st.LastSeq)
		}
		acked = st.LastSeq
		s.Close()
	}
	if dropped == 0 {
		t.Error("nothing was dropped")
	}
	t.Logf("%d records, %d of them dropped, %d kills", acked, dropped, *kills)
}

// beVictim appends, reads and commits until it is killed. It writes a line "ack ID" when an append is acknowledged, and
// "read SEQ ID" before a record may be committed. An ID is PID-PRODUCER-NUMBER.
func beVictim(dir string) {
	fail := func(err error) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	s, repairs, err := Open(dir, Options{
		SegmentBytes: 256 << 10,
		MinFree:      -1,
		OnGap:        func(g Gap) { fail(fmt.Errorf("gap %+v", g)) },
	})
	if err != nil {
		fail(err)
	}
	if len(repairs.Gaps) > 0 || repairs.CursorSlots > 0 {
		fail(fmt.Errorf("%+v", repairs))
	}
	for producer := range 4 {
		go func() {
			filler := strings.Repeat("x", 40<<10)
			for number := 0; ; number++ {
				id := fmt.Sprintf("%d-%d-%d", os.Getpid(), producer, number)
				answered := make(chan struct{})
				s.Append([]byte(id+" "+filler[:rand.N(len(filler))]), 1, func(err error) {
					if err != nil {
						fail(err)
					}
					fmt.Fprintf(os.Stdout, "ack %s\n", id)
					close(answered)
				})
				if producer%2 == 0 {
					<-answered
				}
			}
		}()
	}
	for n := 0; ; n++ {
		rec, err := s.Read(context.Background())
		if err != nil {
			fail(err)
		}
		id, _, _ := strings.Cut(string(rec.Payload), " ")
		fmt.Fprintf(os.Stdout, "read %d %s\n", rec.Seq, id)
		if n%10 == 0 {
			if err := s.Commit(rec.Seq); err != nil {
				fail(err)
			}
		}
	}
}

func TestKeepsAcknowledgedRecordsAcrossKill(t *testing.T) {
	dir := t.TempDir()
	acked, read := map[string]bool{}, map[string]uint64{}
	bySeq := map[uint64]string{}
	note := func(seq uint64, id string) {
		if other := bySeq[seq]; other != "" && other != id {
			t.Fatalf("record %d was %s and is now %s", seq, other, id)
		}
		bySeq[seq], read[id] = id, seq
	}
	for range *kills {
		lines := runVictim(t, dir, 20+rand.N(400))
		for _, line := range lines {
			var seq uint64
			var id string
			if _, err := fmt.Sscanf(line, "read %d %s", &seq, &id); err == nil {
				note(seq, id)
			} else if id, ok := strings.CutPrefix(line, "ack "); ok {
				acked[id] = true
			} else {
				t.Fatalf("the writing process said %q", line)
			}
		}
	}
	s, repairs := mustOpen(t, dir, Options{OnGap: func(g Gap) { t.Errorf("gap %+v", g) }})
	if len(repairs.Gaps) > 0 || repairs.CursorSlots > 0 {
		t.Errorf("repairs %+v", repairs)
	}
	for _, rec := range drain(t, s) {
		id, _, _ := strings.Cut(string(rec.Payload), " ")
		note(rec.Seq, id)
	}
	for id := range acked {
		if read[id] == 0 {
			t.Errorf("%s was acknowledged and is lost", id)
		}
	}
	for seq := uint64(1); seq <= s.Stats().LastSeq; seq++ {
		if bySeq[seq] == "" {
			t.Errorf("record %d was never read", seq)
		}
	}
	for id, seq := range read {
		var pid, producer, number int
		if _, err := fmt.Sscanf(id, "%d-%d-%d", &pid, &producer, &number); err != nil {
			t.Fatal(err)
		}
		if before := read[fmt.Sprintf("%d-%d-%d", pid, producer, number-1)]; number > 0 && before >= seq {
			t.Errorf("%s is record %d, the one before it record %d", id, seq, before)
		}
	}
	t.Logf("%d records acknowledged, %d read, %d kills", len(acked), len(read), *kills)
}

// runVictim starts a writing process on dir, kills it after that many lines, and returns all whole lines that it wrote.
func runVictim(t *testing.T, dir string, after int, env ...string) []string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), victimVariable+"="+dir), env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := sync.OnceFunc(func() { _ = cmd.Process.Kill() })
	late := time.AfterFunc(patience, kill)
	var lines []string
	for r := bufio.NewReader(out); ; {
		line, err := r.ReadString('\n')
		if err != nil {
			if err != io.EOF {
				t.Fatal(err)
			}
			break
		}
		if lines = append(lines, strings.TrimSuffix(line, "\n")); len(lines) == after {
			kill()
		}
	}
	_ = cmd.Wait()
	if !late.Stop() || stderr.Len() > 0 {
		t.Fatalf("the writing process wrote %d of %d lines, and: %s", len(lines), after, stderr.String())
	}
	return lines
}
