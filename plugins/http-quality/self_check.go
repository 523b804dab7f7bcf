package main

import (
	"errors"
	"strconv"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/vedette-monitor/vedette/plugins/http-quality/vantage"
)

type selfCheckConfig struct {
	References []string      `hcl:"references" doc:"What answers while the vantage point is well: tcp://HOST:PORT, tcp://gateway:PORT for the gateway of the default route, or the address of a page. A refused connection is an answer, and so is any page."`
	Interval   time.Duration `hcl:"interval" default:"5s" min:"1s" doc:"How often they are asked."`
	Timeout    time.Duration `hcl:"timeout" default:"2s" min:"10ms" doc:"How long an answer may take."`
}

// Validate implements sdk.Validator.
func (c *selfCheckConfig) Validate() error {
	_, err := c.check(hclog.NewNullLogger())
	return err
}

func (c *selfCheckConfig) check(logger hclog.Logger) (*vantage.Check, error) {
	if len(c.References) == 0 {
		return nil, at(errors.New("references are missing: without any, nothing could be told"), "references")
	}
	var references []vantage.Asker
	var wrong []error
	for i, text := range c.References {
		r, err := vantage.Parse(text)
		if err != nil {
			wrong = append(wrong, at(err, "references", strconv.Itoa(i)))
		}
		references = append(references, r)
	}
	return vantage.New(references, c.Interval, c.Timeout, logger), errors.Join(wrong...)
}
