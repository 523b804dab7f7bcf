package pipeline

import (
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// dropsEnd is how long nothing was dropped when a time of dropping is over, once deliveries make room.
const dropsEnd = time.Minute

// drops logs when points are dropped from a full spool: once when it begins and once when it is over, for at full speed a
// segment goes every few seconds.
type drops struct {
	logger hclog.Logger

	mu     sync.Mutex
	since  time.Time // zero while nothing is dropped
	last   time.Time
	logged Stats // when it was logged last
}

// begin notes that something is about to be dropped.
func (d *drops) begin(now Stats) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last = time.Now()
	if d.since.IsZero() {
		d.since = d.last
		d.logger.Warn("the spool is full: the oldest points are dropped, samples before records",
			"samples", now.Samples.Points, "records", now.Records.Points, "bytes", now.Samples.DiskBytes+now.Records.DiskBytes)
	}
}

// settle notes that a delivery has made room.
func (d *drops) settle(now Stats) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.since.IsZero() && time.Since(d.last) > dropsEnd {
		d.over(now)
	}
}

// end notes that the spools are closed.
func (d *drops) end(now Stats) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now.Samples.Dropped != d.logged.Samples.Dropped || now.Records.Dropped != d.logged.Records.Dropped {
		d.over(now)
	}
}

// over logs what was dropped. The caller holds mu.
func (d *drops) over(now Stats) {
	samples, records, before := now.Samples.Dropped, now.Records.Dropped, d.logged
	d.logger.Warn("the oldest points were dropped from a full spool", "since", d.since.UTC().Format(time.RFC3339),
		"samples", samples.Points-before.Samples.Dropped.Points, "records", records.Points-before.Records.Dropped.Points,
		"bytes", samples.Bytes+records.Bytes-before.Samples.Dropped.Bytes-before.Records.Dropped.Bytes)
	d.since, d.logged = time.Time{}, now
}
