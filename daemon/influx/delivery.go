package influx

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

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
	sendable, rest := make([][]byte, 0, len(lines)), [][]byte(nil)
	for _, line := range lines {
		if !swallowed(line) {
			sendable = append(sendable, line)
		} else {
			rest = append(rest, line)
		}
	}
	return sendable, d.setAside(ctx, rest, "empty, or begins with # and so is a comment to InfluxDB")
}

// settle brings lines, which fit into one request, to their end. What InfluxDB refuses is parted by the reason that it
// gives, and where it gives none that helps, halved down to the points that are to blame: its messages name one reason
// for a whole batch, often not the only one. So a line is set aside only when InfluxDB has refused it alone, or has said
// of a request that it dropped as many lines as there were.
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
	case len(lines) == 1, a.partial && a.dropped >= len(lines):
		return d.refuse(ctx, lines, a)
	case a.verdict == refused:
		p = piece
		for _, conflict := range a.conflicts {
			with, without := conflict.split(lines)
			if len(with) == 0 {
				continue
			}
			if len(without) == 0 {
				// InfluxDB has the types of fields by shard, so that the days beside one another share their fate.
				lines = slices.Clone(lines)
				slices.SortStableFunc(lines, byTime)
				break
			}
			// The others come first: where the field is new they may be those that say what its type is.
			if err := d.settle(ctx, without, p); err != nil {
				return err
			}
			return d.settle(ctx, with, p)
		}
	}
	half := len(lines) / 2
	if err := d.settle(ctx, lines[:half], p); err != nil {
		return err
	}
	return d.settle(ctx, lines[half:], p)
}

// refuse sets lines aside that InfluxDB has refused, and remembers why. The reason is that of the lines with the conflict;
// the others are sent once more to learn theirs.
func (d *delivery) refuse(ctx context.Context, lines [][]byte, a answer) error {
	for _, conflict := range a.conflicts {
		with, without := conflict.split(lines)
		if len(with) == 0 {
			continue
		}
		d.w.poisons.note(conflict, a.reason, with)
		if err := d.setAside(ctx, with, a.reason); err != nil {
			return err
		}
		return d.settle(ctx, without, piece)
	}
	return d.setAside(ctx, lines, a.reason)
}

// NotSent begins the reason of lines that are set aside for what InfluxDB has said of others before.
const NotSent = "not sent, because InfluxDB has refused such points: "

// judge settles suspects: most often by what InfluxDB has said of such points before.
func (d *delivery) judge(ctx context.Context, s suspects) error {
	if !s.trial {
		d.w.poisons.count(s.poison, len(s.lines))
		return d.setAside(ctx, s.lines, NotSent+s.reason)
	}
	before := d.Rejected
	for lines := s.lines; len(lines) > 0; {
		n := fitting(lines)
		if err := d.settle(ctx, lines[:n], piece); err != nil {
			return err
		}
		lines = lines[n:]
	}
	if d.Rejected == before {
		d.w.poisons.forget(s.poison, s.day)
	}
	return nil
}

func (d *delivery) expire(n int) {
	d.Expired += n
	d.w.state.count(func(s *State) { s.Expired += uint64(n) })
}

// setAside hands lines to Reject until Reject has them.
func (d *delivery) setAside(ctx context.Context, lines [][]byte, reason string) error {
	if len(lines) == 0 {
		return nil
	}
	pause := backoff.Backoff{Base: d.w.waits.base, Max: d.w.waits.max}
	for {
		err := d.w.reject(lines, reason)
		if err == nil {
			d.Rejected += len(lines)
			d.w.state.count(func(s *State) {
				s.Rejected += uint64(len(lines))
				s.LastRefusal, s.LastRefused = reason, time.Now()
			})
			return nil
		}
		d.w.state.failed(Holding, "set a refused line aside: "+d.w.redact(err.Error()), time.Now())
		if err := sleep(ctx, pause.Next()); err != nil {
			return err
		}
	}
}

// smallestLimit is below any that is meant for requests: who finds a point too large that is smaller takes none at all.
const smallestLimit = 4 << 10

// deliver sends the same lines until InfluxDB has judged them.
func (d *delivery) deliver(ctx context.Context, lines [][]byte) (answer, error) {
	content, err := d.w.bodies.of(lines)
	if err != nil {
		return answer{}, err
	}
	defer content.release()
	pause := backoff.Backoff{Base: d.w.waits.base, Max: d.w.waits.max}
	for mended := false; ; {
		if err := ctx.Err(); err != nil {
			return answer{}, err
		}
		d.w.prepareIfNeeded(ctx)
		d.Requests++
		a := d.w.post(ctx, content)
		if a.verdict == tooLarge && len(lines) == 1 && len(lines[0]) < smallestLimit {
			a.verdict = misconfigured
			a.reason += fmt.Sprintf(" for one point of %d bytes; check url, and what stands between here and InfluxDB", len(lines[0]))
		}
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
			// What is missing may be what the set-up makes, so after the first such answer it is tried at once.
			if d.w.prepare == nil || mended {
				wait = d.w.waits.configuration
			}
			mended = true
			d.w.missing.Store(true)
			d.w.unprepared.Store(true)
		default:
			// What was said to be missing is there now, which the set-up is to know at once: the next write may be far away.
			if d.w.missing.Swap(false) {
				d.w.prepareIfNeeded(ctx)
			}
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

// prepareIfNeeded makes what is missing in InfluxDB, as far as that can be done. Whether it could, the next answer says.
func (w *Writer) prepareIfNeeded(ctx context.Context) {
	if w.prepare != nil && w.unprepared.Load() && w.prepare(ctx, w.missing.Load()) {
		w.unprepared.Store(false)
	}
}

// post sends one request and judges its answer.
func (w *Writer) post(ctx context.Context, content *body) answer {
	start := time.Now()
	a, err := w.exchange(ctx, content)
	w.state.count(func(s *State) { s.Requests++; s.Bytes += uint64(content.size()) })
	if err != nil {
		a = answer{verdict: unsettled, reason: shorten(err.Error())}
	}
	a.reason = w.redact(a.reason)
	if a.verdict != unsettled && a.verdict != misconfigured {
		w.state.answered(a.verdict == stored, time.Since(start), time.Now())
	}
	return a
}

// exchange sends one request and reads its answer.
func (w *Writer) exchange(ctx context.Context, content *body) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.target, content.reader())
	if err != nil {
		return answer{}, err
	}
	resp, err := w.service.DoHTTPRequestWithResponse(request, func(r *http.Request) {
		r.Header.Set("Content-Type", "text/plain; charset=utf-8")
		if !w.bodies.plain {
			r.Header.Set("Content-Encoding", "gzip")
		}
		r.ContentLength = int64(content.size())
		// A connection that InfluxDB has closed meanwhile is replaced.
		r.GetBody = func() (io.ReadCloser, error) { return content.reader(), nil }
	})
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	return judge(resp.StatusCode, resp.Header, hear(resp), time.Now()), nil
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
