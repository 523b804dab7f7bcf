package supervisor

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/hashicorp/go-hclog"

	"github.com/vedette-monitor/vedette/daemon/redaction"
)

// Limits on what a plugin may write into the daemon's log.
const (
	maxLine   = 64 << 10
	linesASec = 200
	// stackLines is the same for the stacks that a Go program prints when it dies.
	stackLines = 5000
	tailLines  = 50
	tailLength = 500
	// paceBytes is how much of a plugin's output is read within paceTime: one that writes without end waits for the reader,
	// and does not take a processor for itself.
	paceBytes = 1 << 20
)

// deaths are how a dying Go program begins what it prints: all that follows is of its stacks.
var deaths = []string{"panic: ", "fatal error: ", "SIGQUIT: quit"}

// logReader turns what a plugin writes on standard error into lines of the daemon's log: hclog's JSON with its level
// and values, everything else as text. It never stops reading and believes nothing: not that a line is JSON, not that
// a value has the type that its key promises, not that there are few lines or short ones.
type logReader struct {
	logger   hclog.Logger
	redactor *redaction.Redactor
	// lost counts lines that were dropped or cut.
	lost *atomic.Uint64

	mu      sync.Mutex
	second  int64 // of the rate limit
	lines   int   // in that second
	dropped int
	last    []string
	panics  bool // a panic has begun: what follows is its stack
}

func newLogReader(logger hclog.Logger) *logReader {
	return &logReader{logger: logger, lost: new(atomic.Uint64)}
}

// read logs every line until the end of r, or an error such as its deadline.
func (l *logReader) read(r io.Reader) {
	lines := bufio.NewReaderSize(&pacedReader{from: r}, maxLine)
	for {
		line, more, err := lines.ReadLine()
		if err != nil {
			l.report()
			return
		}
		if more {
			l.lost.Add(1)
			l.text(hclog.Info, l.shown(line)+" … (the rest of a long line was dropped)")
		} else {
			l.line(line)
		}
		for more && err == nil {
			_, more, err = lines.ReadLine()
		}
	}
}

// stray logs a line that a plugin wrote on standard output, where only its handshake belongs.
func (l *logReader) stray(line []byte) {
	l.text(hclog.Info, "on standard output: "+l.shown(line))
}

// shown is a line without secrets, and safe to print.
func (l *logReader) shown(line []byte) string { return clean(l.redactor.Redact(string(line))) }

func (l *logReader) line(line []byte) {
	var entry map[string]any
	if len(line) == 0 || line[0] != '{' || json.Unmarshal(line, &entry) != nil {
		l.plain(l.shown(line))
		return
	}
	level := hclog.Info
	if name, ok := entry["@level"].(string); ok {
		if known := hclog.LevelFromString(name); known != hclog.NoLevel && known != hclog.Off {
			level = known
		}
	}
	message := l.redactor.Redact(fmt.Sprint(entry["@message"]))
	for _, key := range []string{"@level", "@message", "@timestamp", "@module", "@caller"} {
		delete(entry, key)
	}
	var values []any
	for _, key := range slices.Sorted(maps.Keys(entry)) {
		value := entry[key]
		switch v := value.(type) {
		case string:
			value = clean(l.redactor.Redact(v))
		case map[string]any, []any:
			value = clean(l.redactor.Redact(fmt.Sprint(v)))
		}
		values = append(values, clean(key), value)
	}
	l.text(level, clean(message), values...)
}

// plain logs a line that is no JSON. Go prints panics so, over many lines.
func (l *logReader) plain(line string) {
	l.mu.Lock()
	if slices.ContainsFunc(deaths, func(death string) bool { return strings.HasPrefix(line, death) }) {
		l.panics = true
	}
	level := hclog.Info
	if l.panics {
		level = hclog.Error
	}
	l.mu.Unlock()
	l.text(level, line)
}

func (l *logReader) text(level hclog.Level, message string, values ...any) {
	if l.admit(level, message) {
		l.logger.Log(level, message, values...)
	}
}

// admit keeps the line for the tail and says whether it may be logged.
func (l *logReader) admit(level hclog.Level, message string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if level >= hclog.Info {
		if len(l.last) == tailLines {
			l.last = slices.Delete(l.last, 0, 1)
		}
		l.last = append(l.last, strings.Clone(message[:min(len(message), tailLength)]))
	}
	if level < l.logger.GetLevel() {
		return false
	}
	if now := time.Now().Unix(); now != l.second {
		l.reportLocked()
		l.second, l.lines = now, 0
	}
	limit := linesASec
	if l.panics {
		limit = stackLines
	}
	if l.lines++; l.lines > limit {
		l.dropped++
		l.lost.Add(1)
		return false
	}
	return true
}

func (l *logReader) report() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reportLocked()
}

func (l *logReader) reportLocked() {
	if l.dropped > 0 {
		l.logger.Warn("dropped lines of the plugin's log", "lines", l.dropped, "limit", fmt.Sprint(linesASec, " a second"))
		l.dropped = 0
	}
}

// tail returns the last lines that the plugin wrote: after a panic, from its beginning.
func (l *logReader) tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := l.last
	if i := slices.IndexFunc(last, func(line string) bool { return strings.HasPrefix(line, "panic: ") }); i >= 0 {
		last = last[i:]
	}
	return strings.Join(last, "\n")
}

// pacedReader reads no more than paceBytes within paceTime.
type pacedReader struct {
	from  io.Reader
	since time.Time
	read  int
}

// Read implements io.Reader.
func (p *pacedReader) Read(b []byte) (int, error) {
	if p.read >= paceBytes {
		time.Sleep(paceTime - time.Since(p.since))
		p.read = 0
	}
	if p.read == 0 {
		p.since = time.Now()
	}
	n, err := p.from.Read(b)
	p.read += n
	return n, err
}

// clean makes text from a plugin safe to print on a terminal, on one line.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}
