package influx

import (
	"fmt"
	"mime"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// verdict is what one answer means for the lines of its request.
type verdict int

const (
	stored        verdict = iota
	unsettled             // the server, or the way to it, is unwell: the same body again, later
	misconfigured         // as unsettled, and only a person can change it
	tooLarge              // the same lines in smaller requests
	refused               // at least one line is bad, and InfluxDB does not say which
	expired               // some lines are older than the retention policy, the others were stored
)

// answer is one answer of InfluxDB, understood.
type answer struct {
	verdict verdict
	reason  string // in words, with the status
	partial bool   // refused: the good lines of the batch were stored
	dropped int    // expired, or refused in part: how many lines, if InfluxDB says so
	wait    time.Duration
	// conflicts is what was refused: one conflict, which may be meant in either of two quotings.
	conflicts []conflict
}

var (
	// InfluxDB 1.x and 2.x count the lines in the first form, newer releases of both in the second.
	beyondRetention  = regexp.MustCompile(`points beyond retention policy dropped=(\d+)`)
	outsideRetention = regexp.MustCompile(`dropped (\d+) points outside retention policy`)
	droppedCount     = regexp.MustCompile(`\bdropped=(\d+)`)

	// missingTarget is how 1.x says with a status of 500 what is a matter of set-up.
	missingTarget = regexp.MustCompile(`retention policy not found|database not found`)
	// cutBody is how 1.x says that it did not get the whole body, which is no judgement of the lines in it.
	cutBody = regexp.MustCompile(`^(unexpected EOF|gzip: |http: |read tcp |read unix |context canceled)`)
	// speaksTLS is how servers say in clear that they expect TLS: Go's, nginx and Apache.
	speaksTLS = regexp.MustCompile(`HTTP request to an HTTPS server|plain HTTP request was sent to HTTPS port|plain HTTP to an SSL-enabled`)
	// varying is what differs from refusal to refusal for one and the same reason.
	varying = regexp.MustCompile(`^(unexpected error writing points to database|failure writing points to database): |partial write: | dropped=\d+( for database: .*)?$`)
)

// judge understands what the server said with a status. Only 204 is a success: a proxy's page comes with 200, and a write
// that was redirected was not made. Lines are judged by InfluxDB's own words alone: what something between us and
// InfluxDB, or another server, says about a request is no judgement of the lines in it.
func judge(status int, header http.Header, said words, now time.Time) answer {
	message := said.message
	if message == "" {
		message = http.StatusText(status)
	}
	a := answer{
		verdict: unsettled,
		reason:  fmt.Sprintf("%d: %s", status, shorten(message)),
		wait:    retryAfter(header, now),
	}
	bad := status == http.StatusBadRequest || status == http.StatusUnprocessableEntity
	switch {
	case status == http.StatusNoContent:
		return answer{verdict: stored}
	case status == http.StatusRequestEntityTooLarge:
		a.verdict = tooLarge
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusNotFound:
		a.verdict = misconfigured
	case status == http.StatusBadRequest && strings.Contains(message, "provide either orgID or org"):
		// 2.x speaks of the request and not of its lines.
		a.verdict = misconfigured
		a.reason += `: set the organization: influxdb { org = "…" }`
	case status == http.StatusBadRequest && cutBody.MatchString(message):
	case bad && speaksTLS.MatchString(message):
		// It says so to half a request, and the rest of that resets the connection, often before the end of the answer.
		a.verdict = misconfigured
		a.reason = fmt.Sprintf("%d: the server speaks HTTPS: say https:// in url", status)
	case said.cut && status >= 400:
		a.reason = fmt.Sprintf("%d, and its body was cut off: %s", status, shorten(message))
	case bad && !said.own:
		a.verdict = misconfigured
		what := shorten(said.message)
		if what == "" {
			what = "its body is empty"
		} else if isPage(header) {
			what = "it is a web page"
		}
		a.reason = fmt.Sprintf("this %d is no answer of InfluxDB: %s; check url, and what stands between here and InfluxDB", status, what)
	case isPage(header):
		a.reason = fmt.Sprintf("%d with a web page: something between here and InfluxDB answers", status)
	case status < 400:
		a.reason = fmt.Sprintf("%d instead of 204: is this the address of an InfluxDB? (%s)", status, shorten(message))
	case said.own && (bad || status == http.StatusInternalServerError):
		if n, ok := droppedByRetention(message); ok {
			a.verdict, a.dropped = expired, n
		} else if status == http.StatusInternalServerError && missingTarget.MatchString(message) {
			a.verdict = misconfigured
		} else if bad || strings.Contains(message, "field type conflict") {
			a.verdict = refused
			a.partial = strings.Contains(message, "partial write")
			a.conflicts = conflictsIn(message)
			if m := droppedCount.FindStringSubmatch(message); m != nil {
				a.dropped, _ = strconv.Atoi(m[1])
			}
			a.reason = fmt.Sprintf("%d: %s", status, shorten(varying.ReplaceAllString(message, "")))
		}
	}
	return a
}

func isPage(header http.Header) bool {
	kind, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	return kind == "text/html"
}

// droppedByRetention reads how many lines were too old, if that is all that the message complains about.
func droppedByRetention(message string) (int, bool) {
	for _, form := range []*regexp.Regexp{beyondRetention, outsideRetention} {
		if m := form.FindStringSubmatch(message); m != nil {
			n, err := strconv.Atoi(m[1])
			return n, err == nil && n > 0
		}
	}
	return 0, false
}

// retryAfter reads how long the server asks to be left alone: in seconds or until a date. 0 means that it does not.
func retryAfter(header http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(header.Get("Retry-After"))
	if value == "" {
		return 0
	}
	if seconds, err := strconv.ParseInt(value, 10, 32); err == nil {
		return max(0, time.Duration(seconds)*time.Second)
	}
	if date, err := http.ParseTime(value); err == nil {
		return max(0, date.Sub(now))
	}
	return 0
}

// shorten keeps words that are shown or stored from growing with what a server sends; it cuts between characters.
func shorten(words string) string {
	const longest = 1000
	words = strings.TrimSpace(words)
	if len(words) > longest {
		words = strings.ToValidUTF8(words[:longest], "") + "…"
	}
	return words
}
