package influx

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
)

const (
	// maxAnswer bounds what is looked at of an answer, in bytes: InfluxDB needs a few hundred for most, and a page that
	// something on the way sends instead is not worth its memory.
	maxAnswer = 64 << 10
	// longestAnswer bounds what is taken from the network: 1.x repeats every line of a batch that it cannot parse, and
	// JSON writes some bytes with six characters.
	longestAnswer = 8 * maxBody
)

// words are what a server said to a write.
type words struct {
	message string // InfluxDB's, or the beginning of whatever came instead
	own     bool   // they have the form that InfluxDB gives them, and are whole
	cut     bool   // they ended before their end
}

// hear reads an answer to its end, so that the connection serves the next request too.
func hear(resp *http.Response) words {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	said := understand(body)
	if err == nil && len(body) == maxAnswer {
		said = understandBeginning(body)
		var rest int64
		rest, err = io.Copy(io.Discard, io.LimitReader(resp.Body, longestAnswer))
		if rest == longestAnswer {
			err = errors.New("it has no end")
		}
	}
	if err != nil {
		said.own, said.cut = false, true
	}
	if said.message == "" {
		// 1.x says its first 1024 bytes in a header too.
		said.message = resp.Header.Get("X-Influxdb-Error")
	}
	return said
}

// codes are what 2.x calls the errors that it answers with a status of 400, 422 or 500.
var codes = map[string]bool{"invalid": true, "unprocessable entity": true, "internal error": true, "empty value": true, "conflict": true}

// understand reads a whole body. InfluxDB 1.x writes {"error":"…"} and nothing else, 2.x {"code":"invalid","message":"…"}.
// Headers say nothing of who speaks, for what stands in between may take them away.
func understand(body []byte) words {
	var fields map[string]json.RawMessage
	err := json.Unmarshal(body, &fields)
	if err != nil {
		var broken *json.SyntaxError
		ended := errors.As(err, &broken) && broken.Offset >= int64(len(body))
		return words{message: string(body), cut: ended && bytes.HasPrefix(bytes.TrimSpace(body), []byte("{"))}
	}
	text := func(name string) (s string) {
		_ = json.Unmarshal(fields[name], &s)
		return s
	}
	failure, code, message := text("error"), text("code"), text("message")
	switch {
	case failure != "":
		return words{message: failure, own: len(fields) == 1}
	case message != "":
		return words{message: message, own: codes[code]}
	case code != "":
		return words{message: code}
	}
	return words{message: string(body)}
}

// ownBeginning is how a body of InfluxDB begins.
var ownBeginning = regexp.MustCompile(`^\s*\{\s*("error"|"code"\s*:\s*"([a-z ]+)"\s*,\s*"message")\s*:\s*"`)

// understandBeginning judges a body, too long to be looked at whole, by its beginning.
func understandBeginning(body []byte) words {
	m := ownBeginning.FindSubmatchIndex(body)
	if m == nil {
		return words{message: string(body)}
	}
	own := m[4] < 0 || codes[string(body[m[4]:m[5]])]
	return words{message: strings.ReplaceAll(string(body[m[1]:]), `\"`, `"`), own: own}
}
