package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"slices"
	"strconv"
	"syscall"
)

// Account is a user of the machine, as a process needs it.
type Account struct {
	Name     string
	UID, GID uint32
	// Groups are the supplementary ones.
	Groups []uint32
	Home   string
}

// LookupAccount finds the user with this name, or else with this number.
func LookupAccount(name string) (*Account, error) {
	found, err := user.Lookup(name)
	var unknown user.UnknownUserError
	if errors.As(err, &unknown) {
		if _, numeric := strconv.ParseUint(name, 10, 32); numeric != nil {
			return nil, fmt.Errorf("there is no user %q on this machine", name)
		}
		found, err = user.LookupId(name)
		var unknownID user.UnknownUserIdError
		if errors.As(err, &unknownID) {
			return nil, fmt.Errorf("there is no user with the number %s on this machine", name)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("looking for the user %q: %w", name, err)
	}
	groups, err := found.GroupIds()
	if err != nil {
		return nil, fmt.Errorf("looking for the groups of the user %q: %w", name, err)
	}
	a := &Account{Name: found.Username, Home: found.HomeDir}
	for _, text := range append([]string{found.Uid, found.Gid}, groups...) {
		id, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("the user %q has the number %q, which is none", name, text)
		}
		a.Groups = append(a.Groups, uint32(id))
	}
	a.UID, a.GID, a.Groups = a.Groups[0], a.Groups[1], a.Groups[2:]
	slices.Sort(a.Groups)
	return a, nil
}

// Own says whether this process is the account's already. A nil account is whoever this process is.
func (a *Account) Own() bool { return a == nil || int(a.UID) == os.Geteuid() }

// Use makes the command run as the account.
func (a *Account) Use(cmd *exec.Cmd) {
	if a.Own() {
		return
	}
	attr := syscall.SysProcAttr{}
	if cmd.SysProcAttr != nil {
		attr = *cmd.SysProcAttr
	}
	attr.Credential = &syscall.Credential{Uid: a.UID, Gid: a.GID, Groups: a.Groups}
	cmd.SysProcAttr = &attr
}

// Become makes this process the account's, for good.
func (a *Account) Become() error {
	if a.Own() {
		return nil
	}
	groups := make([]int, len(a.Groups))
	for i, g := range a.Groups {
		groups[i] = int(g)
	}
	err := syscall.Setgroups(groups)
	if err == nil {
		err = syscall.Setgid(int(a.GID))
	}
	if err == nil {
		err = syscall.Setuid(int(a.UID))
	}
	if err != nil {
		return fmt.Errorf("becoming the user %s: %w", a.Name, err)
	}
	return nil
}

// May says whether the account may do with a file what the bits say (r 4, w 2, x 1), by its mode alone: lists of access
// rights are not read.
func (a *Account) May(bits os.FileMode, info os.FileInfo) bool {
	owner, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case a.UID == 0 || !ok:
		return true
	case owner.Uid == a.UID:
		bits <<= 6
	case owner.Gid == a.GID || slices.Contains(a.Groups, owner.Gid):
		bits <<= 3
	}
	return info.Mode()&bits == bits
}
