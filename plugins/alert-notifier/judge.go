package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/theory/jsonpath"

	"github.com/vedette-monitor/vedette/sdk"
)

// answerConfig says how a gateway tells that it has taken a notice.
type answerConfig struct {
	Status    []int    `hcl:"status,optional" doc:"Statuses that are good; by default all from 200 to 299."`
	Path      string   `hcl:"path,optional" doc:"JSONPath of the value in the body that tells what became of the notice, such as $.code."`
	Good      []string `hcl:"good,optional" doc:"Values at path that mean that it was taken; all others mean that it was not."`
	Contains  string   `hcl:"contains,optional" doc:"A text that the body must contain, for answers that are no JSON."`
	Temporary []string `hcl:"temporary,optional" doc:"Values at path after which it is tried again; so it is after those that are not listed anywhere."`
	Recipient []string `hcl:"recipient,optional" doc:"Values at path that mean that this recipient will never get it."`
	Config    []string `hcl:"config,optional" doc:"Values at path that mean that nothing can be sent as it is configured, such as a wrong key."`
	ID        string   `hcl:"id,optional" doc:"JSONPath of the provider's number for the notice."`
	Message   string   `hcl:"message,optional" doc:"JSONPath of what is said in words."`
}

// judge judges answers.
type judge struct {
	answerConfig
	path, id, message *jsonpath.Path
}

func newJudge(c *answerConfig) (*judge, error) {
	if c == nil {
		return &judge{}, nil
	}
	j := &judge{answerConfig: *c}
	for _, p := range []struct {
		name, text string
		to         **jsonpath.Path
	}{{"path", c.Path, &j.path}, {"id", c.ID, &j.id}, {"message", c.Message, &j.message}} {
		if p.text == "" {
			continue
		}
		parsed, err := jsonpath.Parse(p.text)
		if err != nil {
			return nil, &sdk.Problem{Path: []string{"answer", p.name}, Err: err}
		}
		*p.to = parsed
	}
	switch {
	case j.path != nil && len(c.Good) == 0:
		return nil, &sdk.Problem{Path: []string{"answer", "good"}, Err: errors.New("with a path, say which values are good")}
	case j.path == nil && len(c.Good)+len(c.Temporary)+len(c.Recipient)+len(c.Config) > 0:
		return nil, &sdk.Problem{Path: []string{"answer", "path"}, Err: errors.New("values are compared with what is at path")}
	}
	return j, nil
}

// accepts says that a status is good and that the body plays no part; nil if it does.
func (j *judge) accepts() func(int) bool {
	if j.path != nil || j.Contains != "" || j.id != nil {
		return nil
	}
	return j.good
}

func (j *judge) good(status int) bool {
	if len(j.Status) > 0 {
		return slices.Contains(j.Status, status)
	}
	return status/100 == 2
}

// of says what an answer means.
func (j *judge) of(a answer, secrets hidden) sdk.Delivery {
	d, good := a.judge(secrets)
	if !j.good(a.status) {
		if good { // by HTTP, and not by what is configured
			d.Outcome, d.Message = sdk.Temporary, "this status is not among those that are good"
		}
		return d
	}
	d.Outcome, d.Message, d.RetryAfter = sdk.Delivered, "", 0
	if j.Contains != "" && !bytes.Contains(a.body, []byte(j.Contains)) {
		d.Outcome, d.Code, d.Message = sdk.Temporary, "answer", "the answer does not contain what it should: "+secrets.in(string(a.body))
		return d
	}
	if j.path == nil && j.id == nil {
		return d
	}
	var v any
	decoder := json.NewDecoder(bytes.NewReader(a.body))
	decoder.UseNumber()
	if err := decoder.Decode(&v); err != nil {
		return noAnswer()
	}
	d.ProviderID = secrets.in(at1(j.id, v))
	if j.path == nil {
		return d
	}
	code := at1(j.path, v)
	switch {
	case code == "":
		return noAnswer()
	case slices.Contains(j.Good, code):
		return d
	case slices.Contains(j.Recipient, code):
		d.Outcome = sdk.PermanentRecipient
	case slices.Contains(j.Config, code):
		d.Outcome = sdk.PermanentConfig
	default:
		d.Outcome = sdk.Temporary
	}
	d.Code, d.Message = secrets.in(code), secrets.in(at1(j.message, v))
	return d
}

// at1 is the value at a path, as a text; nothing if there is none.
func at1(p *jsonpath.Path, v any) string {
	if p == nil {
		return ""
	}
	for found := range p.Select(v).All() {
		switch found := found.(type) {
		case string:
			return strings.TrimSpace(found)
		case nil, []any, map[string]any:
			return ""
		default:
			return fmt.Sprint(found)
		}
	}
	return ""
}
