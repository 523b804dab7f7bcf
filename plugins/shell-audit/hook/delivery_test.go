package hook

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

var shells = []string{"bash", "zsh", "fish"}

// prompts is how many commands each shell gets in each state.
const prompts = 300

func TestEveryCommandIsInTheFileWhateverTheCollectorDoes(t *testing.T) {
	for state, prepare := range map[string]func(*testing.T, *bed){
		"up":      func(t *testing.T, b *bed) { b.collector(t) },
		"stopped": func(t *testing.T, b *bed) { b.collector(t).stop(t) },
		"dead":    func(t *testing.T, b *bed) { b.collector(t).kill() },
		"absent":  func(*testing.T, *bed) {},
	} {
		for _, name := range shells {
			t.Run(name+" "+state, func(t *testing.T) {
				b := newBed(t)
				prepare(t, b)
				s := b.shell(t, name, "")
				var want []string
				for i := range prompts {
					want = append(want, fmt.Sprintf(": k_%d", i))
				}
				s.run(want...)
				all := b.records(t)
				wantCommands(t, all, want...)
				wantWhole(t, all)
				if len(all) != 1+2*prompts {
					t.Errorf("there are %d records, not a hello and %d starts and ends", len(all), prompts)
				}
			})
		}
	}
}

func TestTheCollectorIsToldWhatIsInTheFile(t *testing.T) {
	b := newBed(t)
	c := b.collector(t)
	s := b.shell(t, "bash", "")
	s.run("echo one", "echo two")
	var all []record
	until(t, "everything is told", func() bool { all = c.told(t); return len(all) == 5 })
	inFile := b.records(t)
	for i, r := range all {
		if i >= len(inFile) || r.line != inFile[i].line || r.cmd != inFile[i].cmd {
			t.Errorf("told was %q, which is not what is in the file", r.line)
		}
	}
	// A new collector is found at the next command.
	c.kill()
	c = b.collector(t)
	s.run("echo three")
	until(t, "the new collector is told", func() bool { return slices.Contains(commands(c.told(t)), "echo three") })
}

func TestWithoutAFileOfTheUsersRecordsGoToTheDropBox(t *testing.T) {
	for _, name := range shells {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			if err := b.appendOnly(false); err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(b.log()); err != nil {
				t.Fatal(err)
			}
			s := b.shell(t, name, "")
			s.run("echo one", "umask 000", "echo two")
			all := b.records(t)
			wantCommands(t, all, "echo one", "umask 000", "echo two")
			wantWhole(t, all)
			for _, r := range all {
				var st unix.Stat_t
				if err := unix.Lstat(r.file, &st); err != nil {
					t.Fatal(err)
				}
				base := r.file[strings.LastIndex(r.file, "/")+1:]
				if !strings.HasPrefix(base, fmt.Sprintf("%d.%d.", b.uid, r.pid)) || st.Mode != unix.S_IFREG|0o600 || st.Uid != uint32(b.uid) || r.file != all[0].file {
					t.Errorf("the drop is %s with mode %o of %d", r.file, st.Mode, st.Uid)
				}
			}
			// When the collector has taken the file there is another.
			if err := os.Remove(all[0].file); err != nil {
				t.Fatal(err)
			}
			s.run("echo three")
			if got := b.records(t); !slices.Contains(commands(got), "echo three") {
				t.Errorf("after the drop was taken there is %v", got)
			}
		})
	}
}

