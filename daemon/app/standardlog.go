package app

import (
	"bytes"
	"log"

	"github.com/hashicorp/go-hclog"
)

// standardLog gives what packages write to Go's standard log to the daemon's own.
type standardLog struct{ log hclog.Logger }

// captureStandardLog does so until release is called. net/http knows no other way to say what it has met as a client.
func captureStandardLog(to hclog.Logger) (release func()) {
	out, flags := log.Writer(), log.Flags()
	log.SetFlags(0)
	log.SetOutput(standardLog{to})
	return func() {
		log.SetOutput(out)
		log.SetFlags(flags)
	}
}

// unsolicited is what net/http says of a 204 that has a body, against the standard: of each one, and it harms nothing.
var unsolicited = []byte("Unsolicited response received")

// Write takes one line.
func (s standardLog) Write(line []byte) (int, error) {
	level := hclog.Warn
	if bytes.HasPrefix(line, unsolicited) {
		level = hclog.Debug
	}
	s.log.Log(level, string(bytes.TrimSpace(line)))
	return len(line), nil
}
