package spool

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"
)

// patience bounds every wait for something that should happen.
const patience = 20 * time.Second

// mustOpen opens a spool that leaves no space to others, and closes it with the test.
func mustOpen(t testing.TB, dir string, opts Options) (*Spool, Repairs) {
	t.Helper()
	if opts.MinFree == 0 {
		opts.MinFree = -1
	}
	s, repairs, err := Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, repairs
}

// put appends and waits for the answer. What comes after a refusal may be accepted.
func put(t testing.TB, s *Spool, payload []byte, points int) error {
	t.Helper()
	answer := make(chan error, 1)
	s.Append(payload, points, func(err error) { answer <- err })
	select {
	case err := <-answer:
		if err != nil {
			s.Resume()
		}
		return err
	case <-time.After(patience):
		t.Fatal("an append was not answered")
		return nil
	}
}

// payloadOf is what record i of a test holds; its length varies with i.
func payloadOf(i int, size int) []byte {
	b := fmt.Appendf(nil, "record %d ", i)
	r := rand.New(rand.NewPCG(uint64(i), 1))
	for len(b) < size {
		b = append(b, byte(r.Uint32()))
	}
	return b
}

// putAll appends records from to to-1, one by one.
func putAll(t testing.TB, s *Spool, from, to, size int) {
	t.Helper()
	for i := from; i < to; i++ {
		if err := put(t, s, payloadOf(i, size), i); err != nil {
			t.Fatalf("append %d: %v", i, err)
		}
	}
}

func mustRead(t testing.TB, s *Spool) Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	rec, err := s.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

// drain reads until nothing durable is left.
func drain(t testing.TB, s *Spool) []Record {
	t.Helper()
	var records []Record
	for {
		rec, ok, err := s.TryRead()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return records
		}
		records = append(records, rec)
	}
}

func segmentsIn(t testing.TB, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*"+segmentSuffix))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func waitFor(t *testing.T, what string, met func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !met(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
