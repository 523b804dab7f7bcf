package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// busySite is a site whose plugin makes about a hundred points a second.
func busySite(t *testing.T) *site {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }))
	t.Cleanup(server.Close)
	var block strings.Builder
	block.WriteString(quickPlugin)
	for i := range 10 {
		fmt.Fprintf(&block, "  target \"t%d\" {\n    url = %q\n  }\n", i, server.URL)
	}
	block.WriteString("}\n")
	return newSite(t, withEmbedded(block.String()))
}

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
