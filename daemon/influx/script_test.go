package influx_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/influx"
)

// script is a server that plays one answer after the other, and then stores what it is sent. It stands for what
// InfluxDB 1.8 cannot be made to answer: 2.x, proxies and networks.
type script struct {
	mu      sync.Mutex
	answers []http.HandlerFunc
	bodies  []string
	times   []time.Time
	stored  map[string]bool
}

func play(t testing.TB, answers ...http.HandlerFunc) (*script, string) {
	t.Helper()
	s := &script{answers: answers, stored: map[string]bool{}}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	return s, srv.URL
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		body, _ = gzip.NewReader(r.Body)
	}
	text, err := io.ReadAll(body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	s.mu.Lock()
	s.bodies, s.times = append(s.bodies, string(text)), append(s.times, time.Now())
	answer := s.store
	if len(s.answers) > 0 {
		answer, s.answers = s.answers[0], s.answers[1:]
	}
	s.mu.Unlock()
	r.Body = io.NopCloser(bytes.NewReader(text))
	answer(w, r)
}

func (s *script) store(w http.ResponseWriter, r *http.Request) {
	text, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		s.stored[line] = true
	}
	w.WriteHeader(http.StatusNoContent)
}

func status(code int, message string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(code)
		if code >= 300 {
			fmt.Fprintf(w, `{"code":"invalid","message":%q}`, message)
		}
	}
}

func page(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(code)
		fmt.Fprint(w, "<html>Welcome</html>")
	}
}

// says answers with a body as it is.
func says(code int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(code)
		fmt.Fprint(w, body)
	}
}

func reset(w http.ResponseWriter, r *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		_ = conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	}
}

func silent(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func TestWriterBringsTheSameBatchAgainUntil204(t *testing.T) {
	sixTimes503 := make([]http.HandlerFunc, 6)
	for i := range sixTimes503 {
		sixTimes503[i] = status(503, "wait")
	}
	for name, answers := range map[string][]http.HandlerFunc{
		"429":                     {status(429, "slow down")},
		"503 for a while":         sixTimes503,
		"500":                     {status(500, "timeout")},
		"502 from a proxy":        {page(502)},
		"200 with a page":         {page(200)},
		"200 without one":         {status(200, "")},
		"202":                     {status(202, "")},
		"a redirect":              {status(302, "", "Location", "/elsewhere"), status(307, "", "Location", "/api/v2/write")},
		"a 400 that is a page":    {page(400)},
		"a body that was cut":     {status(400, "unexpected EOF"), status(400, "gzip: invalid checksum")},
		"2.x without its org":     {status(400, "Please provide either orgID or org")},
		"a connection reset":      {reset, reset},
		"a server that is silent": {silent},
		"401, 403, 404":           {status(401, ""), status(403, "forbidden"), status(404, "not found")},
		"500 on a missing policy": {status(500, "retention policy not found: x")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, url := play(t, answers...)
			w, refused := writerTo(t, influx.WriterOptions{URL: url, Token: "secret-token", Bucket: "b",
				Timeout: 200 * time.Millisecond})
			influx.SetWaits(w, time.Millisecond)
			got, err := w.Write(limited(t), lines(points(5)...))
			if err != nil {
				t.Fatal(err)
			}
			if want := (influx.Result{Stored: 5, Requests: len(answers) + 1}); got != want || len(s.stored) != 5 {
				t.Errorf("result %+v, want %+v; the server has %d", got, want, len(s.stored))
			}
			for _, body := range s.bodies {
				if body != s.bodies[0] {
					t.Errorf("another body: %q", body)
				}
			}
			state := w.State()
			if state.LastError == "" || state.Condition != influx.Connected || int(state.Retries) != len(answers) ||
				int(state.Requests) != len(answers)+1 || state.Stored != 5 {
				t.Errorf("state: %+v", state)
			}
			if len(refused.lines) > 0 || strings.Contains(state.LastError, "secret-token") {
				t.Errorf("refused %q, last error %q", refused.lines, state.LastError)
			}
		})
	}
}

