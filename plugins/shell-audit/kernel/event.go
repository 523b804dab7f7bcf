package kernel

import "time"

// Event is an Exec or an Exit.
type Event interface{ event() }

// Exec says that a process has become another program.
type Exec struct {
	At          time.Time
	PID, Parent int
	// Birth is when the process began, in the kernel's ticks since boot, as field 22 of /proc/PID/stat has it; 0 if it is not known.
	Birth int64
	// Group is its process group; 0 if it is not known, as with Audit. A shell gives each job that is typed a group of its own.
	Group     int
	UID, EUID int
	// LoginUID is who logged in, and Session the number of that login; NoLogin if there is none. Whoever has none may claim one.
	LoginUID, Session uint32
	// Terminal controls the process, such as pts/3; "" if none does.
	Terminal string
	// Comm is what the kernel calls it: the first 15 bytes of the file's name. Path is the file as the caller has named it, which
	// may be relative; for a script it is the script. The kernel's audit tells the program instead, which for a script is its
	// interpreter.
	Comm, Path string
	// Args are the arguments, the name first. If Truncated, the last of them is cut, or some are missing.
	Args      []string
	Truncated bool
	// Size is that of all arguments, with a NUL behind each.
	Size int64
	// Cwd is where it was started; "" if it is not known: only the kernel's audit tells it.
	Cwd string
	// Earlier says that it had been there before it was listened to; At is when it was found.
	Earlier bool
}

// Exit says that a process has ended of which an Exec was told, or that had been there before.
type Exit struct {
	At    time.Time
	PID   int
	Birth int64
	// Code is the exit status as a shell has it: 128 and the signal's number where one has ended it; -1 if it is not known.
	Code int
	// Lasted is the time since the process began; 0 if it is not known.
	Lasted time.Duration
}

func (Exec) event() {}
func (Exit) event() {}

// NoLogin is the number of no user and no session.
const NoLogin = 1<<32 - 1

// MaxArgs is how much of the arguments is told, in bytes.
const MaxArgs = 4096