func TestRecordsThatCouldNotBeWrittenAreCounted(t *testing.T) {
	// The file is on a disk of its own, so that it can be full.
	mount := func(t *testing.T, b *bed, flags uintptr) {
		t.Helper()
		if err := b.appendOnly(false); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount("tmpfs", b.spool+"/u", "tmpfs", flags, "size=64k,mode=0711"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Unmount(b.spool+"/u", unix.MNT_DETACH) })
		b.makeLog(t)
	}
	for what, prepare := range map[string]func(*testing.T, *bed) (spoil, mend func()){
		"enospc": func(t *testing.T, b *bed) (func(), func()) {
			mount(t, b, 0)
			filler := b.spool + "/u/filler"
			return func() {
					// All but some bytes of the last block: the first record is cut.
					text := strings.Repeat("x", 80<<10)
					_ = os.WriteFile(filler, []byte(text), 0o600)
				}, func() {
					if err := os.Remove(filler); err != nil {
						t.Fatal(err)
					}
				}
		},
		"erofs": func(t *testing.T, b *bed) (func(), func()) {
			mount(t, b, 0)
			remount := func(flags uintptr) func() {
				return func() {
					if err := unix.Mount("", b.spool+"/u", "", unix.MS_REMOUNT|flags, "size=64k"); err != nil {
						t.Fatal(err)
					}
				}
			}
			return remount(unix.MS_RDONLY), remount(0)
		},
		"eacces": func(t *testing.T, b *bed) (func(), func()) {
			mount(t, b, 0)
			mode := func(mode uint32) func() {
				return func() {
					if err := unix.Chmod(b.spool+"/u", mode); err != nil {
						t.Fatal(err)
					}
				}
			}
			return mode(0o700), mode(0o711)
		},
	} {
		for _, name := range shells {
			t.Run(name+" "+what, func(t *testing.T) {
				b := newBed(t)
				spoil, mend := prepare(t, b)
				s := b.shell(t, name, "")
				long := strings.Repeat("x", 3000)
				s.run("echo before")
				spoil()
				status := "$?"
				if name == "fish" {
					status = "$status"
				}
				if out := s.run("echo lost", ": "+long, ": "+long, "false", "echo status="+status); !strings.Contains(out, "status=1") {
					t.Errorf("the status of the command before became another: %q", out)
				}
				for _, bad := range []string{"No space", "denied", "Read-only", "vedette"} {
					allowed := 0
					if name == "fish" && what == "enospc" && bad == "No space" {
						allowed = 1 // fish itself says so, once
					}
					if strings.Count(strings.ReplaceAll(s.Output(), b.root, ""), bad) > allowed {
						t.Errorf("the terminal shows %q:\n%s", bad, s.Output())
					}
				}
				mend()
				s.run("echo after")
				data, err := os.ReadFile(b.log())
				if err != nil {
					t.Fatal(err)
				}
				var got []record
				for one := range strings.SplitSeq(string(data), "\x00") {
					if r, err := parseOne(one); err == nil {
						got = append(got, r)
					}
				}
				written, lost := int64(0), int64(0)
				last := int64(0)
				reason := ""
				dropped := b.dropped(t)
				for _, r := range append(slices.Clone(got), dropped...) {
					written++
					last = max(last, r.seq)
					if r.kind == "X" {
						var n int64
						if _, err := fmt.Sscanf(r.cmd, "count=%d\x1freason=%s", &n, &reason); err != nil {
							t.Errorf("a report is %q", r.cmd)
						}
						lost += n
					}
				}
				// Long records of fish are in the drop box, on another disk. The scripts use it too where they can not see the file.
				if written+lost != last || lost == 0 && len(dropped) == 0 {
					t.Errorf("of %d records %d are there, %d of these in the drop box, and %d were told to be lost", last, written, len(dropped), lost)
				}
				if name == "bash" && lost == 0 {
					t.Error("the builtin left the user's file for the drop box")
				}
				if name == "bash" && reason != what {
					t.Errorf("the reason is told to be %q", reason)
				}
				if c := commands(got); !slices.Contains(c, "echo before") || !slices.Contains(c, "echo after") {
					t.Errorf("recorded are %q", c)
				}
			})
		}
	}
}

// dropped are the records of the drop box.
func (b *bed) dropped(t *testing.T) []record {
	t.Helper()
	out, err := exec.Command("sh", "-c", "cat "+b.spool+"/new/* 2>/dev/null || true").Output()
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, "new", out)
}
