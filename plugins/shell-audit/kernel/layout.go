package kernel

import (
	"fmt"

	"github.com/cilium/ebpf/btf"
)

// layout is where this kernel keeps what is read, in bytes from the beginning of each structure.
type layout struct {
	signal, parent, cred, tgid, birth, comm, mm, leader, exitCode int32 // of task_struct
	loginUID, session                                             int32 // of task_struct too; -1 in a kernel without audit

	live, tty, flags, groupCode int32 // of signal_struct
	pids                        int32 // of signal_struct: an array of pointers
	number                      int32 // of pid: the first of those that it has in several namespaces
	ttyName                     int32 // of tty_struct
	uid, euid                   int32 // of cred
	argStart, argEnd            int32 // of mm_struct
	filename                    int32 // of linux_binprm
}

// findLayout asks the kernel's own description of its types.
func findLayout(spec *btf.Spec) (layout, error) {
	var l layout
	for _, s := range []struct {
		name   string
		fields map[string]*int32
	}{
		{"task_struct", map[string]*int32{
			"signal": &l.signal, "real_parent": &l.parent, "cred": &l.cred, "tgid": &l.tgid, "comm": &l.comm, "mm": &l.mm,
			"group_leader": &l.leader, "exit_code": &l.exitCode,
		}},
		{"signal_struct", map[string]*int32{"live": &l.live, "tty": &l.tty, "flags": &l.flags, "group_exit_code": &l.groupCode, "pids": &l.pids}},
		{"pid", map[string]*int32{"numbers": &l.number}},
		{"tty_struct", map[string]*int32{"name": &l.ttyName}},
		{"cred", map[string]*int32{"uid": &l.uid, "euid": &l.euid}},
		{"mm_struct", map[string]*int32{"arg_start": &l.argStart, "arg_end": &l.argEnd}},
		{"linux_binprm", map[string]*int32{"filename": &l.filename}},
	} {
		t, err := structOf(spec, s.name)
		if err != nil {
			return l, err
		}
		for name, at := range s.fields {
			offset, ok := find(t.Members, name)
			if !ok {
				return l, fmt.Errorf("this kernel's %s has no %s", s.name, name)
			}
			*at = offset
		}
	}
	task, err := structOf(spec, "task_struct")
	if err != nil {
		return l, err
	}
	var ok bool
	if l.birth, ok = find(task.Members, "start_boottime"); !ok {
		// Its name before Linux 5.5.
		if l.birth, ok = find(task.Members, "real_start_time"); !ok {
			return l, fmt.Errorf("this kernel's task_struct has no start_boottime")
		}
	}
	if l.loginUID, ok = find(task.Members, "loginuid"); !ok {
		l.loginUID = -1
	}
	if l.session, ok = find(task.Members, "sessionid"); !ok {
		l.session = -1
	}
	return l, nil
}

func structOf(spec *btf.Spec, name string) (*btf.Struct, error) {
	var t *btf.Struct
	if err := spec.TypeByName(name, &t); err != nil {
		return nil, fmt.Errorf("looking up the kernel's %s: %w", name, err)
	}
	return t, nil
}

// find returns where a member is, be it in a structure without a name within.
func find(members []btf.Member, name string) (int32, bool) {
	for _, m := range members {
		at := int32(m.Offset.Bytes())
		if m.Name == name {
			return at, true
		}
		if m.Name != "" {
			continue
		}
		var within []btf.Member
		switch t := btf.UnderlyingType(m.Type).(type) {
		case *btf.Struct:
			within = t.Members
		case *btf.Union:
			within = t.Members
		}
		if offset, ok := find(within, name); ok {
			return at + offset, true
		}
	}
	return 0, false
}
