// Package badserver is a corpus of servers that do wrong, for tests alone, with what a probe of each must find: the
// outcome, and exactly the phases that it reaches.
package badserver
