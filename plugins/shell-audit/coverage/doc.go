// Package coverage tells where the audit does not see: shells on terminals that never said hello, hooks that went away, and
// records that are missing between others.
//
// It knows a shell by the name of its program or of its first argument, or by its program being one of this host's shells
// under another name. It promises that such a shell, which a person types into, raises NoHook unless its hook says hello in time,
// and that commands, scripts and what reads its lines from elsewhere raise nothing.
//
// What it can not tell: a shell that is none of this host's (built elsewhere, or changed), or another program that runs
// commands (an interpreter, an editor, a debugger); a shell whose terminal is behind a pipe; a hello that somebody has made
// up: it is then his, for the kernel attests who writes; and a history that was changed by hand looks like a gap. Without the
// kernel's word on each program (by polling, or with the kernel's audit, which tells no process groups) it can not tell that
// a shell whose hook has said hello runs jobs and says nothing of them.
package coverage
