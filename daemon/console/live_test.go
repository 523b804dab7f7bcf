package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/vedette-monitor/vedette/daemon/point"
	"github.com/vedette-monitor/vedette/daemon/point/pointtest"
	"github.com/vedette-monitor/vedette/sdk"
)

// watcher gets what is put into points.
type watcher struct {
	measurements []string
	points       chan []*point.Point
	lost         chan uint64
	closed       chan struct{}
	once         sync.Once
}

func (w *watcher) Next(ctx context.Context) ([]*point.Point, uint64, error) {
	select {
	case <-ctx.Done():
		return nil, 0, ctx.Err()
	case p := <-w.points:
		return p, 0, nil
	case n := <-w.lost:
		return nil, n, nil
	}
}

func (w *watcher) Close() { w.once.Do(func() { close(w.closed) }) }

// Handle adds nothing.
func (s *subject) Handle(*http.ServeMux) {}

func (s *subject) Watch(measurements []string) Watcher {
	w := &watcher{measurements: measurements, points: make(chan []*point.Point), lost: make(chan uint64), closed: make(chan struct{})}
	s.watchers <- w
	return w
}

func TestLivePointsKeepEveryDigit(t *testing.T) {
	s := &subject{watchers: make(chan *watcher, 1)}
	path, _ := control(t, s)
	live, err := FollowPoints(limited(t), path, "shell_command", "a&b=c d")
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	w := <-s.watchers
	if got := strings.Join(w.measurements, "|"); got != "shell_command|a&b=c d" {
		t.Errorf("it watches %s", got)
	}
	at := time.Unix(0, 1_795_000_000_123_456_789).UTC()
	sent := sdk.NewPoint("shell_command").Tag("user", "ann").At(at).Update().
		Int("chain_seq", 9_007_199_254_740_993).Float("whole", 3).Float("tiny", 1e-300).Bool("truncated", true).String("command", "<a>\n\x1b[2J\u202e")
	w.points <- []*point.Point{pointtest.Read(t, sent)}
	got, err := live.Next()
	want := `{shell_command ` + at.String() + ` map[user:ann] map[chain_seq:9007199254740993 command:` + "<a>\n\x1b[2J\u202e" + ` tiny:1e-300 truncated:true whole:3.0] true 0}`
	if err != nil || fmt.Sprint(got) != want || !got.Time.Equal(at) {
		t.Errorf("%v\n%v\nwant\n%s", err, got, want)
	}
	w.lost <- 7
	if got, err := live.Next(); err != nil || got.Lost != 7 || got.Measurement != "" {
		t.Errorf("%+v, %v, want to be told of 7", got, err)
	}
}

// slowServer is a control socket whose other answers may take no longer than a moment.
func slowServer(t *testing.T, s Subject) (server *Server, path string) {
	t.Helper()
	path = filepath.Join(socketDir(t), "control.sock")
	server, err := Control(path, s, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	server.server.ReadTimeout, server.server.WriteTimeout = 100*time.Millisecond, 100*time.Millisecond
	serve(t, server)
	return server, path
}

func TestWatchingEndsWithItsClient(t *testing.T) {
	s := &subject{watchers: make(chan *watcher, 1)}
	path, _ := control(t, s)
	live, err := FollowPoints(limited(t), path, "m")
	if err != nil {
		t.Fatal(err)
	}
	live.Close()
	select {
	case <-(<-s.watchers).closed:
	case <-time.After(patience):
		t.Error("it goes on")
	}
}

func TestLivePointsEndWithTheDaemon(t *testing.T) {
	s := &subject{watchers: make(chan *watcher, 1)}
	path, stop := control(t, s)
	live, err := FollowPoints(limited(t), path, "m")
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	if err := stop(); err != nil {
		t.Error(err)
	}
	if _, err := live.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("error is %v, want the end", err)
	}
}

// A client that does not read stops its own stream at some point, and goes on there when it reads again, after longer than
// any other answer may take.
func TestAClientThatDoesNotReadIsNotCutOff(t *testing.T) {
	s := &subject{watchers: make(chan *watcher, 1)}
	server, path := slowServer(t, s)
	live, err := FollowPoints(limited(t), path, "m")
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	w := <-s.watchers
	text := strings.Repeat("x", 60<<10)
	sent, blocked := 0, false
	for !blocked {
		select {
		case w.points <- []*point.Point{pointtest.Read(t, sdk.NewPoint("m").Int("n", int64(sent)).String("s", text).At(time.Unix(1, 0)))}:
			sent++
		case <-time.After(3 * server.server.WriteTimeout):
			blocked = true
		}
	}
	if sent < 2 {
		t.Fatalf("only %d were sent", sent)
	}
	for n := range sent {
		got, err := live.Next()
		if err != nil || fmt.Sprint(got.Fields["n"]) != fmt.Sprint(n) {
			t.Fatalf("point %d of %d: %v, %v", n, sent, got.Fields["n"], err)
		}
	}
}

func TestWhoWatchesSaysWhat(t *testing.T) {
	path, _ := control(t, &subject{})
	for _, query := range []string{"", "?measurement=a" + strings.Repeat("&measurement=a", mostWatched)} {
		client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}}}
		resp, err := client.Get("http://vedette/v1/live" + query)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		client.CloseIdleConnections()
		if resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(text), "measurement=NAME") {
			t.Errorf("%.40q: %d %s", query, resp.StatusCode, text)
		}
	}
}
