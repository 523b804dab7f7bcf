package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/vedette-monitor/vedette/sdk"
)

type config struct {
	Concurrency int              `hcl:"concurrency" default:"2000" min:"1" doc:"How many probes may be under way at the same time, those that hang included. What finds no place waits, and is skipped and counted when its next start is due."`
	SelfCheck   *selfCheckConfig `hcl:"self_check,block" doc:"Find out whether the vantage point itself is cut off: points then have vantage_ok = false. It takes two failures at once of all references, and two good checks to be well again."`
	Targets     []targetConfig   `hcl:"target,block" doc:"A site to probe."`
	FileSD      []fileSDConfig   `hcl:"file_sd,block" doc:"Targets from files that others keep, in the format of Prometheus' file_sd: a list of groups with targets and labels. A change is seen without a reload; a file that can not be used changes nothing."`
	HTTPSD      []httpSDConfig   `hcl:"http_sd,block" doc:"Targets from a web service, in the format of Prometheus' http_sd. An answer that can not be used changes nothing: the last good one holds, also over a restart."`
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
	series, names, known := map[string]bool{}, map[string]bool{}, newShared(0)
	for i := range c.Targets {
		block := &c.Targets[i]
		targets, err := block.targets(block.Name, block.URL, known)
		if err != nil {
			continue // the block says it itself
		}
		once(series, targets[0].key(), fmt.Errorf("target %q is there twice with the same tags: the points of one would replace those of the other; give them different labels", block.Name),
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

// lists are the lists of targets, of a configuration that is valid.
func (c *config) lists(env sdk.Env) ([]*list, error) {
	var all []*list
	for i := range c.FileSD {
		block := &c.FileSD[i]
		source, err := block.source()
		if err != nil {
			return nil, fmt.Errorf("file_sd %q: %w", block.Name, err)
		}
		l, err := newList("file_sd", block.Name, source, block.Refresh, block.MaxTargets, block.Target, env)
		if err != nil {
			return nil, err
		}
		all = append(all, l)
	}
	for i := range c.HTTPSD {
		block := &c.HTTPSD[i]
		source, err := block.source()
		if err != nil {
			return nil, fmt.Errorf("http_sd %q: %w", block.Name, err)
		}
		l, err := newList("http_sd", block.Name, source, block.Refresh, block.MaxTargets, block.Target, env)
		if err != nil {
			return nil, err
		}
		all = append(all, l)
	}
	return all, nil
}

// Validate implements sdk.Validator.
func (c *targetConfig) Validate() error {
	var found []error
	if err := sdk.CheckTag(c.Name); err != nil {
		found = append(found, at(fmt.Errorf("name %w", err), "name"))
	}
	if c.Name == "" {
		found = append(found, at(errors.New("a target without a name can not be told from others"), "name"))
	}
	return errors.Join(append(found, c.check(c.URL)...)...)
}
