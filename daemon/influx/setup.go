package influx

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// setupTime bounds one run of the set-up.
	setupTime = 15 * time.Second
	// recheckTime is how long a report that somebody may act upon is believed, while points are written.
	recheckTime = time.Minute
)

// SetupOptions say what is to be there.
type SetupOptions struct {
	URL    string // http://127.0.0.1:8086
	Socket string // path of a unix socket to connect to instead
	Token  string // on 1.x user:password
	Org    string // 2.x only
	Bucket string // of raw points; on 1.x database or database/policy

	// How long points are kept; 0 is for ever.
	Retention, RecordsRetention time.Duration

	// Rule lets the configuration rule over what is there already. Without it nothing that is there is changed, for a
	// shorter retention deletes points.
	Rule bool

	// OnReport, if set, is told each report that differs from the one before.
	OnReport func(Report)
}

// Report is what a set-up has found.
type Report struct {
	Server string // InfluxDB 1.8.3; empty while it is not known
	// Problem is why the set-up came to no end.
	Problem string
	// Differences are what is there in another way than the configuration has it, and stays so.
	Differences []string
	// Needed are the statements, on 2.x the commands, that an administrator has to run, because the token may not. Where it
	// may not look either they are for the lanes alone whose points are not taken.
	Needed []string
}

// isOpen says whether somebody may act upon the report.
func (r Report) isOpen() bool { return len(r.Differences)+len(r.Needed) > 0 }

func (r Report) equal(o Report) bool {
	return r.Server == o.Server && r.Problem == o.Problem && strings.Join(r.Differences, "\n") == strings.Join(o.Differences, "\n") &&
		strings.Join(r.Needed, "\n") == strings.Join(o.Needed, "\n")
}

// Setup makes what is written to: on 1.x the database and its retention policies, on 2.x the buckets, and the mappings that
// let one InfluxQL text serve both. It can be repeated at any time: what is there stays. It is safe for concurrent use.
type Setup struct {
	options SetupOptions
	server  *url.URL
	client  *http.Client
	redact  func(string) string

	running sync.Mutex // held by a run

	mu      sync.Mutex
	report  Report
	checked time.Time // when the report was made
	missing map[Lane]bool
	now     func() time.Time
}

// NewSetup checks the options; it sends nothing.
func NewSetup(o SetupOptions) (*Setup, error) {
	server, err := parseServer(o.URL, o.Token)
	if err != nil {
		return nil, err
	}
	return &Setup{options: o, server: server, client: newClient(setupTime, o.Socket), redact: secrets(o.Token).Replace,
		missing: map[Lane]bool{}, now: time.Now}, nil
}

// Close closes idle connections.
func (s *Setup) Close() { s.client.CloseIdleConnections() }

// Report returns what the last run has found. It may be called at any time.
func (s *Setup) Report() Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.report
}

// To returns Prepare for a lane. It fits WriterOptions.Prepare.
func (s *Setup) To(lane Lane) func(ctx context.Context, missing bool) bool {
	return func(ctx context.Context, missing bool) bool { return s.Prepare(ctx, lane, missing) }
}

// Prepare makes what can be made. missing says that the last answer to a write of the lane has told that something is not
// there. It returns false as long as it is to be called again before the next write: the server did not answer, or
// somebody may yet do what the report says. Most of such calls do nothing.
func (s *Setup) Prepare(ctx context.Context, lane Lane, missing bool) bool {
	s.running.Lock()
	defer s.running.Unlock()
	s.mu.Lock()
	known := !missing && !s.missing[lane] && s.report.isOpen() && s.now().Sub(s.checked) < recheckTime
	s.missing[lane] = missing
	s.mu.Unlock()
	if known {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, setupTime)
	defer cancel()
	report, err := s.run(ctx)
	if err != nil {
		report.Problem = s.redact(err.Error())
	}
	s.mu.Lock()
	changed := !report.equal(s.report)
	s.report, s.checked = report, s.now()
	s.mu.Unlock()
	if changed && s.options.OnReport != nil {
		s.options.OnReport(report)
	}
	// A server that answers, whatever it says, would say it again.
	return err == nil && !report.isOpen() || errors.As(err, new(*QueryError)) || errors.Is(err, errUnknownServer)
}

func (s *Setup) run(ctx context.Context) (Report, error) {
	version, major, err := s.Identify(ctx)
	if err != nil {
		return Report{}, err
	}
	report := Report{Server: "InfluxDB " + version}
	switch major {
	case 1:
		err = s.prepare1(ctx, &report)
	case 2:
		err = s.prepare2(ctx, &report)
	default:
		err = fmt.Errorf("set up %s: %w; this release makes what is written to by itself, or an administrator does", report.Server, errUnknownServer)
	}
	return report, err
}

// errUnknownServer says that something answers that is no InfluxDB which can be set up.
var errUnknownServer = errors.New("no InfluxDB 1.x or 2.x answers")

var versionForm = regexp.MustCompile(`^v?((\d+)\.[0-9A-Za-z.+-]*)$`)

// Identify tells 1.x and 2.x apart by what they say of themselves, and a build without a version by what it offers.
func (s *Setup) Identify(ctx context.Context) (version string, major int, err error) {
	said := func(text string) bool {
		m := versionForm.FindStringSubmatch(text)
		if m == nil {
			return false
		}
		version = m[1]
		major, err = strconv.Atoi(m[2])
		return err == nil
	}
	_, header, _, err := s.get(ctx, "ping")
	if err != nil {
		return "", 0, err
	}
	isInflux := header.Get("X-Influxdb-Version") != "" || header.Get("X-Influxdb-Build") != ""
	if said(header.Get("X-Influxdb-Version")) {
		return version, major, nil
	}
	_, _, body, err := s.get(ctx, "health")
	if err != nil {
		return "", 0, err
	}
	var health struct{ Name, Version string }
	if json.Unmarshal(body, &health) == nil && health.Name == "influxdb" {
		isInflux = true
		if said(health.Version) {
			return version, major, nil
		}
	}
	if !isInflux {
		return "", 0, fmt.Errorf("set up the InfluxDB at %s: %w there: databases, buckets and their retention are left as they are",
			s.server.Redacted(), errUnknownServer)
	}
	// Only 2.x can say whether it is ready.
	status, _, body, err := s.get(ctx, "ready")
	if err != nil {
		return "", 0, err
	}
	if status == http.StatusOK && json.Valid(body) {
		return "2.x", 2, nil
	}
	return "1.x", 1, nil
}

func (s *Setup) get(ctx context.Context, path string) (status int, header http.Header, body []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.server.JoinPath(path).String(), nil)
	if err != nil {
		return 0, nil, nil, fmt.Errorf("set up influxdb: %w", err)
	}
	if s.options.Token != "" {
		request.Header.Set("Authorization", "Token "+s.options.Token)
	}
	resp, err := s.client.Do(request)
	if err != nil {
		return 0, nil, nil, fmt.Errorf("set up influxdb: %w", err)
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return 0, nil, nil, fmt.Errorf("set up influxdb: read the answer: %w", err)
	}
	return resp.StatusCode, resp.Header, body, nil
}

// keeps says how long something keeps points, as the configuration would.
func keeps(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d == 0:
		return "for ever"
	case d%day == 0:
		return fmt.Sprintf("%dd", d/day)
	}
	return d.String()
}
