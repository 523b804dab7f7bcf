package main

import (
	"encoding/json"
	"time"

	"github.com/vedette-monitor/vedette/plugins/http-quality/probe"
)

// shared is what thousands of targets have in common, each made once: most of them differ in nothing but name and address.
type shared struct {
	interval time.Duration // of targets that name none
	pools    pools
	manners  map[string]*manner       // by all that is configured
	probers  map[string]*probe.Prober // one for each way to make and to judge a request
}

func newShared(interval time.Duration) *shared {
	return &shared{interval: interval, pools: pools{}, manners: map[string]*manner{}, probers: map[string]*probe.Prober{}}
}

// manner is how targets are probed, and what their points have in common.
type manner struct {
	app  string
	tags [][2]string // those that follow the address
	// matches says that something is expected of the body, and hops that a point for each hop is wanted.
	matches, hops bool

	interval, timeout, retryDelay time.Duration
	retries                       int

	by *watch // nil in a command
}

// key tells a configuration, with the family that it is for, from others.
func (c *probeConfig) key(family probe.Family) (string, error) {
	text, err := json.Marshal(struct {
		For    probe.Family
		Config *probeConfig
	}{family, c})
	return string(text), err
}

// request leaves what does not change how a request is made and its answer judged.
func (c probeConfig) request() *probeConfig {
	c.App, c.Labels, c.Hops, c.Interval, c.Retries, c.RetryDelay = "", nil, false, 0, 0, 0
	return &c
}
