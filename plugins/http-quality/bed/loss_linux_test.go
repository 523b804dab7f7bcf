package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/plugins/http-quality/delayline"
	"github.com/vedette-monitor/vedette/plugins/http-quality/probe"
)

func TestAProbeThatALostPacketDelayedSaysSoAndDoesNotCallItLag(t *testing.T) {
	// The least time after which Linux sends a segment again, but for some room.
	const again = 0.19
	s := newSiteOver(t, delayline.Options{Delay: line.Delay, Drop: 7})
	p := s.newProber(t, measurePriority)
	// By its number, for the questions to a name server are not sent again by the kernel.
	url := fmt.Sprintf("http://%s/?wait=20ms&size=1000", s.Server.IPv4)
	const rounds, probes = 4, 10
	delayed := 0
	for range rounds {
		for _, m := range p.do(t, order{By: "vedette", URLs: repeat(url, probes), Family: probe.IPv4, Timeout: time.Minute}).Results {
			if m.Outcome != "ok" || m.Retrans < 0 {
				t.Fatalf("outcome %s: %s; %d segments sent again", m.Outcome, m.Error, m.Retrans)
			}
			late := m.Phases["tcp"] > again || m.Phases["wait"] > again
			if late != (m.Retrans > 0) {
				t.Errorf("%d segments were sent again, with phases %v", m.Retrans, m.Phases)
			}
			if m.Lag > again {
				t.Errorf("lag %v with phases %v", m.Lag, m.Phases)
			}
			if late {
				delayed++
			}
		}
	}
	if delayed == 0 || delayed == rounds*probes {
		t.Errorf("%d of %d probes were delayed", delayed, rounds*probes)
	}
}
