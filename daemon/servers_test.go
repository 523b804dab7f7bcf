package main

import (
	"net"
	"testing"
)

// silent returns the address of a server that takes connections and never says a word.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	// Nobody accepts: the kernel shakes hands with as many as the backlog holds, and http-quality closes each.
	return l.Addr().String()
}
