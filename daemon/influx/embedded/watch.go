package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"time"
)

// watch says when an InfluxDB that does not answer is taken for one that hangs. One that is merely busy uses the
// processor; one that is stopped, or waits for itself, does not.
type watch struct {
	every    time.Duration // between pings
	patience time.Duration // with one ping
	silent   int           // unanswered pings in a row, after which one that uses no processor time hangs
	// longest is how long one that does use it may give no answer.
	longest time.Duration
}

var defaultWatch = watch{every: 5 * time.Second, patience: 5 * time.Second, silent: 6, longest: 10 * time.Minute}

// idle is the share of one processor below which a process does nothing for its clients.
const idle = 0.01

// silence is the time since InfluxDB has answered last.
type silence struct {
	pings int           // unanswered
	took  time.Duration // since the first of them
	used  time.Duration // processor time, in that time
	known bool          // whether that is known
}

// hangs says why InfluxDB is to be killed, if it is.
func (w watch) hangs(s silence) error {
	switch {
	case s.pings < w.silent:
		return nil
	case s.known && float64(s.used) < idle*float64(s.took):
		return fmt.Errorf("InfluxDB hung: it gave no answer to %d pings within %s and did nothing", s.pings, s.took.Round(time.Millisecond))
	case s.took > w.longest:
		return fmt.Errorf("InfluxDB hung: it gave no answer for %s", s.took.Round(time.Second))
	}
	return nil
}

// room is how many bytes a disk has that is not full.
const room = 16 << 20

// fullness is what is known of a disk that was full.
type fullness struct {
	roomSince time.Time // zero while there is none
}

// sticks says whether InfluxDB goes on saying that its disk is full a while after there was room again. 1.8 does so for
// ever: the buffer before its write-ahead log keeps the first error.
func (f *fullness) sticks(saidFull time.Time, free int64, now time.Time, patience time.Duration) bool {
	switch {
	case saidFull.IsZero():
	case free < room:
		f.roomSince = time.Time{}
	case f.roomSince.IsZero():
		f.roomSince = now
	default:
		return saidFull.Sub(f.roomSince) > patience
	}
	return false
}

// watchOver kills the process if it hangs, or can not be brought to write again. It returns when the process is not wanted
// any more.
func (l *launcher) watchOver(p *running, pinger *pinger) {
	w := l.watch
	var s silence
	var f fullness
	var began time.Time
	var before time.Duration
	for sleep(p.ctx, w.every) == nil {
		ctx, cancel := context.WithTimeout(p.ctx, w.patience)
		asked := time.Now()
		answered := pinger.answers(ctx)
		cancel()
		if answered {
			s = silence{}
			if f.sticks(p.output.saidFull(), freeBytes(l.dir), time.Now(), w.every) {
				p.kill(errors.New("InfluxDB went on saying that its disk is full, although there is room again"))
				return
			}
			continue
		}
		used, err := processorTime(p.Pid())
		if s.pings++; s.pings == 1 {
			began, before = asked, used
		}
		s.took, s.used, s.known = time.Since(began), used-before, err == nil
		if err := w.hangs(s); err != nil {
			p.kill(err)
			return
		}
	}
}

// freeBytes is what a directory's disk has left; 0 if that can not be told.
func freeBytes(dir string) int64 {
	var st syscall.Statfs_t
	if syscall.Statfs(dir, &st) != nil {
		return 0
	}
	return int64(st.Bavail) * st.Bsize
}

// clockTick is the unit of processor times in /proc, the same on all machines that Linux runs on.
const clockTick = 10 * time.Millisecond

// processorTime is how much a process has used until now.
func processorTime(pid int) (time.Duration, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, err
	}
	// The name, in parentheses, may hold anything.
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	const user, system = 11, 12
	if len(fields) <= system {
		return 0, errors.New("understand /proc: too few fields")
	}
	u, err := strconv.ParseInt(string(fields[user]), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("understand /proc: %w", err)
	}
	s, err := strconv.ParseInt(string(fields[system]), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("understand /proc: %w", err)
	}
	return time.Duration(u+s) * clockTick, nil
}

// pinger asks whether the InfluxDB of one launch is up.
type pinger struct {
	client      *http.Client
	url, launch string
}

func newPinger(c Credentials, launch string) *pinger {
	transport := &http.Transport{DisableKeepAlives: true}
	if c.Socket != "" {
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", c.Socket)
		}
	}
	return &pinger{&http.Client{Timeout: 5 * time.Second, Transport: transport}, c.URL, launch}
}

func (p *pinger) close() { p.client.CloseIdleConnections() }

func (p *pinger) answers(ctx context.Context) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/ping", nil)
	if err != nil {
		return false
	}
	resp, err := p.client.Do(request)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusNoContent && resp.Header.Get(launchHeader) == p.launch
}
