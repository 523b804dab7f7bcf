package drop

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// The binary form of an access control list, as the kernel takes it.
const (
	listName    = "system.posix_acl_access"
	listVersion = 2

	tagOwner = 0x01
	tagUser  = 0x02
	tagGroup = 0x04
	tagMask  = 0x10
	tagOther = 0x20

	mayWrite = 2
	anybody  = 0xffffffff // the number of an entry that is of no user
)

// letIn lets the user write to the file, beside root, who owns it.
func letIn(file *os.File, uid int) error {
	list := listOf(entry{tagOwner, 6, anybody}, entry{tagUser, mayWrite, uint32(uid)}, entry{tagGroup, 0, anybody},
		entry{tagMask, mayWrite, anybody}, entry{tagOther, 0, anybody})
	has := make([]byte, len(list)+1)
	if n, err := unix.Fgetxattr(int(file.Fd()), listName, has); err == nil && bytes.Equal(has[:n], list) {
		return nil
	}
	// No list can be set while the file can only be appended to.
	if err := setFlags(file, 0); err != nil && !errors.Is(err, errNoFlags) {
		return err
	}
	if err := unix.Fsetxattr(int(file.Fd()), listName, list, 0); err != nil {
		return fmt.Errorf("setting the access control list of %s: %w", file.Name(), err)
	}
	return nil
}

type entry struct {
	tag, permission uint16
	id              uint32
}

func listOf(entries ...entry) []byte {
	list := binary.LittleEndian.AppendUint32(nil, listVersion)
	for _, e := range entries {
		list = binary.LittleEndian.AppendUint16(list, e.tag)
		list = binary.LittleEndian.AppendUint16(list, e.permission)
		list = binary.LittleEndian.AppendUint32(list, e.id)
	}
	return list
}

// Attributes of a file.
const (
	immutable  = 0x10 // FS_IMMUTABLE_FL: nobody can write to it at all
	appendOnly = 0x20 // FS_APPEND_FL
)

// errNoFlags says that the file system can not keep a user from overwriting what is written.
var errNoFlags = errors.New("the file system has no files that can only be appended to")

// setFlags gives the file these attributes, and none else of the two.
func setFlags(file *os.File, flags uint32) error {
	has, err := unix.IoctlGetUint32(int(file.Fd()), unix.FS_IOC_GETFLAGS)
	if want := has&^(immutable|appendOnly) | flags; err == nil && want != has {
		err = unix.IoctlSetPointerInt(int(file.Fd()), unix.FS_IOC_SETFLAGS, int(want))
	}
	switch {
	case errors.Is(err, unix.ENOTTY), errors.Is(err, unix.EOPNOTSUPP):
		return errNoFlags
	case err != nil:
		return fmt.Errorf("changing the attributes of %s: %w", file.Name(), err)
	}
	return nil
}
