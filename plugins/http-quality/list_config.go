package main

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/vedette-monitor/vedette/plugins/http-quality/discovery"
	"github.com/vedette-monitor/vedette/plugins/http-quality/probe"
	"github.com/vedette-monitor/vedette/sdk"
)

type fileSDConfig struct {
	Name       string        `hcl:"name,label"`
	Files      []sdk.Path    `hcl:"files" doc:"Files that end in .json, .yml or .yaml. In the last element of a path *, ? and […] match as in a shell."`
	Refresh    time.Duration `hcl:"refresh" default:"5s" min:"100ms" doc:"How often it is looked whether they have changed."`
	MaxTargets int           `hcl:"max_targets" default:"10000" min:"1" doc:"With more targets than that the list can not be used."`
	Target     *probeConfig  `hcl:"target,block" doc:"How its targets are probed: as a block target says it, without label and url."`
}

type httpSDConfig struct {
	Name            string        `hcl:"name,label"`
	URL             string        `hcl:"url" sensitive:"true" doc:"http or https address that answers with the list in JSON."`
	Refresh         time.Duration `hcl:"refresh" default:"60s" min:"100ms" doc:"How often it is asked."`
	Timeout         time.Duration `hcl:"timeout" default:"10s" min:"1ms" doc:"How long an answer may take."`
	User            string        `hcl:"user,optional" doc:"User of basic authorization, with password_file."`
	PasswordFile    sdk.Path      `hcl:"password_file,optional" doc:"A file whose one line is the password of user. It is read for every request."`
	BearerTokenFile sdk.Path      `hcl:"bearer_token_file,optional" doc:"A file whose one line is sent as a bearer token. It is read for every request."`
	CAFile          sdk.Path      `hcl:"ca_file,optional" doc:"Certificates to trust instead of the system's, in PEM."`
	MaxTargets      int           `hcl:"max_targets" default:"10000" min:"1" doc:"With more targets than that the list can not be used."`
	Target          *probeConfig  `hcl:"target,block" doc:"How its targets are probed: as a block target says it, without label and url."`
}

// Validate implements sdk.Validator.
func (c *fileSDConfig) Validate() error {
	found := checkList(c.Name, c.Target)
	if len(c.Files) == 0 {
		found = append(found, at(errors.New("files is empty: name at least one"), "files"))
	}
	for i, pattern := range c.Files {
		if err := discovery.CheckPattern(string(pattern)); err != nil {
			found = append(found, at(err, "files", strconv.Itoa(i)))
		}
	}
	return errors.Join(found...)
}

// Validate implements sdk.Validator.
func (c *httpSDConfig) Validate() error {
	found := checkList(c.Name, c.Target)
	if _, err := c.source(); err != nil {
		found = append(found, err)
	}
	return errors.Join(found...)
}

// checkList says what is wrong with the label of a list and with how its targets are probed.
func checkList(name string, template *probeConfig) []error {
	var found []error
	if err := sdk.CheckTag(name); err != nil {
		found = append(found, at(fmt.Errorf("name %w", err), "name"))
	}
	if name == "" {
		found = append(found, at(errors.New("a list without a name can not be told from others"), "name"))
	}
	if template != nil {
		// An address of which everything is possible. What is not with another one is found when the list names that.
		found = append(found, within(template.check("https://shop.example.com/", newShared(0)), "target")...)
	}
	return found
}

func (c *fileSDConfig) source() (discovery.Source, error) {
	patterns := make([]string, len(c.Files))
	for i, p := range c.Files {
		patterns[i] = string(p)
	}
	return discovery.NewFiles(patterns)
}

func (c *httpSDConfig) source() (discovery.Source, error) {
	var wrong []error
	u := parseAddress("url", c.URL, "https://cmdb.example.com/targets", &wrong)
	switch {
	case u == nil:
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		wrong = append(wrong, at(errors.New("url is no address, such as https://cmdb.example.com/targets"), "url"))
	case u.User != nil && (c.User != "" || c.BearerTokenFile != ""):
		wrong = append(wrong, at(errors.New("authorization is given in url and beside it"), "url"))
	}
	switch {
	case c.User != "" && c.BearerTokenFile != "":
		wrong = append(wrong, at(errors.New("bearer_token_file and user are given: only one can be sent"), "bearer_token_file"))
	case c.User == "" && c.PasswordFile != "":
		wrong = append(wrong, at(errors.New("password_file is given without a user"), "password_file"))
	}
	service := discovery.Service{
		URL: u, UserAgent: probe.DefaultUserAgent + "/" + version, Refresh: c.Refresh, Timeout: c.Timeout,
		TokenFile: string(c.BearerTokenFile), User: c.User, PasswordFile: string(c.PasswordFile), RootCAs: pools{}.of(c.CAFile, &wrong),
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	if u.User != nil {
		// As in the address of a target. The client would send it too, but also repeat it in errors.
		service.URL = withoutUser(u)
		service.User = u.User.Username()
		service.Password, _ = u.User.Password()
	}
	return discovery.NewHTTP(service), nil
}

func withoutUser(u *url.URL) *url.URL {
	bare := *u
	bare.User = nil
	return &bare
}
