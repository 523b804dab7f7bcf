package vantage

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
)

// line is a reference that answers, after a while, as long as it is open.
type line struct {
	open  atomic.Bool
	takes atomic.Int64
	asked atomic.Int64
}

// Ask implements Asker.
func (l *line) Ask(ctx context.Context) error {
	l.asked.Add(1)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Duration(l.takes.Load())):
	}
	if !l.open.Load() {
		return errors.New("cut")
	}
	return nil
}

const interval, timeout = 10 * time.Second, 2 * time.Second

func start(t *testing.T, references ...Asker) *Check {
	t.Helper()
	c := New(references, interval, timeout, hclog.NewNullLogger())
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() { c.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		all.Wait()
	})
	return c
}

func (c *Check) expect(t *testing.T, after time.Duration, want State) {
	t.Helper()
	time.Sleep(after)
	synctest.Wait()
	if got := c.State(); got != want {
		t.Errorf("the state is %d, want %d", got, want)
	}
}

func TestAPlaceIsUnwellOnlyWhenNoReferenceAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a, b line
		a.open.Store(true)
		a.takes.Store(int64(time.Millisecond))
		c := start(t, &a, &b)
		c.expect(t, 0, Unknown)
		c.expect(t, 2*time.Millisecond, Well)
		a.open.Store(false)
		b.open.Store(true)
		c.expect(t, interval, Well)
		b.open.Store(false)
		c.expect(t, interval+time.Second, Unwell)
	})
}

func TestASlowReferenceIsNoAnswerAndHoldsNothingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var slow, quick line
		slow.open.Store(true)
		slow.takes.Store(int64(time.Hour))
		quick.open.Store(true)
		quick.takes.Store(int64(time.Millisecond))
		start(t, &slow, &quick).expect(t, 2*time.Millisecond, Well)
		start(t, &slow).expect(t, 2*timeout+time.Millisecond, Unwell)
	})
}

func TestAPlaceIsWellAgainAfterTwoGoodChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a line
		c := start(t, &a)
		c.expect(t, time.Millisecond, Unwell)
		if n := a.asked.Load(); n != 2 {
			t.Errorf("it was asked %d times before it counted as cut off, want 2", n)
		}
		a.open.Store(true)
		c.expect(t, interval, Unwell)
		a.open.Store(false)
		c.expect(t, interval, Unwell)
		a.open.Store(true)
		c.expect(t, interval, Unwell)
		c.expect(t, interval, Well)
	})
}

func TestASuspicionBringsTheNextCheckForwardButNotBeforeASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a line
		a.open.Store(true)
		c := start(t, &a)
		c.expect(t, time.Millisecond, Well)
		a.open.Store(false)
		for range 100 {
			c.Suspect()
		}
		c.expect(t, soonest/2, Well)
		c.expect(t, soonest/2, Unwell)
		c.expect(t, interval/2, Unwell)
		if n := a.asked.Load(); n != 3 {
			t.Errorf("a hundred suspicions made %d questions, want 3 in all", n)
		}
	})
}

func TestARefusalAndAnyPageAreAnswers(t *testing.T) {
	page := httptest.NewServer(http.NotFoundHandler())
	defer page.Close()
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refusing := gone.Addr().String()
	if err := gone.Close(); err != nil {
		t.Fatal(err)
	}
	for text, answers := range map[string]bool{
		page.URL:                                   true,
		"tcp://" + mute.Addr().String():            true,
		"tcp://" + refusing:                        true,
		"http://" + refusing + "/":                 false,
		"http://" + mute.Addr().String():           false,
		"tcp://name.invalid:80":                    false,
		"https://" + page.Listener.Addr().String(): false,
	} {
		r, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		if text == "http://"+mute.Addr().String() {
			cancel()
		}
		if err := r.Ask(ctx); (err == nil) != answers {
			t.Errorf("%s: %v", text, err)
		}
		cancel()
	}
}

func TestAWrongReferenceIsExplained(t *testing.T) {
	for text, want := range map[string]string{
		"tcp://192.0.2.1":           "a host and a port and nothing else",
		"tcp://192.0.2.1:80/x":      "a host and a port and nothing else",
		"tcp://u:hush@192.0.2.1:80": "a host and a port and nothing else",
		"192.0.2.1":                 "neither tcp://HOST:PORT nor a page",
		"ftp://a/":                  "neither tcp://HOST:PORT nor a page",
		"http://u:hush@a:port/":     "reference is no address",
		"http://u:hush@a:99999/":    "port is not between",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := Parse("tcp://gateway:53"); err != nil {
		t.Error(err)
	}
}

func TestTheGatewayIsThatOfTheRouteToEverywhere(t *testing.T) {
	const routes = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n" +
		"eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n" +
		"eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
	got, err := gatewayOf(strings.NewReader(routes))
	if err != nil || got != netip.MustParseAddr("172.17.0.1") {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := gatewayOf(strings.NewReader("Iface\n")); err == nil || !strings.Contains(err.Error(), "no gateway") {
		t.Errorf("got %v", err)
	}
}
