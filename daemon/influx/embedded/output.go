package embedded

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

const (
	longestLine = 16 << 10 // bytes; what is longer is cut into several lines
	keptLines   = 20
)

// output takes what InfluxDB prints, one line an event. InfluxDB logs JSON, but a panic or the loader of the system
// prints what it likes.
type output struct {
	logger hclog.Logger

	mu      sync.Mutex
	partial []byte
	last    []string  // the newest lines, for the reason of a failed start
	full    time.Time // when it said last that its disk is full
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.partial = append(o.partial, p...)
	for {
		end := bytes.IndexByte(o.partial, '\n')
		if end < 0 && len(o.partial) < longestLine {
			return len(p), nil
		}
		if end < 0 || end > longestLine {
			end = longestLine
			o.line(o.partial[:end])
			o.partial = o.partial[end:]
			continue
		}
		o.line(o.partial[:end])
		o.partial = o.partial[end+1:]
	}
}

func (o *output) line(text []byte) {
	text = bytes.TrimSpace(bytes.ToValidUTF8(text, []byte("\uFFFD")))
	if len(text) == 0 {
		return
	}
	if bytes.Contains(text, []byte("no space left on device")) {
		o.full = time.Now()
	}
	var event map[string]any
	if json.Unmarshal(text, &event) != nil || event["msg"] == nil {
		o.keep(string(text))
		o.logger.Info(string(text))
		return
	}
	message, _ := event["msg"].(string)
	level, _ := event["lvl"].(string)
	failure, _ := event["error"].(string)
	for _, key := range []string{"msg", "lvl", "ts", "log_id"} {
		delete(event, key)
	}
	var arguments []any
	for _, key := range slices.Sorted(maps.Keys(event)) {
		arguments = append(arguments, key, event[key])
	}
	// What InfluxDB calls info is each of its services coming and going.
	at := hclog.Debug
	if level != "info" && level != "debug" {
		at = hclog.LevelFromString(level)
		if at == hclog.NoLevel {
			at = hclog.Error
		}
		o.keep(strings.TrimSuffix(message+": "+failure, ": "))
	}
	o.logger.Log(at, message, arguments...)
}

func (o *output) keep(line string) {
	if len(o.last) == keptLines {
		o.last = slices.Delete(o.last, 0, 1)
	}
	o.last = append(o.last, line)
}

// saidFull is when InfluxDB said last that its disk is full; zero if it never did.
func (o *output) saidFull() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.full
}

// reason returns the newest lines that were more than news, once the process has ended.
func (o *output) reason() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.partial) > 0 {
		o.line(o.partial)
		o.partial = nil
	}
	return strings.Join(o.last, "; ")
}
