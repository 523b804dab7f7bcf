package supervisor

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
)

func logged(t testing.TB, level hclog.Level, text []byte) (*logReader, string) {
	t.Helper()
	var out bytes.Buffer
	l := newLogReader(hclog.New(&hclog.LoggerOptions{Output: &out, Level: level, DisableTime: true}))
	l.read(bytes.NewReader(text))
	return l, out.String()
}

func TestLinesOfAPluginsLogKeepLevelAndValues(t *testing.T) {
	tests := map[string]struct{ line, want string }{
		"hclog":          {`{"@level":"warn","@message":"slow","@timestamp":"x","url":"http://a","n":3}`, "[WARN]  slow: n=3 url=http://a\n"},
		"below":          {`{"@level":"debug","@message":"noise"}`, ""},
		"plain":          {"hello", "[INFO]  hello\n"},
		"message number": {`{"@message":1}`, "[INFO]  1\n"},
		"level number":   {`{"@level":1,"@message":"x"}`, "[INFO]  x\n"},
		"escape":         {"\x1b[31mred", "[INFO]  \uFFFD[31mred\n"},
		"panic":          {"panic: x\n\ngoroutine 1 [running]:\nmain.main()", "[ERROR] panic: x\n[ERROR] \n[ERROR] goroutine 1 [running]:\n[ERROR] main.main()\n"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if _, got := logged(t, hclog.Info, []byte(tc.line)); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestAFloodOfLinesIsCutAndCounted(t *testing.T) {
	var flood strings.Builder
	for i := range 5000 {
		fmt.Fprintln(&flood, "line", i)
	}
	l, got := logged(t, hclog.Info, []byte(flood.String()))
	lines := strings.Count(got, "\n")
	if lines > 5*linesASec || !strings.Contains(got, "dropped lines of the plugin's log") {
		t.Errorf("%d lines were logged; the end is %s", lines, got[max(0, len(got)-200):])
	}
	if tail := l.tail(); strings.Count(tail, "\n") != tailLines-1 || !strings.HasSuffix(tail, "line 4999") {
		t.Errorf("the tail is %s", tail)
	}
}

func FuzzLogReader(f *testing.F) {
	f.Add([]byte(`{"@level":"warn","@message":"slow","n":3}` + "\nplain\n"))
	f.Add([]byte(`{"@message":1}`))
	f.Add([]byte("panic: x\n\x1b[2J\xff\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		l, got := logged(t, hclog.Trace, text)
		// The logger indents the second and later lines of a text with newlines: there must be none.
		if strings.ContainsAny(got, "\x1b\x00\r") {
			t.Errorf("control characters came through: %q", got)
		}
		if len(l.last) > tailLines {
			t.Errorf("the tail has %d lines", len(l.last))
		}
	})
}
