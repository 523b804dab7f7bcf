package main

import (
	"crypto/sha256"
	"io"
	"strings"
	"time"

	"github.com/vedette-monitor/vedette/plugins/http-quality/probe"
	"github.com/vedette-monitor/vedette/plugins/http-quality/schedule"
)

// target is what is probed, and the schedule's task. There may be very many, so it holds little of its own.
type target struct {
	*manner
	prober probe.Prober
	name   string
	key    schedule.Key // of its series
}

// gather lays the texts of targets that come and go together beside each other. They lie scattered where making them left room, and would
// keep that from being given back.
func gather(targets []target) {
	var all strings.Builder
	for i := range targets {
		all.WriteString(targets[i].name)
		all.WriteString(targets[i].prober.URL())
	}
	rest := all.String()
	take := func(text string) string {
		same := rest[:len(text)]
		rest = rest[len(text):]
		return same
	}
	for i := range targets {
		t := &targets[i]
		t.name = take(t.name)
		t.prober.Gather(take)
	}
}

// tags are those of its points.
func (t *target) tags(yield func(name, value string) bool) {
	if !yield("target", t.name) || !yield("app", t.app) || !yield("url", t.prober.URL()) {
		return
	}
	for _, tag := range t.manner.tags {
		if !yield(tag[0], tag[1]) {
			return
		}
	}
}

// Name implements schedule.Task.
func (t *target) Name() string { return t.name }

// Interval implements schedule.Task.
func (t *target) Interval() time.Duration { return t.interval }

// Key implements schedule.Task: of two targets whose points would replace each other's there is one in the schedule.
func (t *target) Key() schedule.Key { return t.key }

// series tells the points of a target from those of others: it stands for the tags, and is shorter.
func (t *target) series() schedule.Key {
	hash := sha256.New()
	for name, value := range t.tags {
		_, _ = io.WriteString(hash, name+"\x00"+value+"\x00")
	}
	return schedule.Key(hash.Sum(nil))
}