// What is not InfluxDB's own word must not cost a point, whatever its status.
func TestAnswerThatIsNotOfInfluxDBJudgesNoPoint(t *testing.T) {
	cut := says(400, `{"error":"part`, "Content-Length", "500", "Content-Type", "application/json")
	for name, c := range map[string]struct {
		answer    http.HandlerFunc
		condition influx.Condition
		reason    string
	}{
		"Go's HTTPS":        {says(400, "Client sent an HTTP request to an HTTPS server.\n"), influx.Misconfigured, "say https:// in url"},
		"the same in part":  {says(400, "Client sent an HTTP request to an HTTPS server.\n", "Content-Length", "500"), influx.Misconfigured, "say https:// in url"},
		"nginx's HTTPS":     {says(400, "<h1>400</h1>The plain HTTP request was sent to HTTPS port", "Content-Type", "text/html"), influx.Misconfigured, "say https:// in url"},
		"a plain text":      {says(400, "go away"), influx.Misconfigured, "400 is no answer of InfluxDB: go away"},
		"a 422 in text":     {says(422, "partial write: dropped=9"), influx.Misconfigured, "422 is no answer of InfluxDB"},
		"an empty 400":      {says(400, ""), influx.Misconfigured, "its body is empty"},
		"a page":            {page(400), influx.Misconfigured, "it is a web page"},
		"another's JSON":    {says(400, `{"timestamp":1,"status":400,"error":"Bad Request","path":"/"}`), influx.Misconfigured, "Bad Request"},
		"a gateway's JSON":  {says(400, `{"code":"400","message":"no such route"}`), influx.Misconfigured, "no such route"},
		"an error object":   {says(400, `{"error":{"message":"no"}}`), influx.Misconfigured, "no answer of InfluxDB"},
		"a list":            {says(400, `["error"]`), influx.Misconfigured, "no answer of InfluxDB"},
		"retention by text": {says(400, "points beyond retention policy dropped=5"), influx.Misconfigured, "no answer of InfluxDB"},
		"a conflict in 500": {says(500, "field type conflict"), influx.Holding, "500: field type conflict"},
		"cut by its length": {cut, influx.Holding, "cut off"},
		"cut in its JSON":   {says(400, `{"error":"part`), influx.Holding, "cut off"},
		"a long text":       {says(400, strings.Repeat("x", 1<<20)), influx.Misconfigured, "no answer of InfluxDB"},
		"a 500 of 1.x without its header": {says(500, `{"error":"engine: no space left"}`, "Content-Type", "application/json"),
			influx.Holding, "500: engine: no space left"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, url := play(t, c.answer)
			var seen []influx.Condition
			w, refused := writerTo(t, influx.WriterOptions{URL: url, Bucket: "b",
				OnChange: func(c influx.Condition, _ string) { seen = append(seen, c) }})
			influx.SetWaits(w, time.Millisecond)
			got, err := w.Write(limited(t), lines(points(5)...))
			if want := (influx.Result{Stored: 5, Requests: 2}); err != nil || got != want || len(s.stored) != 5 || len(refused.lines) > 0 {
				t.Errorf("result %+v, want %+v; refused %q, %v", got, want, refused.why, err)
			}
			if reason := w.State().LastError; len(seen) == 0 || seen[0] != c.condition || !strings.Contains(reason, c.reason) {
				t.Errorf("conditions %v, want %s first; reason %q", seen, c.condition, reason)
			}
		})
	}
}

