package app

import (
	"maps"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/vedette-monitor/vedette/daemon/influx"
	"github.com/vedette-monitor/vedette/daemon/tally"
)

const (
	// refusalPause is how long a reason that was logged is not logged again.
	refusalPause = time.Hour
	// mostRefusals is how many reasons are kept apart; further ones are logged as one.
	mostRefusals = 32
)

// refusals logs why points are set aside: each reason once in a while, for a wrong plugin may have all of its points refused.
type refusals struct {
	log hclog.Logger

	mu   sync.Mutex
	told map[string]time.Time // when, by the reason without what varies
	lost uint64               // dropped letters that were logged
}

// refusedLine is the line in InfluxDB's words, which differs each time.
var refusedLine = regexp.MustCompile(`unable to parse '.*'`)

// note logs that lines were set aside, if that is news.
func (r *refusals) note(bucket, reason string, lines int, now time.Time) {
	kind := strings.TrimPrefix(reason, influx.NotSent)
	kind = bucket + " " + tally.General(refusedLine.ReplaceAllString(kind, "unable to parse a line"))
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.isNews(kind, now) {
		r.log.Warn("InfluxDB has refused points, and they are set aside; to see such points: vedette deadletter list",
			"bucket", bucket, "points", lines, "reason", reason)
	}
}

// dropped logs how many dead letters had to go, in all, if that is news.
func (r *refusals) dropped(all uint64, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if all > r.lost && r.isNews("dropped", now) {
		r.log.Warn("the oldest dead letters were dropped to make room for newer ones", "letters", all-r.lost)
		r.lost = all
	}
}

// isNews notes that something is logged, unless it was lately. The caller holds mu.
func (r *refusals) isNews(kind string, now time.Time) bool {
	maps.DeleteFunc(r.told, func(_ string, at time.Time) bool { return now.Sub(at) >= refusalPause })
	if _, known := r.told[kind]; !known && len(r.told) >= mostRefusals {
		kind = tally.Other
	}
	if _, known := r.told[kind]; known {
		return false
	}
	if r.told == nil {
		r.told = map[string]time.Time{}
	}
	r.told[kind] = now
	return true
}
