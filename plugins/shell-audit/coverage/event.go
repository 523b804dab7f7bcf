package coverage

import (
	"time"

	"github.com/vedette-monitor/vedette/plugins/shell-audit/kernel"
)

// Kind says what an Event tells of.
type Kind string

const (
	// NoHook is a shell that somebody types into and that has not said hello.
	NoHook Kind = "no_hook"
	// HookGone is a shell that has said hello, goes on, and says nothing more.
	HookGone Kind = "hook_gone"
	// Gap are records of a shell that did not come, or commands of which there is none; Count is how many.
	Gap Kind = "gap"
	// Bye is the end of a shell, or of what it was before it became another program.
	Bye Kind = "bye"
)

// Event is what is to be known of a shell.
type Event struct {
	Kind  Kind
	At    time.Time
	PID   int
	Birth int64
	UID   int
	Shell string // its name: bash, zsh, sh…
	// Exec is what the kernel has said of it; without a PID if it has not.
	Exec  kernel.Exec
	Count int64
	// Detail says it in words. It may have the name of a file, as its user has chosen it.
	Detail string
}
