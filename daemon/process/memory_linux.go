package process

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
)

// MeasuresMemory says that Memory works on this system.
const MeasuresMemory = true

// Memory returns how many bytes the child and the processes of its group have taken that the kernel can not take back:
// what they have written to, what they share with each other, and what of these was swapped out. Pages of files, their
// programs among them, do not count. While the sum is above enough, what several processes share is counted once, which
// takes the kernel longer to say.
func (c *Child) Memory(enough int64) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reaped {
		return 0
	}
	members := groupOf(c.Pid())
	total := sumOf(members, "/status", "RssAnon:", "RssShmem:", "VmSwap:")
	if total > enough && len(members) > 1 {
		if proportional := sumOf(members, "/smaps_rollup", "Pss_Anon:", "Pss_Shmem:", "SwapPss:"); proportional > 0 {
			total = proportional
		}
	}
	return total
}

// groupOf lists the processes of a group.
func groupOf(leader int) []string {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer func() { _ = dir.Close() }()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil
	}
	var members []string
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if group, err := syscall.Getpgid(pid); err == nil && group == leader {
			members = append(members, name)
		}
	}
	return members
}

// sumOf adds up lines of a file of processes, which say kB.
func sumOf(pids []string, file string, lines ...string) (bytesInAll int64) {
	for _, pid := range pids {
		text, err := os.ReadFile("/proc/" + pid + file)
		if err != nil {
			continue // it has ended meanwhile
		}
		for line := range bytes.Lines(text) {
			for _, name := range lines {
				if value, ok := bytes.CutPrefix(line, []byte(name)); ok {
					kB, _ := strconv.ParseInt(string(bytes.TrimSpace(bytes.TrimSuffix(bytes.TrimSpace(value), []byte("kB")))), 10, 64)
					bytesInAll += kB << 10
				}
			}
		}
	}
	return bytesInAll
}
