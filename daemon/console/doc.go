// Package console is how people and programs look into a running daemon: over HTTP with JSON on a unix socket that only
// the daemon's user can open, and over HTTP on loopback for whether it is well.
package console
