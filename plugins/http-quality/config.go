package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/vedette-monitor/vedette/plugins/http-quality/discovery"
	"github.com/vedette-monitor/vedette/sdk"
)

type config struct {
	Concurrency int              `hcl:"concurrency" default:"2000" min:"1" doc:"How many probes may be under way at the same time, those that hang included. What finds no place waits, and is skipped and counted when its next start is due."`
	SelfCheck   *selfCheckConfig `hcl:"self_check,block" doc:"Find out whether the vantage point itself is cut off: points then have vantage_ok = false. It takes two failures at once of all references, and two good checks to be well again."`
	Targets     []targetConfig   `hcl:"target,block" doc:"A site to probe."`
	FileSD      []fileSDConfig   `hcl:"file_sd,block" tags:"true" doc:"Targets from files that others keep, in the format of Prometheus' file_sd: a list of groups with targets and labels. A change is seen without a reload; a file that can not be used changes nothing."`
	HTTPSD      []httpSDConfig   `hcl:"http_sd,block" tags:"true" doc:"Targets from a web service, in the format of Prometheus' http_sd. An answer that can not be used changes nothing: the last good one holds, also over a restart."`
}

type targetConfig struct {
	Name string `hcl:"name,label"`
	URL  string `hcl:"url" doc:"http or https address. A user in it is sent as basic authorization and never shown."`
	probeConfig
}

// Validate implements sdk.Validator. The daemon calls it before the plugin runs.
func (c *config) Validate() error {
	var found []error
	once := func(taken map[string]bool, key string, why error, path ...string) {
		if taken[key] {
			found = append(found, at(why, path...))
		}
		taken[key] = true
	}
	// What is the same of thousands of targets is looked at once.
	series, names, known := map[string]bool{}, map[string]bool{}, newShared(0)
	for i := range c.Targets {
		block := &c.Targets[i]
		wrong := block.mistakes(known)
		found = append(found, within(wrong, "target", strconv.Itoa(i))...)
		if len(wrong) > 0 {
			continue
		}
		targets, err := block.targets(block.Name, block.URL, known)
		if err != nil {
			found = append(found, at(err, "target", strconv.Itoa(i)))
			continue
		}
		once(series, string(targets[0].key[:]), fmt.Errorf("target %q is there twice with the same tags: the points of one would replace those of the other; give them different labels", block.Name),
			"target", strconv.Itoa(i))
	}
	for i := range c.FileSD {
		once(names, c.FileSD[i].Name, fmt.Errorf("a list %q is there already: give this one another name", c.FileSD[i].Name), "file_sd", strconv.Itoa(i))
	}
	for i := range c.HTTPSD {
		once(names, c.HTTPSD[i].Name, fmt.Errorf("a list %q is there already: give this one another name", c.HTTPSD[i].Name), "http_sd", strconv.Itoa(i))
	}
	return errors.Join(found...)
}

// mistakes are what is wrong with the block.
func (c *targetConfig) mistakes(known *shared) []error {
	var found []error
	if err := sdk.CheckTag(c.Name); err != nil {
		found = append(found, at(fmt.Errorf("name %w", err), "name"))
	}
	if c.Name == "" {
		found = append(found, at(errors.New("a target without a name can not be told from others"), "name"))
	}
	return append(found, c.check(c.URL, known)...)
}

// within puts a path before those of errors, of which each may be several.
func within(all []error, path ...string) []error {
	var placed []error
	for _, err := range all {
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			placed = append(placed, within(joined.Unwrap(), path...)...)
			continue
		}
		var p *sdk.Problem
		if !errors.As(err, &p) {
			p = &sdk.Problem{Err: err}
		}
		placed = append(placed, at(p.Err, append(slices.Clone(path), p.Path...)...))
	}
	return placed
}

// lists are the lists of targets, of a configuration that is valid.
func (c *config) lists(env sdk.Env) ([]*list, error) {
	var all []*list
	add := func(kind, name string, make func() (discovery.Source, error), refresh time.Duration, most int, template *probeConfig) error {
		source, err := make()
		if err != nil {
			return fmt.Errorf("%s %q: %w", kind, name, err)
		}
		l, err := newList(kind, name, source, refresh, most, template, env)
		all = append(all, l)
		return err
	}
	for i := range c.FileSD {
		b := &c.FileSD[i]
		if err := add("file_sd", b.Name, b.source, b.Refresh, b.MaxTargets, b.Target); err != nil {
			return nil, err
		}
	}
	for i := range c.HTTPSD {
		b := &c.HTTPSD[i]
		if err := add("http_sd", b.Name, b.source, b.Refresh, b.MaxTargets, b.Target); err != nil {
			return nil, err
		}
	}
	return all, nil
}
