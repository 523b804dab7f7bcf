package console

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/vedette-monitor/vedette/daemon/point"
)

// LivePoint is a line of the stream of live points: a point that was accepted, or how many are missing there, because whoever
// reads was too slow.
type LivePoint struct {
	Measurement string `json:"measurement,omitempty"`
	// Time is RFC 3339 with nanoseconds, in UTC: as a number it would be beyond what JavaScript keeps.
	Time time.Time         `json:"time,omitzero"`
	Tags map[string]string `json:"tags,omitempty"`
	// Fields have a number as a json.Number when they were read: it keeps its digits. A float has a point or an exponent.
	Fields map[string]any `json:"fields,omitempty"`
	// Update says that the point completes an earlier one of the same series and time.
	Update bool   `json:"update,omitempty"`
	Lost   uint64 `json:"lost,omitempty"`
}

// Watcher gets copies of points that are accepted, and never holds them up.
type Watcher interface {
	// Next waits for points. Of those that it has missed it tells the number; they were behind those that it returns.
	Next(ctx context.Context) (points []*point.Point, lost uint64, err error)
	Close()
}

// mostWatched bounds the measurements that one client watches.
const mostWatched = 64

func handleLive(mux *http.ServeMux, subject Subject) {
	mux.HandleFunc("GET /v1/live", func(w http.ResponseWriter, r *http.Request) {
		measurements := r.URL.Query()["measurement"]
		if len(measurements) == 0 || len(measurements) > mostWatched {
			answer(w, http.StatusBadRequest, map[string]string{"error": "name 1 to " + strconv.Itoa(mostWatched) + " measurements: ?measurement=NAME&measurement=…"})
			return
		}
		// The stream has no end, and a client that does not read holds up nobody but itself.
		control := http.NewResponseController(w)
		_, _ = control.SetReadDeadline(time.Time{}), control.SetWriteDeadline(time.Time{})
		watcher := subject.Watch(measurements)
		defer watcher.Close()
		w.Header().Set("Content-Type", "application/x-ndjson")
		w.WriteHeader(http.StatusOK)
		// Whoever has this has missed nothing since.
		if control.Flush() != nil {
			return
		}
		lines := json.NewEncoder(w)
		for {
			points, lost, err := watcher.Next(r.Context())
			if err != nil {
				return
			}
			for _, p := range points {
				if lines.Encode(livePoint(p)) != nil {
					return
				}
			}
			if lost > 0 && lines.Encode(LivePoint{Lost: lost}) != nil || control.Flush() != nil {
				return
			}
		}
	})
}

func livePoint(p *point.Point) LivePoint {
	l := LivePoint{
		Measurement: string(p.Measurement), Time: time.Unix(0, p.Time).UTC(), Update: p.Update,
		Tags: make(map[string]string, len(p.Tags)), Fields: make(map[string]any, len(p.Fields)),
	}
	for _, t := range p.Tags {
		l.Tags[string(t.Key)] = string(t.Value)
	}
	for _, f := range p.Fields {
		v := f.Any()
		if f.Kind == point.Float {
			v = float(f.Float())
		}
		l.Fields[string(f.Key)] = v
	}
	return l
}

// float is a number that is no integer, also where it has no fraction.
type float float64

// MarshalJSON implements json.Marshaler.
func (f float) MarshalJSON() ([]byte, error) {
	text := strconv.FormatFloat(float64(f), 'g', -1, 64)
	if !strings.ContainsAny(text, ".e") {
		text += ".0"
	}
	return []byte(text), nil
}

// Live is the stream of live points, as a client reads it.
type Live struct {
	body    io.ReadCloser
	decoder *json.Decoder
}

// FollowPoints asks the daemon at the control socket for points of these measurements, from now on. ctx bounds the stream.
func FollowPoints(ctx context.Context, socket string, measurements ...string) (*Live, error) {
	query := url.Values{"measurement": measurements}
	resp, err := open(ctx, socket, http.MethodGet, "/v1/live?"+query.Encode(), nil, "live points")
	if err != nil {
		return nil, err
	}
	l := &Live{body: resp.Body, decoder: json.NewDecoder(resp.Body)}
	l.decoder.UseNumber()
	return l, nil
}

// Next waits for the next line. It returns io.EOF when the daemon ends.
func (l *Live) Next() (p LivePoint, err error) {
	err = l.decoder.Decode(&p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF // the daemon was killed
	}
	return p, err
}

// Close ends the stream.
func (l *Live) Close() { _ = l.body.Close() }
