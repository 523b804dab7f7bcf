package chain

import (
	"errors"
	"os"
	"testing"
	"time"
)

var errCrash = errors.New("the process ends here")

// reopen is what the plugin does when it begins again behind what the journal holds.
func (l *log) reopen(t *testing.T, path string) (*Chain, Resumed) {
	t.Helper()
	c, how, err := Open(path, l.tail)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if how.Pending != nil {
		l.rows, l.tail = append(l.rows, *how.Pending), c.Head()
	}
	return c, how
}

func TestAChainGoesOnWithoutAForkWhereverAnEvolutionEnds(t *testing.T) {
	for crashAt := range 4 { // before the new key is written, before the old is wiped, before the row is in the journal, after
		c, key, path := begin(t)
		var l log
		l.start(t, c, command(1, "one"))
		l.start(t, c, command(2, "two"))
		step := 0
		c.state.step = func() error {
			if step++; step == crashAt+1 {
				return errCrash
			}
			return nil
		}
		row, err := c.Evolve(time.Unix(0, 3), 2)
		if crashed := crashAt < 2; crashed != errors.Is(err, errCrash) || !crashed && err != nil {
			t.Fatalf("%d: %v", crashAt, err)
		}
		if crashAt < 2 {
			if _, err := c.Add(Start, nil); err == nil {
				t.Errorf("%d: a link was made with a key that may be wiped", crashAt)
			}
		}
		if crashAt == 3 {
			l.rows, l.tail = append(l.rows, row), c.Head()
		}
		c, how := l.reopen(t, path)
		if pending := crashAt == 1 || crashAt == 2; pending != (how.Pending != nil) || how.Lost != 0 {
			t.Fatalf("%d: %+v", crashAt, how)
		}
		l.start(t, c, command(4, "three"))
		l.evolve(t, c, 5)
		l.start(t, c, command(6, "four"))
		if at, err := verify(key, l.rows, c.Head()); err != nil || at != c.Head() {
			t.Errorf("%d: %+v, %v", crashAt, at, err)
		}
	}
}

func TestWhatWasLinkedAndNotInTheJournalIsLinkedAgain(t *testing.T) {
	c, key, path := begin(t)
	var l log
	l.start(t, c, command(1, "one"))
	kept := l
	l.start(t, c, command(2, "lost with the machine"))
	c, _ = kept.reopen(t, path)
	kept.start(t, c, command(3, "another"))
	if at, err := verify(key, kept.rows, c.Head()); err != nil || at.Seq != 2 {
		t.Errorf("%+v, %v", at, err)
	}
}

func TestWhereTheJournalWasLostNoNumberComesAgain(t *testing.T) {
	c, key, path := begin(t)
	var l log
	l.start(t, c, command(1, "one"))
	l.evolve(t, c, 2)
	used := map[uint64]bool{}
	for range 3 {
		for i := range mostLinks - 1 {
			l.start(t, c, command(int64(10+i), "x"))
			if used[c.Head().Seq] {
				t.Fatalf("link %d was made again", c.Head().Seq)
			}
			used[c.Head().Seq] = true
		}
		before := c.Head().Seq
		_ = c.Close()
		var how Resumed
		c, how = (&log{}).reopen(t, path)
		if how.Lost == 0 || c.Head().Seq < before {
			t.Fatalf("it goes on behind link %d, %d was made: %+v", c.Head().Seq, before, how)
		}
	}
	l.start(t, c, command(9, "after"))
	var gap Gap
	if _, err := verify(key, l.rows[:2]); err != nil {
		t.Error(err)
	}
	if _, err := verify(key, l.rows); !errors.As(err, &gap) || gap.Reason != Missing || gap.First != mostLinks+2 {
		t.Errorf("%v", err)
	}
}

func TestAnOlderStateGoesOnWithTheKeyOfTheJournal(t *testing.T) {
	c, key, path := begin(t)
	var l log
	l.start(t, c, command(1, "one"))
	backup, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	l.evolve(t, c, 2)
	l.start(t, c, command(3, "two"))
	l.evolve(t, c, 4)
	l.start(t, c, command(5, "three"))
	if err := os.WriteFile(path, backup, 0o600); err != nil {
		t.Fatal(err)
	}
	c, _ = l.reopen(t, path)
	l.start(t, c, command(6, "four"))
	c, _ = l.reopen(t, path)
	l.start(t, c, command(7, "five"))
	if at, err := verify(key, l.rows, c.Head()); err != nil || at.Seq != 7 {
		t.Errorf("%+v, %v", at, err)
	}
}

func TestADamagedOrForeignStateIsRefused(t *testing.T) {
	c, _, path := begin(t)
	var l log
	l.start(t, c, command(1, "one"))
	l.evolve(t, c, 2)
	if _, _, err := Open(path, Point{Seq: 9}); err == nil {
		t.Error("a journal of another epoch was taken")
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[slotDistance+50] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Open(path, l.tail); err == nil {
		t.Error("a damaged key was taken")
	}
}