func TestRefusalOfEitherReleaseIsKnownByItsFormAlone(t *testing.T) {
	for name, body := range map[string]string{
		"1.8":        `{"error":"unable to parse 'bad': missing fields"}` + "\n",
		"2.x":        `{"code":"invalid","message":"unable to parse 'bad': missing fields"}`,
		"2.0":        `{"code":"invalid","message":"failed","op":"http/write","err":"unable to parse","line":1}`,
		"a long 1.8": `{"error":"unable to parse '` + strings.Repeat("\\u0001", 1<<18) + `': missing fields"}`,
		"a long 2.x": `{"code": "invalid", "message": "unable to parse '` + strings.Repeat("x", 1<<20) + `': missing fields"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, url := play(t, says(400, body), says(400, body))
			w, refused := writerTo(t, influx.WriterOptions{URL: url, Bucket: "b"})
			got, err := w.Write(limited(t), lines("bad"))
			if err != nil || got.Rejected != 1 || len(refused.why) != 1 || !strings.Contains(refused.why[0], "400: ") {
				t.Errorf("result %+v, refused for %q, %v", got, refused.why, err)
			}
		})
	}
}

func TestWriterWaitsAsLongAsTheServerAsks(t *testing.T) {
	for name, value := range map[string]func() string{
		"seconds": func() string { return "2" },
		// A date has whole seconds, so this is between two and three seconds away.
		"date": func() string { return time.Now().Add(3 * time.Second).UTC().Format(http.TimeFormat) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, url := play(t, func(w http.ResponseWriter, r *http.Request) {
				status(429, "slow down", "Retry-After", value())(w, r)
			})
			w, _ := writerTo(t, influx.WriterOptions{URL: url, Bucket: "b"})
			influx.SetWaits(w, time.Millisecond)
			if _, err := w.Write(limited(t), lines(points(1)...)); err != nil {
				t.Fatal(err)
			}
			if waited := s.times[1].Sub(s.times[0]); waited < 1900*time.Millisecond {
				t.Errorf("waited %s", waited)
			}
		})
	}
}

func TestTooLargeBatchIsHalved(t *testing.T) {
	const limit = 5 << 10
	var s *script
	answer := func(w http.ResponseWriter, r *http.Request) {
		if body, _ := io.ReadAll(r.Body); len(body) > limit {
			page(413)(w, r)
		} else {
			r.Body = io.NopCloser(bytes.NewReader(body))
			s.store(w, r)
		}
	}
	answers := make([]http.HandlerFunc, 200)
	for i := range answers {
		answers[i] = answer
	}
	s, url := play(t, answers...)
	w, refused := writerTo(t, influx.WriterOptions{URL: url, Bucket: "b"})
	giant := `m s="` + strings.Repeat("x", limit) + `" 1`
	got, err := w.Write(limited(t), lines(append(points(500), giant)...))
	if err != nil {
		t.Fatal(err)
	}
	wantResult(t, got, influx.Result{Stored: 500, Rejected: 1})
	if len(s.stored) != 500 || len(refused.lines) != 1 || refused.lines[0] != giant || !strings.Contains(refused.why[0], "413") {
		t.Errorf("the server has %d; refused: %q %q", len(s.stored), refused.lines, refused.why)
	}
}

func TestWhatFindsEveryPointTooLargeJudgesNone(t *testing.T) {
	s, url := play(t, page(413), page(413), page(413), page(413))
	var seen []influx.Condition
	w, refused := writerTo(t, influx.WriterOptions{URL: url, Bucket: "b", OnChange: func(c influx.Condition, _ string) { seen = append(seen, c) }})
	influx.SetWaits(w, time.Millisecond)
	got, err := w.Write(limited(t), lines(points(4)...))
	// The requests are for all four, the first half, the first one three times, the second one, and the other half.
	if want := (influx.Result{Stored: 4, Requests: 7}); err != nil || got != want || len(s.stored) != 4 || len(refused.lines) > 0 {
		t.Errorf("result %+v, want %+v; refused %q, %v", got, want, refused.why, err)
	}
	if reason := w.State().LastError; !slices.Contains(seen, influx.Misconfigured) || !strings.Contains(reason, "413") || !strings.Contains(reason, "check url") {
		t.Errorf("conditions %v; reason %q", seen, reason)
	}
}

// InfluxDB 2.x stores nothing of a batch with one bad line.
func TestBadPointsOfInfluxDB2AreFoundToo(t *testing.T) {
	for name, refusal := range map[string]http.HandlerFunc{
		"400": status(400, "unable to parse 'bad': missing fields"),
		"422": status(422, "failure writing points: something is wrong"),
		"500 field type conflict": status(500,
			`unexpected error writing points to database: field type conflict: input field "v" is type string`),
	} {
		t.Run(name, func(t *testing.T) {
			var s *script
			answer := func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				r.Body = io.NopCloser(bytes.NewReader(body))
				if bytes.Contains(body, []byte("bad")) {
					refusal(w, r)
				} else {
					s.store(w, r)
				}
			}
			answers := make([]http.HandlerFunc, 200)
			for i := range answers {
				answers[i] = answer
			}
			s, url := play(t, answers...)
			w, refused := writerTo(t, influx.WriterOptions{URL: url, Bucket: "b", Org: "o"})
			batch := points(1000)
			batch[7], batch[900] = "bad 1", "bad 2"
			got, err := w.Write(limited(t), lines(batch...))
			if err != nil {
				t.Fatal(err)
			}
			wantResult(t, got, influx.Result{Stored: 998, Rejected: 2})
			if len(s.stored) != 998 || fmt.Sprint(refused.lines) != "[bad 1 bad 2]" || s.bodies[0] != s.bodies[1] {
				t.Errorf("the server has %d, refused %q", len(s.stored), refused.lines)
			}
			if state := w.State(); state.LastRefusal != refused.why[1] || state.LastRefused.IsZero() {
				t.Errorf("the last refusal is %q, want %q", state.LastRefusal, refused.why[1])
			}
		})
	}
}

func TestPointsBeyondRetentionAreCountedInTheWordsOfEveryRelease(t *testing.T) {
	for _, answer := range []http.HandlerFunc{
		status(422, "failure writing points to database: partial write: points beyond retention policy dropped=3"),
		status(500, "unexpected error writing points to database: partial write: points beyond retention policy dropped=3"),
		status(422, "partial write: dropped 3 points outside retention policy of duration 1h0m0s and 0 points outside write window"),
	} {
		_, url := play(t, answer)
		w, _ := writerTo(t, influx.WriterOptions{URL: url, Bucket: "b"})
		got, err := w.Write(limited(t), lines(points(3)...))
		if want := (influx.Result{Expired: 3, Requests: 1}); err != nil || got != want {
			t.Errorf("result %+v, want %+v; %v", got, want, err)
		}
	}
}

func TestRejectionIsFinalOnlyWhenTheLineIsSetAside(t *testing.T) {
	db := database(t)
	var calls int
	full := errors.New("no space left")
	w, _ := writerTo(t, influx.WriterOptions{Bucket: db, Reject: func([][]byte, string) error {
		if calls++; calls < 4 {
			return full
		}
		return nil
	}})
	influx.SetWaits(w, time.Millisecond)
	got, err := w.Write(limited(t), lines("no fields"))
	if err != nil || got.Rejected != 1 || calls != 4 {
		t.Errorf("result %+v after %d calls, %v", got, calls, err)
	}

	calls = -1 << 30
	ctx, cancel := context.WithCancel(limited(t))
	done := make(chan influx.Result)
	go func() {
		got, err := w.Write(ctx, lines("no fields"))
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		done <- got
	}()
	waitFor(t, func() bool {
		return strings.Contains(w.State().LastError, "no space left") && w.State().Condition == influx.Holding
	})
	cancel()
	if got := <-done; got.Rejected != 0 {
		t.Errorf("result %+v", got)
	}
}

func TestWriteEndsWithItsContext(t *testing.T) {
	for name, answers := range map[string][]http.HandlerFunc{
		"in a request": {silent},
		"in a pause":   {status(503, "wait", "Retry-After", "3000")},
	} {
		t.Run(name, func(t *testing.T) {
			s, url := play(t, answers...)
			w, _ := writerTo(t, influx.WriterOptions{URL: url, Bucket: "b"})
			ctx, cancel := context.WithCancel(limited(t))
			done := make(chan error, 1)
			go func() {
				_, err := w.Write(ctx, lines(points(1)...))
				done <- err
			}()
			waitFor(t, func() bool {
				s.mu.Lock()
				defer s.mu.Unlock()
				return len(s.bodies) == 1
			})
			cancel()
			select {
			case err := <-done:
				if !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			case <-time.After(patience):
				t.Fatal("it does not")
			}
		})
	}
}

func TestWriterAsksForNanosecondsAndGivesItsToken(t *testing.T) {
	var got *http.Request
	_, url := play(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		w.WriteHeader(http.StatusNoContent)
	})
	w, _ := writerTo(t, influx.WriterOptions{URL: url + "/prefix", Token: "user:password", Org: "my org", Bucket: "db/rp"})
	if _, err := w.Write(limited(t), lines(points(1)...)); err != nil {
		t.Fatal(err)
	}
	q := got.URL.Query()
	if got.URL.Path != "/prefix/api/v2/write" || q.Get("org") != "my org" || q.Get("bucket") != "db/rp" ||
		q.Get("precision") != "ns" || got.Header.Get("Authorization") != "Token user:password" {
		t.Errorf("%s %v", got.URL, got.Header)
	}
}

func TestWrongOptionsAreRefusedWithoutTheirSecrets(t *testing.T) {
	keep := func([][]byte, string) error { return nil }
	for _, o := range []influx.WriterOptions{
		{URL: "127.0.0.1:8086", Bucket: "b", Reject: keep},
		{URL: "http://u:hidden@127.0.0.1:8086", Bucket: "b", Reject: keep},
		{URL: "http://u:hidden@%zz", Bucket: "b", Reject: keep},
		{URL: "http://127.0.0.1:8086", Reject: keep},
		{URL: "http://127.0.0.1:8086", Bucket: "b"},
		{URL: "http://127.0.0.1:8086", Token: "user:hidden hidden", Bucket: "b", Reject: keep},
	} {
		if _, err := influx.NewWriter(o); err == nil || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%+v: %v", o.URL, err)
		}
	}
}
