package process

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestAnAccountIsFoundByNameAndByNumber(t *testing.T) {
	byName, err := LookupAccount("root")
	if err != nil || byName.UID != 0 || byName.GID != 0 || byName.Home == "" {
		t.Fatalf("root is %+v, %v", byName, err)
	}
	if byNumber, err := LookupAccount("0"); err != nil || byNumber.Name != "root" {
		t.Errorf("0 is %+v, %v", byNumber, err)
	}
	for name, want := range map[string]string{
		"nobody-of-that-name": `there is no user "nobody-of-that-name"`, "3999999999": "there is no user with the number 3999999999", "": "there is no user",
	} {
		if a, err := LookupAccount(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is %+v, %v", name, a, err)
		}
	}
}

func TestMemoryThatProcessesShareCountsOnce(t *testing.T) {
	if !MeasuresMemory {
		t.Log("this system does not tell: nothing to show")
		return
	}
	const each = 60 << 20
	cmd := exec.Command("/usr/bin/python3", "-c", "import os, time\nkept = bytes(range(256)) * (60 << 12)\n"+
		"for _ in range(3):\n  if not os.fork(): break\nprint('ready', flush=True)\ntime.sleep(60)")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	child, err := Start(cmd, syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = child.Signal(syscall.SIGKILL)
		<-child.Done()
		if got := child.Memory(0); got != 0 {
			t.Errorf("a child that has ended takes %d bytes", got)
		}
	}()
	line := make([]byte, len("ready\n"))
	for range 4 {
		if _, err := out.Read(line); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		summed, once := child.Memory(1<<40), child.Memory(each)
		if summed > 4*each && once > each && once < 2*each {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("summed up %d MiB, and %d MiB with what is shared counted once", summed>>20, once>>20)
		}
	}
}

func TestTheModeOfAFileSaysWhoMay(t *testing.T) {
	path := t.TempDir() + "/file"
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	own := syscall.Stat_t{}
	if err := syscall.Stat(path, &own); err != nil {
		t.Fatal(err)
	}
	owner := Account{UID: own.Uid, GID: own.Gid + 1}
	member := Account{UID: own.Uid + 1, GID: own.Gid + 1, Groups: []uint32{own.Gid}}
	other := Account{UID: own.Uid + 1, GID: own.Gid + 1}
	for mode, may := range map[os.FileMode][3]bool{
		0o100: {true, false, false}, 0o010: {false, true, false}, 0o001: {false, false, true}, 0o666: {}, 0o711: {true, true, true},
	} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		// Root may always.
		got := [3]bool{owner.May(1, info) && (own.Uid != 0 || may[0]), member.May(1, info), other.May(1, info)}
		if got != may {
			t.Errorf("mode %o lets owner, member and others %v", mode, got)
		}
	}
}
