package record

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Append adds r to dst as it is written to a file or a socket. Texts that are too long are cut, and Full tells how long
// the command was. Texts with a NUL are percent-encoded.
func (r Record) Append(dst []byte) ([]byte, error) {
	switch {
	case strings.IndexByte("SECHX", byte(r.Kind)) < 0:
		return dst, fmt.Errorf("record has no kind %q", r.Kind)
	case !isShell([]byte(r.Shell)):
		return dst, fmt.Errorf("record can not name the shell %q: 1 to %d lower-case letters and digits", r.Shell, maxShell)
	case r.Kind == End && r.Command != "":
		return dst, fmt.Errorf("record of an end can not have a command")
	case r.PID < 1 || r.PID > math.MaxInt32 || r.Birth < 0 || r.Seq < 1 || r.History < NoHistory || r.Started < 0 ||
		r.Started > maxMicros || r.Ended < 0 || r.Ended > maxMicros || r.Exit < math.MinInt32 || r.Exit > math.MaxInt32:
		return dst, fmt.Errorf("record has a number out of range: %+v", r)
	}
	encoding, cwd, command := "raw", r.Cwd, r.Command
	if strings.IndexByte(cwd, 0) >= 0 || strings.IndexByte(command, 0) >= 0 {
		encoding, cwd, command = "url", escape(cwd), escape(command)
	}
	full := int64(len(command))
	if r.Truncated {
		full = max(full+1, r.Full)
	}
	cwd, command = cwd[:min(len(cwd), MaxCwd)], command[:min(len(command), MaxCommand)]
	dst = append(dst, '1', ' ', byte(r.Kind), ' ')
	dst = append(append(dst, encoding...), ' ')
	dst = append(append(dst, r.Shell...), ' ')
	for i, n := range []int64{
		int64(r.PID), r.Birth, r.Seq, r.History, int64(r.Started), int64(r.Ended), int64(r.Exit),
		int64(len(cwd)), int64(len(command)), full,
	} {
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = strconv.AppendInt(dst, n, 10)
	}
	dst = append(dst, '\n')
	return append(append(append(dst, cwd...), command...), 0), nil
}

// escape percent-encodes all but what fish leaves as it is, which is what needs no escape in a URL.
func escape(s string) string {
	const digits = "0123456789ABCDEF"
	out := make([]byte, 0, len(s)+16)
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-_.~/", c) >= 0:
			out = append(out, c)
		default:
			out = append(out, '%', digits[c>>4], digits[c&15])
		}
	}
	return string(out)
}
