// Package kernel hears from the kernel which programs are run, and when they end: the one source of an audit that no user can
// switch off, and the only one for what is run without a shell's prompt.
//
// Of a program that was started it tells all that the kernel knows at that moment: nothing is looked up afterwards of a process
// that may be gone. What could not be told is counted, exactly. It never slows down who is watched, and is no owner of
// anything that others use: the kernel's audit stays whose it is, with its rules.
//
// Programs are in scope that have a terminal, or belong to a login; the others cost next to nothing and are not told. What a
// shell does by itself (cd, export, a loop) is no program: that is the hooks' part. A program that leaves its terminal
// (setsid) where logins have no number, as in a system without PAM, is out of scope.
//
// Two mechanisms are tried: programs of our own in the kernel (eBPF), and listening to the kernel's audit. What is not to be
// had is said in words, and done without.
package kernel
