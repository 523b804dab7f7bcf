package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"golang.org/x/sys/unix"
)

// ruleKey marks rules as ours, for people who list them, and for us after a crash.
const ruleKey = "vedette-shell-audit"

// Of the kernel's audit_rule_data, in numbers of 32 bits: list, action, count, a mask of system calls, fields, their values
// and operators, and the length of the text behind.
const (
	ruleList, ruleAction, ruleCount = 0, 1, 2
	ruleMask, ruleMaskLen           = 3, 64
	ruleFields                      = ruleMask + ruleMaskLen
	ruleValues                      = ruleFields + 64
	ruleFlags                       = ruleValues + 64
	ruleTextLen                     = ruleFlags + 64
	ruleLen                         = ruleTextLen + 1

	exitList, always    = 4, 2
	fieldArch, fieldKey = 11, 210
	equal               = 0x40000000
)

// calls are the numbers of execve and execveat for programs of an architecture.
type calls struct {
	arch uint32
	of   [2]uint32
}

// execCalls are those of this machine: of its own programs, then of those for its 32-bit forerunner.
func execCalls() []calls {
	switch runtime.GOARCH {
	case "amd64":
		return []calls{{unix.AUDIT_ARCH_X86_64, [2]uint32{59, 322}}, {unix.AUDIT_ARCH_I386, [2]uint32{11, 358}}}
	case "arm64":
		return []calls{{unix.AUDIT_ARCH_AARCH64, [2]uint32{221, 281}}, {unix.AUDIT_ARCH_ARM, [2]uint32{11, 387}}}
	}
	return nil
}

// isExec says whether a call of a program of an architecture is execve or execveat.
func isExec(arch, call uint32) bool {
	return slices.ContainsFunc(execCalls(), func(c calls) bool { return c.arch == arch && slices.Contains(c.of[:], call) })
}

// rule is the one that has programs audited.
func (c calls) rule() []byte {
	var r [ruleLen]uint32
	r[ruleList], r[ruleAction], r[ruleCount] = exitList, always, 2
	for _, n := range c.of {
		r[ruleMask+n/32] |= 1 << (n % 32)
	}
	r[ruleFields], r[ruleValues], r[ruleFlags] = fieldArch, c.arch, equal
	r[ruleFields+1], r[ruleValues+1], r[ruleFlags+1] = fieldKey, uint32(len(ruleKey)), equal
	r[ruleTextLen] = uint32(len(ruleKey))
	var b []byte
	for _, n := range r {
		b = binary.NativeEndian.AppendUint32(b, n)
	}
	return append(b, ruleKey...)
}

// addRules has the start of programs audited, and returns the rules that are to be removed again.
func (c *control) addRules() (added [][]byte, err error) {
	all := execCalls()
	if all == nil {
		return nil, fmt.Errorf("adding rules to the kernel's audit: the numbers of system calls are not known for %s: add the rules with auditctl", runtime.GOARCH)
	}
	for i, calls := range all {
		rule := calls.rule()
		_, err := c.ask(auditAddRule, rule)
		switch {
		// It has our key: another run of ours was killed before it could remove it.
		case err == nil, errors.Is(err, unix.EEXIST):
			added = append(added, rule)
		case i > 0: // this kernel runs no programs of the other architecture
		default:
			return nil, fmt.Errorf("adding rules to the kernel's audit: %w", err)
		}
	}
	return added, nil
}

func (c *control) removeRules(rules [][]byte) error {
	var errs []error
	for _, rule := range rules {
		// Somebody may have removed all rules meanwhile.
		if _, err := c.ask(auditDelRule, rule); err != nil && !errors.Is(err, unix.ENOENT) {
			errs = append(errs, fmt.Errorf("removing our rule %s from the kernel's audit: %w", ruleKey, err))
		}
	}
	return errors.Join(errs...)
}

// rules are all that the kernel's audit has.
func (c *control) rules() ([][]byte, error) {
	rules, err := c.ask(auditListRules, nil)
	if err != nil {
		return nil, fmt.Errorf("listing the rules of the kernel's audit: %w", err)
	}
	return rules, nil
}

// auditsExec says whether a rule has the start of this machine's own programs audited, at least of some of them.
func auditsExec(rule []byte) bool {
	all := execCalls()
	if len(rule) < 4*ruleLen || len(all) == 0 {
		return false
	}
	at := func(i uint32) uint32 { return binary.NativeEndian.Uint32(rule[4*i:]) }
	n := all[0].of[0]
	return at(ruleList) == exitList && at(ruleAction) == always && at(ruleMask+n/32)&(1<<(n%32)) != 0
}
