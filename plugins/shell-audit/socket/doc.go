// Package socket is where the hooks of shells say at once what they have written to the spool, and where the kernel says who
// they are.
//
// A message is a copy of a record. It promises of each that it was sent by the process that is named, of the user that is
// named: the kernel's word at the connection and with the message agree. What was sent by anybody else over a connection that
// is not theirs, is no record, or brings descriptors, is a Violation and nothing more.
//
// Nobody's connection costs others anything: each has its own queue in the kernel, is read at a bounded rate, and there may be
// so many of a user and no more. A hook never waits: what finds no place is in the spool all the same.
package socket
