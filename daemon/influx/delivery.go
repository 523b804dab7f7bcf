package influx

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"time"

	influxhttp "github.com/influxdata/influxdb-client-go/v2/api/http"

	"github.com/vedette-monitor/vedette/daemon/backoff"
)

// delivery is one Write under way.
type delivery struct {
	Result
	w *Writer
}

// part says whether lines are a batch that was not judged yet or a piece of a refused one.
type part bool

const (
	whole part = false
	piece part = true
)

// setUnsendableAside rejects the lines that InfluxDB would swallow without a word: empty ones and comments.
func (d *delivery) setUnsendableAside(ctx context.Context, lines [][]byte) ([][]byte, error) {
	swallowed := func(line []byte) bool {
		line = bytes.TrimLeft(line, " \t\r\n\x00")
		return len(line) == 0 || line[0] == '#'
	}
	if !slices.ContainsFunc(lines, swallowed) {
		return lines, nil
	}
	sendable := make([][]byte, 0, len(lines))
	for _, line := range lines {
		if !swallowed(line) {
			sendable = append(sendable, line)
		} else if err := d.setAside(ctx, line, "empty, or begins with # and so is a comment to InfluxDB"); err != nil {
			return nil, err
		}
	}
	return sendable, nil
}

// settle brings lines, which fit into one request, to their end. What InfluxDB refuses is halved down to the points that
// are to blame: its messages name one reason for a whole batch, often not the only one.
func (d *delivery) settle(ctx context.Context, lines [][]byte, p part) error {
	if len(lines) == 0 {
		return nil
	}
	a, err := d.deliver(ctx, lines)
	if err != nil {
		return err
	}
	// Two types for a field that was new made InfluxDB store nothing, but now it knows the field: the same body again
	// stores all that agree with it.
	if a.verdict == refused && !a.partial && p == whole {
		if a, err = d.deliver(ctx, lines); err != nil {
			return err
		}
	}
	switch {
	case a.verdict == stored:
		d.Stored += len(lines)
		d.w.state.count(func(s *State) { s.Stored += uint64(len(lines)) })
		return nil
	case a.verdict == expired && a.dropped >= len(lines):
		d.expire(len(lines))
		return nil
	case a.verdict == expired:
		// This complaint hides any other that InfluxDB has about the batch. What retention drops is the oldest, so the
		// others are sent once more to learn what it thinks of them.
		lines = slices.Clone(lines)
		slices.SortStableFunc(lines, byTime)
		d.expire(a.dropped)
		return d.settle(ctx, lines[a.dropped:], p)
	case len(lines) == 1:
		return d.setAside(ctx, lines[0], a.reason)
	}
	if a.verdict == refused {
		p = piece
	}
	half := len(lines) / 2
	if err := d.settle(ctx, lines[:half], p); err != nil {
		return err
	}
	return d.settle(ctx, lines[half:], p)
}

func (d *delivery) expire(n int) {
	d.Expired += n
	d.w.state.count(func(s *State) { s.Expired += uint64(n) })
}

// setAside hands line to Reject until Reject has it.
func (d *delivery) setAside(ctx context.Context, line []byte, reason string) error {
	pause := backoff.Backoff{Base: d.w.waits.base, Max: d.w.waits.max}
	for {
		err := d.w.reject(line, reason)
		if err == nil {
			d.Rejected++
			d.w.state.count(func(s *State) { s.Rejected++ })
			return nil
		}
		d.w.state.failed(Holding, "set a refused line aside: "+d.w.redact(err.Error()), time.Now())
		if err := sleep(ctx, pause.Next()); err != nil {
			return err
		}
	}
}

// deliver sends the same lines until InfluxDB has judged them.
func (d *delivery) deliver(ctx context.Context, lines [][]byte) (answer, error) {
	body, err := d.w.body(lines)
	if err != nil {
		return answer{}, err
	}
	pause := backoff.Backoff{Base: d.w.waits.base, Max: d.w.waits.max}
	for {
		if err := ctx.Err(); err != nil {
			return answer{}, err
		}
		d.Requests++
		a := d.w.post(ctx, body)
		// A request that its own context cut off says nothing about the server.
		if err := ctx.Err(); err != nil && a.verdict == unsettled {
			return answer{}, err
		}
		wait := pause.Next()
		switch a.verdict {
		case unsettled:
			d.w.state.failed(Holding, a.reason, time.Now())
		case misconfigured:
			d.w.state.failed(Misconfigured, a.reason, time.Now())
			wait = d.w.waits.configuration
		default:
			return a, nil
		}
		if a.wait > 0 {
			wait = min(a.wait, d.w.waits.longestAsked)
		}
		d.w.state.count(func(s *State) { s.Retries++ })
		if err := sleep(ctx, wait); err != nil {
			return answer{}, err
		}
	}
}

// post sends one request and judges its answer.
func (w *Writer) post(ctx context.Context, body []byte) answer {
	start := time.Now()
	var success *http.Response
	failure := w.service.DoPostRequest(ctx, w.target, bytes.NewReader(body),
		func(r *http.Request) {
			r.Header.Set("Content-Type", "text/plain; charset=utf-8")
			if !w.plain {
				r.Header.Set("Content-Encoding", "gzip")
			}
		},
		func(r *http.Response) error {
			success = r
			// Read to its end, so that the connection serves the next request too.
			_, _ = io.Copy(io.Discard, r.Body)
			return r.Body.Close()
		})
	w.state.count(func(s *State) { s.Requests++ })

	var a answer
	switch {
	case success != nil:
		a = judge(success.StatusCode, success.Header, "", time.Now())
	case failure.StatusCode != 0:
		a = judge(failure.StatusCode, failure.Header, message(failure), time.Now())
	default:
		a = answer{verdict: unsettled, reason: shorten(failure.Error())}
	}
	a.reason = w.redact(a.reason)
	if a.verdict != unsettled && a.verdict != misconfigured {
		w.state.answered(a.verdict == stored, time.Since(start), time.Now())
	}
	return a
}

// message finds InfluxDB's words: 2.x has them in the body, 1.x in a header too, which the client reads for most statuses.
func message(e *influxhttp.Error) string {
	if words := e.Header.Get("X-Influxdb-Error"); words != "" {
		return words
	}
	if e.Message != "" {
		return e.Message
	}
	return e.Code
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
