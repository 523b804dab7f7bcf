// Package discovery learns what to probe from lists that others keep: files and a web service, both in the format of
// Prometheus' file_sd and http_sd.
//
// A list is read again and again, and a change is passed on at once. An answer that can not be used (it is no list, too long, or
// does not come) changes nothing: the last good one holds, also after a restart, for it is kept in a file. An answer that
// can be used is believed, also an empty one, and so is the absence of a file from a directory that can be read.
//
// Whether a target makes sense is for others to judge, who make a probe of it.
package discovery

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Target is what a list names.
type Target struct {
	Address string
	// Labels are those of its group. Neither they nor their map may be changed.
	Labels map[string]string
}

// Group is a part of a list: targets and the labels that they share.
type Group struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels,omitempty"`
}

// Part is what was last read from one file or address.
type Part struct {
	Groups []Group `json:"groups"`
	// Stamp is by which the source knows whether there is anything new.
	Stamp string `json:"stamp,omitempty"`
}

// Source is where a list comes from.
type Source interface {
	// Read returns all parts anew, with those of known that have not changed, or that could not be read: what went wrong
	// with these is in the error.
	Read(ctx context.Context, known map[string]Part) (map[string]Part, error)
}

// Status is how a Finder fares.
type Status struct {
	Targets int
	// Good is when the list was last read without an error; zero if it never was, by this process.
	Good time.Time
	Err  error // of the last reading
}

// Finder keeps the list of one source.
type Finder struct {
	source     Source
	refresh    time.Duration
	maxTargets int
	store      *store
	logger     hclog.Logger

	mu     sync.Mutex
	status Status
}

// New makes a finder that reads its source that often. What it has found is kept in a file, whose directory must exist; with
// an empty path it is kept in memory alone. A list with more targets than maxTargets can not be used.
func New(source Source, refresh time.Duration, maxTargets int, path string, logger hclog.Logger) *Finder {
	return &Finder{source: source, refresh: refresh, maxTargets: maxTargets, store: &store{path}, logger: logger}
}

// Status returns how the finder fares.
func (f *Finder) Status() Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.status
}

// Run reads the list until ctx ends. It calls found with what is known from before, if anything is, and then whenever the list
// has changed; and read after each reading.
func (f *Finder) Run(ctx context.Context, found func([]Target), read func(Status)) {
	parts, err := f.store.load()
	if err != nil {
		f.logger.Warn("what was found before the start is lost", "error", err)
	}
	if len(parts) > 0 {
		f.set(Status{Targets: count(parts)})
		found(flatten(parts))
	}
	again := time.NewTicker(f.refresh)
	defer again.Stop()
	for first := true; ; first = false {
		next, err := f.source.Read(ctx, parts)
		if ctx.Err() != nil {
			return
		}
		if n := count(next); n > f.maxTargets {
			next, err = parts, errors.Join(err, tooMany(n, f.maxTargets))
		}
		if !same(next, parts) || first && err == nil {
			found(flatten(next))
		}
		if !maps.EqualFunc(next, parts, func(a, b Part) bool { return a.Stamp == b.Stamp && sameGroups(a.Groups, b.Groups) }) {
			if err := f.store.save(next); err != nil {
				f.logger.Warn("what was found can not be kept for the next start", "error", err)
			}
		}
		parts = next
		f.note(err, count(parts))
		read(f.Status())
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
	}
}

// note keeps and logs the outcome of a reading; the same trouble is logged once.
func (f *Finder) note(err error, targets int) {
	before := f.Status()
	after := Status{Targets: targets, Good: before.Good, Err: err}
	if err == nil {
		after.Good = time.Now()
	}
	switch {
	case err != nil && (before.Err == nil || before.Err.Error() != err.Error()):
		f.logger.Warn("the list of targets can not be read: the last good one holds", "error", strings.ReplaceAll(err.Error(), "\n", "; "), "targets", targets)
	case err == nil && before.Err != nil:
		f.logger.Info("the list of targets can be read again", "targets", targets)
	case before.Targets != targets:
		f.logger.Info("the list of targets has changed", "targets", targets, "before", before.Targets)
	}
	f.set(after)
}

func (f *Finder) set(s Status) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status = s
}

func flatten(parts map[string]Part) []Target {
	targets := make([]Target, 0, count(parts))
	for _, key := range slices.Sorted(maps.Keys(parts)) {
		for _, g := range parts[key].Groups {
			for _, address := range g.Targets {
				targets = append(targets, Target{Address: address, Labels: g.Labels})
			}
		}
	}
	return targets
}

func count(parts map[string]Part) int {
	n := 0
	for _, p := range parts {
		for _, g := range p.Groups {
			n += len(g.Targets)
		}
	}
	return n
}

func same(a, b map[string]Part) bool {
	return maps.EqualFunc(a, b, func(a, b Part) bool { return sameGroups(a.Groups, b.Groups) })
}

func sameGroups(a, b []Group) bool {
	return slices.EqualFunc(a, b, func(a, b Group) bool { return slices.Equal(a.Targets, b.Targets) && maps.Equal(a.Labels, b.Labels) })
}

// printable is a text of others' without what does not belong on a line of a log.
func printable(text string) string {
	const longest = 300
	if len(text) > longest {
		text = text[:longest] + "…"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
}
