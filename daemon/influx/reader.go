package influx

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// TimeFormat is how a Reader gets times.
type TimeFormat string

const (
	Nanoseconds TimeFormat = ""        // integers since 1970; the default
	RFC3339     TimeFormat = "rfc3339" // text
)

// ReaderOptions say where to read.
type ReaderOptions struct {
	URL      string // http://127.0.0.1:8086
	Socket   string // path of a unix socket to connect to instead
	Token    string // on 1.x user:password
	Database string // what a query means that names none; on 2.x a bucket's
	Policy   string // retention policy, as Database
	Times    TimeFormat
	Timeout  time.Duration // of one query with its whole answer; 0 means 30 s
}

// Reader asks one database in InfluxQL. It is safe for concurrent use.
type Reader struct {
	client *http.Client
	target string
	token  string
	form   url.Values
	redact func(string) string
}

// NewReader checks the options; it sends nothing.
func NewReader(o ReaderOptions) (*Reader, error) {
	server, err := parseServer(o.URL, o.Token)
	if err != nil {
		return nil, err
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	form := url.Values{"chunked": {"true"}, "chunk_size": {"10000"}}
	if o.Database != "" {
		form.Set("db", o.Database)
	}
	if o.Policy != "" {
		form.Set("rp", o.Policy)
	}
	switch o.Times {
	case Nanoseconds:
		form.Set("epoch", "ns")
	case RFC3339:
	default:
		return nil, fmt.Errorf("influxdb reader: time format %q is neither nanoseconds nor %q", o.Times, RFC3339)
	}
	return &Reader{
		client: newClient(o.Timeout, o.Socket),
		target: server.JoinPath("query").String(),
		token:  o.Token,
		form:   form,
		redact: secrets(o.Token).Replace,
	}, nil
}

// Close closes idle connections. The Reader may be used afterwards.
func (r *Reader) Close() { r.client.CloseIdleConnections() }

// Series is one table of an answer.
type Series struct {
	Statement int               `json:"statement"` // which statement of the query answers, from 0
	Name      string            `json:"name"`      // the measurement, for most statements
	Tags      map[string]string `json:"tags,omitempty"`
	Columns   []string          `json:"columns"`
	Rows      [][]Value         `json:"rows"` // a Value a column
}

// QueryError is InfluxDB's refusal of a query.
type QueryError struct {
	Status    int    // of HTTP; a statement that failed comes with 200
	Statement int    // which statement failed; 0 if the query as a whole was refused
	Message   string // InfluxDB's words
}

func (e *QueryError) Error() string {
	switch e.Status {
	case http.StatusOK:
		if e.Statement > 0 {
			return fmt.Sprintf("query influxdb: statement %d: %s", e.Statement+1, e.Message)
		}
		return "query influxdb: " + e.Message
	case http.StatusUnauthorized:
		return fmt.Sprintf("query influxdb: 401: %s: check user and password, or the token", e.Message)
	}
	return fmt.Sprintf("query influxdb: %d: %s", e.Status, e.Message)
}

// Query runs q, which may hold several statements, and returns all tables in the order of the answer. The failure of a
// statement is a *QueryError; what other statements have answered comes with it.
func (r *Reader) Query(ctx context.Context, q string) ([]Series, error) {
	form := make(url.Values, len(r.form)+1)
	for k, v := range r.form {
		form[k] = v
	}
	form.Set("q", q)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.target, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, fmt.Errorf("query influxdb: %w", err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	if r.token != "" {
		request.Header.Set("Authorization", "Token "+r.token)
	}
	resp, err := r.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("query influxdb: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, &QueryError{Status: resp.StatusCode, Message: r.redact(refusal(resp))}
	}
	if isPage(resp.Header) {
		return nil, fmt.Errorf("query influxdb: a web page answers at %s: is this the address of an InfluxDB?", r.target)
	}
	return decode(resp.Body)
}

// refusal finds the words in an answer that is no result: 1.x calls them error, 2.x message.
func refusal(resp *http.Response) string {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	var words struct{ Error, Message string }
	if json.Unmarshal(body, &words) == nil {
		if words.Error != "" {
			return shorten(words.Error)
		}
		if words.Message != "" {
			return shorten(words.Message)
		}
	}
	if isPage(resp.Header) || len(body) == 0 {
		return http.StatusText(resp.StatusCode)
	}
	return shorten(string(body))
}

type chunk struct {
	Error   string
	Results []struct {
		StatementID int `json:"statement_id"`
		Error       string
		Series      []struct {
			Name    string
			Tags    map[string]string
			Columns []string
			Values  [][]Value
			Partial bool
		}
	}
}

// decode reads the chunks of an answer and joins the tables that InfluxDB has cut.
func decode(body io.Reader) ([]Series, error) {
	var all []Series
	var failure error
	continues := false // the last table goes on in the next chunk
	for decoder := json.NewDecoder(body); ; {
		var c chunk
		if err := decoder.Decode(&c); errors.Is(err, io.EOF) {
			return all, failure
		} else if err != nil {
			return all, fmt.Errorf("query influxdb: read the answer: %w", err)
		}
		if c.Error != "" {
			return all, &QueryError{Status: http.StatusOK, Message: c.Error}
		}
		for _, result := range c.Results {
			if result.Error != "" && failure == nil {
				failure = &QueryError{Status: http.StatusOK, Statement: result.StatementID, Message: result.Error}
			}
			for _, s := range result.Series {
				if last := len(all) - 1; continues && last >= 0 && all[last].Statement == result.StatementID &&
					all[last].Name == s.Name && slices.Equal(all[last].Columns, s.Columns) {
					all[last].Rows = append(all[last].Rows, s.Values...)
				} else {
					all = append(all, Series{result.StatementID, s.Name, s.Tags, s.Columns, s.Values})
				}
				continues = s.Partial
			}
		}
	}
}
