//go:build unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// credentialOf looks a user up. Only root may become somebody else.
func credentialOf(name string) (*credential, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return nil, err
	}
	c := &credential{name: u.Username, home: u.HomeDir}
	if c.uid, err = number32(u.Uid); err != nil {
		return nil, err
	}
	if c.gid, err = number32(u.Gid); err != nil {
		return nil, err
	}
	ids, err := u.GroupIds()
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		g, err := number32(id)
		if err != nil {
			return nil, err
		}
		c.groups = append(c.groups, g)
	}
	if own := os.Geteuid(); own != 0 && uint32(own) != c.uid {
		return nil, fmt.Errorf("only root runs a program as %s", c)
	}
	return c, nil
}

func number32(text string) (uint32, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	return uint32(n), err
}

// groupOf has a program lead a group of its own.
func groupOf(c *credential) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	tie(attr)
	if c != nil && os.Geteuid() == 0 {
		attr.Credential = &syscall.Credential{Uid: c.uid, Gid: c.gid, Groups: c.groups}
	}
	return attr
}

func killGroup(cmd *exec.Cmd) error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
