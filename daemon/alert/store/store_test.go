package store

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vedette-monitor/vedette/daemon/alert/incident"
)

func open(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func filled(t *testing.T, path string) {
	t.Helper()
	s := open(t, path)
	b := new(Batch)
	b.PutInstance("down", "shop\x00ct", []byte("state 1"))
	b.PutInstance("down", "shop\x00cu", []byte("state 2"))
	b.PutInstance("downer", "x", []byte("state 3"))
	b.PutIncident(&incident.Incident{ID: "i1", Alert: "down", Key: "shop\x00ct", State: incident.Firing, Fired: time.Unix(1, 0).UTC()})
	b.PutNotice(&incident.Notice{ID: "n1", Channel: "mail", Thread: "t"})
	b.PutDead(&incident.Notice{ID: "n0", Channel: "mail", Why: "nobody there"})
	b.PutSilence(&incident.Silence{ID: "s1", Match: "true"})
	b.PutChannel("mail", map[string]int{"failures": 2})
	b.PutThread("mail\x00t", Thread{State: map[string]string{"ts": "1.2"}})
	b.PutPoint(7, []byte("raw"))
	if err := s.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsWrittenIsThereAfterARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "alerts", "state.db")
	filled(t, path)
	s := open(t, path)
	c, err := s.Load()
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Incidents) != 1 || c.Incidents[0].Key != "shop\x00ct" || len(c.Notices) != 1 || len(c.Dead) != 1 || c.Dead[0].Why == "" || len(c.Silences) != 1 ||
		string(c.Channels["mail"]) != `{"failures":2}` || c.Threads["mail\x00t"].State["ts"] != "1.2" || string(c.Points[7]) != "raw" {
		t.Errorf("there is %+v", c)
	}
	var got []string
	for key, state := range s.Instances("down") {
		got = append(got, key+"="+string(state))
	}
	if want := []string{"shop\x00ct=state 1", "shop\x00cu=state 2"}; !slices.Equal(got, want) {
		t.Errorf("the instances are %q", got)
	}
	if names := s.Alerts(); !slices.Equal(names, []string{"down", "downer"}) {
		t.Errorf("the alerts are %q", names)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v", info.Mode(), err)
	}
}

func TestWhatIsRemovedIsGoneAndNothingElse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	filled(t, path)
	s := open(t, path)
	b := new(Batch)
	b.DropAlert("down")
	b.PutInstance("down", "new", []byte("state 4"))
	b.DeleteIncident("i1")
	b.DeleteNotice("n1")
	b.PutNotice(&incident.Notice{ID: "n2"})
	b.DeleteNotice("n2")
	b.DeleteDead("n0")
	b.DeleteSilence("s1")
	b.DeleteThread("mail\x00t")
	b.DeletePoint(7)
	if err := s.Write(b); err != nil {
		t.Fatal(err)
	}
	c, err := s.Load()
	if err != nil {
		t.Fatal(err)
	}
	if n := len(c.Incidents) + len(c.Notices) + len(c.Dead) + len(c.Silences) + len(c.Threads) + len(c.Points); n != 0 {
		t.Errorf("%d things are left", n)
	}
	var keys []string
	for key := range s.Instances("down") {
		keys = append(keys, key)
	}
	if !slices.Equal(keys, []string{"new"}) || !slices.Contains(s.Alerts(), "downer") {
		t.Errorf("the instances are %q, of %q", keys, s.Alerts())
	}
}

func TestAFileThatWasEmptiedIsNotTakenForANewOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	if s := open(t, path); s.Emptied {
		t.Error("a new file counts as emptied")
	} else if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	if s := open(t, path); !s.Emptied {
		t.Error("a file that was emptied counts as new")
	}
}

func TestASecondProcessIsToldThatTheFileIsInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	open(t, path)
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("the error is %v", err)
	}
}

// A daemon that began without what it knew would tell everything anew, and forget silences, and nobody would know why.
func TestADamagedFileIsAnErrorAndStaysAsItIs(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, path string){
		"no database": func(t *testing.T, path string) { write(t, path, bytes.Repeat([]byte("nonsense"), 1024)) },
		"cut off": func(t *testing.T, path string) {
			if err := os.Truncate(path, 6000); err != nil {
				t.Fatal(err)
			}
		},
		"overwritten": func(t *testing.T, path string) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for i := 2 * 4096; i < len(text); i++ {
				text[i] ^= 0x5a
			}
			write(t, path, text)
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "state.db")
			filled(t, path)
			damage(t, path)
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			s, err := Open(path)
			if err == nil {
				_ = s.Close()
				t.Fatal("it is opened")
			}
			if !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "move") {
				t.Errorf("the error says no mend: %v", err)
			}
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
				t.Error("the file was changed")
			}
		})
	}
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAFullDiskWritesNothingOfABatch(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state.db")
	s := open(t, path)
	b := new(Batch)
	b.PutSilence(&incident.Silence{ID: "s0"})
	if err := s.Write(b); err != nil {
		t.Fatal(err)
	}
	// A limit of the process on the size of files is what a full disk is to this file.
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: uint64(info.Size()), Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	huge := new(Batch)
	huge.PutSilence(&incident.Silence{ID: "s1", Match: strings.Repeat("x", 4<<20)})
	huge.PutSilence(&incident.Silence{ID: "s2"})
	full := s.Write(huge)
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	if full == nil {
		t.Fatal("it was written beyond the end")
	}
	if c, err := s.Load(); err != nil || len(c.Silences) != 1 {
		t.Errorf("there is %+v, %v", c, err)
	}
	if err := s.Write(huge); err != nil {
		t.Fatalf("with room again: %v", err)
	}
	if c, err := s.Load(); err != nil || len(c.Silences) != 3 {
		t.Errorf("there is %+v, %v", c, err)
	}
}

// TestAHugeTagKeepsNothingFromBeingWritten has values as long as a point may have them: what cannot be kept keeps all else from being told.
func TestAHugeTagKeepsNothingFromBeingWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "alerts", "state.db")
	s := open(t, path)
	states := func() map[string]string {
		all := map[string]string{}
		for key, state := range s.Instances("down") {
			all[key] = string(state)
		}
		return all
	}
	huge := strings.Repeat("L", 64<<10)
	b := new(Batch)
	b.PutInstance("down", huge+"1", []byte("state 1"))
	b.PutInstance("down", huge+"2", []byte("state 2"))
	b.PutInstance("down", "shop", []byte("state 3"))
	if err := s.Write(b); err != nil {
		t.Fatal(err)
	}
	if got := states(); len(got) != 3 || got[huge+"1"] != "state 1" || got[huge+"2"] != "state 2" || got["shop"] != "state 3" {
		t.Errorf("%d instances, want all three as they were written", len(got))
	}
	b = new(Batch)
	b.PutInstance("down", huge+"1", nil)
	if err := s.Write(b); err != nil {
		t.Fatal(err)
	}
	if got := states(); len(got) != 2 || got[huge+"2"] != "state 2" {
		t.Errorf("%d instances, want those that were not removed", len(got))
	}
	b = new(Batch)
	b.DropAlert("down")
	if err := s.Write(b); err != nil || len(states()) > 0 {
		t.Errorf("%d instances of a dropped alert are left (%v)", len(states()), err)
	}
}
