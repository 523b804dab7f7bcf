package drop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"

	"github.com/vedette-monitor/vedette/plugins/shell-audit/record"
)

const patience = 20 * time.Second

// The users of the tests have no name.
const alice, bob = 60001, 60002

func requireRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("files of other users are made here: run this test as root")
	}
}

// spoolIn makes the place of a directory that every user can reach.
func spoolIn(t testing.TB, parent string) string {
	t.Helper()
	requireRoot(t)
	dir, err := os.MkdirTemp(parent, "vedette-drop-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		logs, _ := filepath.Glob(filepath.Join(dir, "spool", usersDir, "*"))
		for _, path := range logs {
			if f, err := os.Open(path); err == nil {
				_ = setFlags(f, 0)
				_ = f.Close()
			}
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return filepath.Join(dir, "spool")
}

func open(t testing.TB, path string, limits Limits, from map[Place]int64) *Directory {
	t.Helper()
	d, err := Open(path, limits, from, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

// as runs a shell command as a user, and returns what it says and whether it succeeded.
func as(uid int, script string, args ...string) (string, bool) {
	cmd := exec.Command("/bin/bash", append([]string{"--norc", "-c", script, "bash"}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
	cmd.Dir = "/"
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

func typed(pid int, seq int64, command string) record.Record {
	return record.Record{Kind: record.Complete, Shell: "bash", PID: pid, Birth: 1, Seq: seq, History: record.NoHistory,
		Started: 1, Ended: 2, Cwd: "/", Command: command, Full: int64(len(command))}
}

func encode(t testing.TB, r record.Record) []byte {
	t.Helper()
	b, err := r.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// put appends a record to a user's file as its hook does, but as root.
func put(t testing.TB, d *Directory, uid int, b []byte) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(d.users(), nameOf(uid)), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(b); err != nil {
		t.Fatal(err)
	}
}

func all(int) int { return 1 << 20 }

// readAll are the commands of all that is new, each with its user; of what is no record the reason.
func readAll(t testing.TB, d *Directory, places map[Place]int64) []string {
	t.Helper()
	d.search.last = time.Time{} // boxes are looked for at once
	var got []string
	_, err := d.Read(all, func(f Found) {
		if f.Bad != nil {
			got = append(got, fmt.Sprintf("%d: %v", f.UID, f.Bad))
		} else {
			got = append(got, fmt.Sprintf("%d: %s", f.UID, f.Record.Command))
		}
		if places != nil {
			places[f.Place] = f.End
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestAUserCanAppendToTheOwnFileAndDoNothingElse(t *testing.T) {
	disk, memory := spoolIn(t, ""), spoolIn(t, "")
	// The same on a file system in memory, which systems may have there.
	if err := unix.Mount("tmpfs", filepath.Dir(memory), "tmpfs", 0, "mode=0711"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(filepath.Dir(memory), unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	for name, path := range map[string]string{"disk": disk, "memory": memory} {
		t.Run(name, func(t *testing.T) {
			d := open(t, path, Usual, nil)
			for _, uid := range []int{alice, bob} {
				if err := d.Admit(uid); err != nil {
					t.Fatal(err)
				}
			}
			file := filepath.Join(d.users(), nameOf(alice))
			put(t, d, alice, encode(t, typed(1, 1, "evidence")))
			if out, ok := as(alice, `echo -n more >> "$1"`, file); !ok {
				t.Errorf("appending: %s", out)
			}
			before, err := os.ReadFile(file)
			if err != nil || !strings.HasSuffix(string(before), "more") {
				t.Fatalf("the file has %q, %v", before, err)
			}
			for what, script := range map[string]string{
				"truncate":       `truncate -s 0 "$1"`,
				"overwrite":      `echo x > "$1"`,
				"write within":   `printf x | dd of="$1" conv=notrunc bs=1`,
				"read":           `cat "$1"`,
				"read and write": `exec 3<>"$1"`,
				"delete":         `rm -f "$1"`,
				"rename":         `mv "$1" "$1.x"`,
				"replace":        `echo x > /tmp/vedette-drop-x.$$ && mv -f /tmp/vedette-drop-x.$$ "$1"`,
				"link":           `ln "$1" /tmp/vedette-drop-link.$$`,
				"change mode":    `chmod 666 "$1"`,
				"change list":    `setfattr -x system.posix_acl_access "$1"`,
				"clear flag":     `chattr -a "$1"`,
				"list":           `ls "${1%/*}"`,
				"make another":   `echo x > "${1%/*}/70000.log"`,
			} {
				if out, ok := as(alice, script+" 2>&1", file); ok {
					t.Errorf("%s: allowed: %s", what, out)
				}
			}
			if out, ok := as(bob, `echo x >> "$1"`, file); ok {
				t.Errorf("another user appends: %s", out)
			}
			if after, err := os.ReadFile(file); err != nil || string(after) != string(before) {
				t.Errorf("the file has become %q, %v", after, err)
			}
		})
	}
}

func TestReadingGoesOnWhereItEndedAcrossAStop(t *testing.T) {
	path := spoolIn(t, "")
	places := map[Place]int64{}
	d := open(t, path, Usual, nil)
	for _, uid := range []int{alice, bob} {
		if err := d.Admit(uid); err != nil {
			t.Fatal(err)
		}
	}
	put(t, d, alice, encode(t, typed(1, 1, "one")))
	put(t, d, bob, encode(t, typed(2, 1, "two")))
	torn := encode(t, typed(1, 2, "three"))
	put(t, d, alice, torn[:20])
	if got := readAll(t, d, places); !slices.Equal(got, []string{"60001: one", "60002: two"}) {
		t.Errorf("found %q", got)
	}
	d.Close()
	put(t, d, alice, torn[20:])
	put(t, d, alice, []byte("noise\x00"))
	d = open(t, path, Usual, places)
	got := readAll(t, d, places)
	if len(got) != 2 || got[0] != "60001: three" || !strings.HasPrefix(got[1], "60001: record") {
		t.Errorf("found %q", got)
	}
	if got := readAll(t, d, places); len(got) > 0 {
		t.Errorf("found again %q", got)
	}
}

// TestNothingIsLostWhileFilesArePutAside lets shells write while their file is put aside again and again, by a reader that is
// stopped at any moment and goes on from the places that it kept.
func TestNothingIsLostWhileFilesArePutAside(t *testing.T) {
	path := spoolIn(t, "")
	limits := Limits{PutAside: 2000, Unread: 1 << 20, Linger: 200 * time.Millisecond}
	d := open(t, path, limits, nil)
	if err := d.Admit(alice); err != nil {
		t.Fatal(err)
	}
	const shells, each = 3, 300
	var writers sync.WaitGroup
	for shell := range shells {
		writers.Go(func() {
			for seq := range each {
				b, err := typed(shell+1, int64(seq+1), fmt.Sprint(shell, " ", seq)).Append(nil)
				if err != nil {
					t.Error(err)
					return
				}
				// A hook opens the file anew for each record.
				f, err := os.OpenFile(filepath.Join(path, usersDir, nameOf(alice)), os.O_WRONLY|os.O_APPEND, 0)
				if err == nil {
					_, err = f.Write(b)
					_ = f.Close()
				}
				if err != nil {
					t.Errorf("a hook can not write: %v", err)
					return
				}
				time.Sleep(500 * time.Microsecond)
			}
		})
	}
	written := make(chan struct{})
	go func() {
		writers.Wait()
		close(written)
	}()
	found := map[string]int{}
	places := map[Place]int64{}
	aside := 0
	step := func() {
		for _, command := range readAll(t, d, places) {
			found[command]++
		}
		gone, err := d.Settle()
		if err != nil {
			t.Fatal(err)
		}
		for _, place := range gone {
			delete(places, place)
			aside++
		}
	}
	for n, done := 0, false; !done; n++ {
		select {
		case <-written:
			done = true
		case <-time.After(2 * time.Millisecond):
		}
		step()
		if n%20 == 19 {
			d.Close()
			d = open(t, path, limits, places)
		}
	}
	step()
	for shell := range shells {
		for seq := range each {
			if n := found[fmt.Sprintf("60001: %d %d", shell, seq)]; n != 1 {
				t.Errorf("record %d of shell %d was found %d times", seq, shell, n)
			}
		}
	}
	if len(found) != shells*each {
		t.Errorf("%d records, want %d", len(found), shells*each)
	}
	deadline := time.Now().Add(patience)
	for len(d.past) > 0 && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
		step()
	}
	if aside < 3 || len(d.past) > 0 {
		t.Errorf("%d files were put aside and deleted, %d are left", aside, len(d.past))
	}
	if left, _ := filepath.Glob(filepath.Join(path, usersDir, "*")); len(left) != 1 {
		t.Errorf("files left: %v", left)
	}
}

func TestAnInterruptedPuttingAsideIsFinished(t *testing.T) {
	path := spoolIn(t, "")
	d := open(t, path, Usual, nil)
	if err := d.Admit(alice); err != nil {
		t.Fatal(err)
	}
	put(t, d, alice, encode(t, typed(1, 1, "old")))
	l := d.logs[alice]
	name := filepath.Join(d.users(), nameOf(alice))
	next, err := d.create(name, alice)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	if err := setFlags(l.file, 0); err != nil {
		t.Fatal(err)
	}
	if err := unix.Renameat2(unix.AT_FDCWD, name, unix.AT_FDCWD, next.Name(), unix.RENAME_EXCHANGE); err != nil {
		t.Fatal(err)
	}
	put(t, d, alice, encode(t, typed(1, 2, "new")))
	d.Close()
	d = open(t, path, Usual, nil)
	if got := readAll(t, d, nil); !slices.Equal(got, []string{"60001: old", "60001: new"}) {
		t.Errorf("found %q", got)
	}
}

func TestWhoWritesTooMuchIsShutOutUntilItIsRead(t *testing.T) {
	path := spoolIn(t, "")
	d := open(t, path, Limits{PutAside: 1 << 20, Unread: 5000, Linger: time.Minute}, nil)
	if err := d.Admit(alice); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(d.users(), nameOf(alice))
	long := strings.Repeat("x", 1000)
	for seq := range 8 {
		put(t, d, alice, encode(t, typed(1, int64(seq+1), long)))
	}
	read := 0
	step := func(most int) {
		if _, err := d.Read(func(int) int { return most }, func(Found) { read++ }); err != nil {
			t.Fatal(err)
		}
	}
	step(0)
	if _, ok := as(alice, `echo x >> "$1"`, file); ok || !slices.Equal(d.Shut(), []int{alice}) {
		t.Errorf("the user still writes; shut out are %v", d.Shut())
	}
	step(7)
	if out, ok := as(alice, `printf 'x\0' >> "$1"`, file); !ok || len(d.Shut()) > 0 {
		t.Errorf("the user is not let in again: %s", out)
	}
	step(100)
	if read != 9 {
		t.Errorf("%d records were read, want 8 and a bad one", read)
	}
}

// TestAShellGoesOnWritingToABoxThatIsTaken appends to a box through a descriptor that was open when it was taken, with a stop of the
// reader in between.
func TestAShellGoesOnWritingToABoxThatIsTaken(t *testing.T) {
	path := spoolIn(t, "")
	limits := Limits{PutAside: 1 << 20, Unread: 1 << 20, Linger: time.Minute}
	d := open(t, path, limits, nil)
	box, err := os.OpenFile(filepath.Join(d.boxes(), "60001.7.x"), os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	if err := box.Chown(alice, alice); err != nil {
		t.Fatal(err)
	}
	places := map[Place]int64{}
	write := func(seq int64, command string) {
		if _, err := box.Write(encode(t, typed(7, seq, command))); err != nil {
			t.Fatal(err)
		}
	}
	write(1, "one")
	got := append(readAll(t, d, places), readAll(t, d, places)...)
	write(2, "two")
	got = append(got, readAll(t, d, places)...)
	d.Close()
	write(3, "three")
	d = open(t, path, limits, places)
	got = append(got, readAll(t, d, places)...)
	if !slices.Equal(got, []string{"60001: one", "60001: two", "60001: three"}) {
		t.Errorf("found %q", got)
	}
}

func TestOnlyABoxThatItsOwnerAloneCouldWriteCounts(t *testing.T) {
	path := spoolIn(t, "")
	d := open(t, path, Limits{PutAside: 1 << 20, Unread: 1 << 20, Linger: 100 * time.Millisecond}, nil)
	secret := filepath.Join(filepath.Dir(path), "secret")
	if err := os.WriteFile(secret, encode(t, typed(1, 1, "secret")), 0o600); err != nil {
		t.Fatal(err)
	}
	box := string(encode(t, typed(7, 1, "boxed")))
	for _, script := range []string{
		`umask 077; printf %s\\0 "$2" > "$1/60001.7.good"`,
		`umask 022; printf %s\\0 "$2" > "$1/60001.7.open"`,
		`umask 077; printf %s\\0 "$2" > "$1/60002.7.forged"`,
		`umask 077; printf %s\\0 "$2" > "$1/60001.7.two"; ln "$1/60001.7.two" "/tmp/vedette-drop-link"`,
		`ln -s "$3" "$1/60001.7.symlink"`,
		`mkfifo -m 600 "$1/60001.7.pipe"`,
		`mkdir -p -m 700 "$1/60001.7.dir"`,
		`umask 077; printf nothing > "$1/60001.7.torn"`,
	} {
		if out, ok := as(alice, script, d.boxes(), strings.TrimSuffix(box, "\x00"), secret); !ok {
			t.Fatalf("%s: %s", script, out)
		}
	}
	t.Cleanup(func() { _ = os.Remove("/tmp/vedette-drop-link") })
	got := readAll(t, d, nil)
	got = append(got, readAll(t, d, nil)...)
	if !slices.Equal(got, []string{"60001: boxed"}) {
		t.Errorf("found %q", got)
	}
	if again := readAll(t, d, nil); len(again) > 0 {
		t.Errorf("found again %q", again)
	}
	for deadline := time.Now().Add(patience); len(d.past) > 0 && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if _, err := d.Settle(); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{d.boxes(), d.taken()} {
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("files left in %s: %v, %v", dir, left, err)
		}
	}
	if out, ok := as(bob, `echo x > "$1/60002.1.a"; rm -f "$1/60001.7.x" && ls "$1"`, d.boxes()); ok {
		t.Errorf("users can list the boxes: %s", out)
	}
}

func TestWhoFillsTheDropBoxKeepsNobodyOut(t *testing.T) {
	path := spoolIn(t, "")
	d := open(t, path, Limits{PutAside: 1 << 20, Unread: 1 << 20, Linger: time.Minute}, nil)
	const files = 5000
	if out, ok := as(alice, `umask 077; mkdir -p "$1/60001.1.deep/`+strings.Repeat("d/", 500)+`"; i=0; while [ $i -lt $2 ]; do : > "$1/60001.7.$i"; i=$((i+1)); done`,
		d.boxes(), fmt.Sprint(files)); !ok {
		t.Fatal(out)
	}
	if out, ok := as(bob, `umask 077; printf %s\\0 "$2" > "$1/60002.9.x"`, d.boxes(), strings.TrimSuffix(string(encode(t, typed(9, 1, "bob's"))), "\x00")); !ok {
		t.Fatal(out)
	}
	var got []string
	for range 20 {
		got = append(got, readAll(t, d, nil)...)
	}
	if !slices.Contains(got, "60002: bob's") {
		t.Error("the other user's record was not found")
	}
	if n := len(slices.DeleteFunc(got, func(s string) bool { return s != "60001: "+ErrTooMany.Error() })); n < files-mostPending-100 {
		t.Errorf("%d files too many were told", n)
	}
	if left, err := os.ReadDir(d.boxes()); err != nil || len(left) > mostPending+100 {
		t.Errorf("%d files are left, %v", len(left), err)
	}
}

func TestNotingThatAFileWasCutOff(t *testing.T) {
	path := spoolIn(t, "")
	d := open(t, path, Usual, nil)
	if err := d.Admit(alice); err != nil {
		t.Fatal(err)
	}
	put(t, d, alice, encode(t, typed(1, 1, "one")))
	readAll(t, d, nil)
	if err := setFlags(d.logs[alice].file, 0); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(d.logs[alice].file.Name(), 0); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, d, nil); !slices.Equal(got, []string{"60001: " + ErrCut.Error()}) {
		t.Errorf("found %q", got)
	}
	put(t, d, alice, encode(t, typed(1, 2, "two")))
	if got := readAll(t, d, nil); !slices.Equal(got, []string{"60001: two"}) {
		t.Errorf("found %q", got)
	}
}
