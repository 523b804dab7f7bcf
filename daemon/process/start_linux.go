package process

import (
	"errors"
	"os/exec"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

type request struct {
	cmd    *exec.Cmd
	result chan<- error
}

// launcher returns the queue of the goroutine that starts all children. It is the one thing in this package that lasts
// as long as the process: ending it would end the children.
var launcher = sync.OnceValue(func() chan<- request {
	requests := make(chan request)
	go func() {
		runtime.LockOSThread()
		for r := range requests {
			r.result <- r.cmd.Start()
		}
	}()
	return requests
})

func startOnLastingThread(cmd *exec.Cmd) error {
	result := make(chan error, 1)
	launcher() <- request{cmd, result}
	return <-result
}

func setDeathSignal(attr *syscall.SysProcAttr, sig syscall.Signal) { attr.Pdeathsig = sig }

// waitForEnd waits for the end of a child without reaping it.
func waitForEnd(pid int) bool {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return err == nil
		}
	}
}
