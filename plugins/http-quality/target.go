package main

import (
	"strings"
	"time"

	"github.com/vedette-monitor/vedette/plugins/http-quality/probe"
)

// target is what is probed, with the tags of its points.
type target struct {
	prober *probe.Prober
	tags   [][2]string
	// matches says that the target expects something of the body, and hops that it wants a point for each.
	matches, hops bool

	interval, timeout, retryDelay time.Duration
	retries                       int
}

func (t *target) name() string { return t.tags[0][1] }

// key tells the series of a target from those of others.
func (t *target) key() string {
	var b strings.Builder
	for _, tag := range t.tags {
		b.WriteString(tag[0] + "\x00" + tag[1] + "\x00")
	}
	return b.String()
}
