package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/vedette-monitor/vedette/plugins/alert-notifier/notice"
	"github.com/vedette-monitor/vedette/sdk"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// robot is a provider that takes JSON at an address which is its key, such as the robot of a group chat. It has one
// recipient, which has the channel's name.
type robot struct {
	name string
	web  *web
	url  *secret
	// compose makes what is posted, and says whether something had to be left out.
	compose func(n *notice.Notice, now time.Time) (body any, short bool, err error)
	// sign changes the address of a request, where that is how it is signed; nil where not.
	sign func(u *url.URL, now time.Time) error
	// judge says what the body of an answer means. It is known if the provider's own code says so, which then counts for more
	// than the status.
	judge func(body []byte) (d sdk.Delivery, known bool)
}

func (r *robot) recipients() []string { return []string{r.name} }

// newRobot makes what all robots have.
func newRobot(env sdk.Env, u string, file sdk.Path, c webConfig) (*robot, error) {
	s, err := needed("url", u, file)
	if err != nil {
		return nil, err
	}
	if u != "" {
		if _, err := address(u); err != nil {
			return nil, at("url", err)
		}
	}
	w, err := newWeb(c)
	if err != nil {
		return nil, err
	}
	return &robot{name: env.Channel, web: w, url: s}, nil
}

// at is the address, as a robot has it now.
func (r *robot) at() (*url.URL, error) {
	text, err := r.url.value()
	if err != nil {
		return nil, err
	}
	return address(text)
}

// Check implements transport.
func (r *robot) Check(ctx context.Context) sdk.Delivery {
	u, err := r.at()
	if err != nil {
		return sdk.Delivery{Recipient: r.name, Outcome: sdk.PermanentConfig, Message: err.Error()}
	}
	d := r.web.reach(ctx, u.Scheme+"://"+u.Host+"/", secretsOf(u))
	d.Recipient = r.name
	return d
}

func (r *robot) deliver(ctx context.Context, n *notice.Notice, _ []string, done func(sdk.Delivery)) map[string]string {
	d := r.post(ctx, n)
	d.Recipient = r.name
	done(d)
	return nil
}

func (r *robot) post(ctx context.Context, n *notice.Notice) sdk.Delivery {
	now := time.Now()
	u, err := r.at()
	if err != nil {
		return sdk.Delivery{Outcome: sdk.PermanentConfig, Message: err.Error()}
	}
	secrets := secretsOf(u)
	if r.sign != nil {
		if err := r.sign(u, now); err != nil {
			return sdk.Delivery{Outcome: sdk.PermanentConfig, Message: err.Error()}
		}
		secrets = append(secrets, secretsOf(u)...)
	}
	message, short, err := r.compose(n, now)
	if err != nil {
		return sdk.Delivery{Outcome: sdk.PermanentConfig, Message: err.Error()}
	}
	body := encode(message)
	a, failed := r.web.do(ctx, call{method: http.MethodPost, url: u.String(), header: http.Header{"Content-Type": {jsonType}}, body: body, secrets: secrets})
	if failed != nil {
		failed.Truncated = short
		return *failed
	}
	d, good := a.judge(secrets)
	if said, known := r.judge(a.body); good || known && d.Outcome != sdk.Temporary && said.Outcome != sdk.Delivered {
		d = said
		d.Message = secrets.in(d.Message)
		if d.RetryAfter == 0 && d.Outcome == sdk.Temporary {
			d.RetryAfter = retryAfter(a.header.Get("Retry-After"), now)
		}
	}
	d.Bytes, d.Truncated = len(body), short
	return d
}

const jsonType = "application/json; charset=utf-8"

// encode writes JSON, with < and & as they are: they are no danger there, and would take six bytes each.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("what is posted can not be written as JSON: %v", err)) // it is made of texts and finite numbers
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// object is one in JSON.
type object = map[string]any

// meanings are what a provider's codes mean. One that is not listed is taken for a trouble that may pass.
type meanings map[int64]sdk.Outcome

// errcode judges an answer whose body says what became of the notice, whatever its status: {"errcode": 0, "errmsg": "ok"}.
// names are the keys that the number and the words may have; the first number that is there counts. It is known if it has a
// meaning.
func errcode(body []byte, numbers, texts []string, codes meanings) (_ sdk.Delivery, known bool) {
	var answer map[string]json.RawMessage
	if err := json.Unmarshal(body, &answer); err != nil {
		return noAnswer(), false
	}
	for _, name := range numbers {
		code, err := strconv.ParseInt(string(answer[name]), 10, 64)
		if err != nil {
			continue
		}
		if code == 0 {
			return sdk.Delivery{Outcome: sdk.Delivered, Code: "200"}, true
		}
		d := sdk.Delivery{Outcome: sdk.Temporary, Code: name + " " + strconv.FormatInt(code, 10)}
		outcome, listed := codes[code]
		if listed {
			d.Outcome = outcome
		}
		for _, text := range texts {
			if json.Unmarshal(answer[text], &d.Message) == nil && d.Message != "" {
				break
			}
		}
		return d, listed
	}
	return noAnswer(), false
}

// noAnswer is what an answer means that is none of the provider's, such as the page of a portal: nobody knows whether it was
// asked at all.
func noAnswer() sdk.Delivery {
	return sdk.Delivery{Outcome: sdk.Unknown, Code: "answer", Message: "the answer is none of the provider's"}
}

// isAlarm reports whether somebody is to look at once: only then a robot calls people by name.
func isAlarm(n *notice.Notice) bool {
	return n.Kind == wire.Kind_KIND_FIRING || n.Kind == wire.Kind_KIND_ESCALATION || n.Kind == wire.Kind_KIND_EVENT
}
