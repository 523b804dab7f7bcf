package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/vedette-monitor/vedette/plugins/alert-notifier/markup"
	"github.com/vedette-monitor/vedette/plugins/alert-notifier/notice"
	"github.com/vedette-monitor/vedette/sdk"
)

// Slack takes so many blocks, each so long, and messages that are not much longer than this.
const (
	maxSlackBlocks = 50
	maxSlackBlock  = 3000
	maxSlack       = 12000
)

type slackConfig struct {
	URL       string   `hcl:"url,optional" sensitive:"true" doc:"Address of an incoming webhook."`
	URLFile   sdk.Path `hcl:"url_file,optional" doc:"A file that holds the address instead."`
	Token     string   `hcl:"token,optional" sensitive:"true" doc:"Token of a bot, which may post to channels and keeps notices that belong together in a thread. Instead of url."`
	TokenFile sdk.Path `hcl:"token_file,optional" doc:"A file that holds the token instead."`
	Channels  []string `hcl:"channels,optional" doc:"Channels that the bot posts to: ids or names. With token."`
	Mention   []string `hcl:"mention,optional" doc:"Ids of users (U…), groups (S…), or here or channel, who are called when something fires."`
	APIURL    string   `hcl:"api_url" default:"https://slack.com/api/" doc:"Where Slack's methods are."`
	webConfig
}

// slackErrors are what Slack's words mean; others may pass.
var slackErrors = map[string]sdk.Outcome{
	"invalid_auth": sdk.PermanentConfig, "not_authed": sdk.PermanentConfig, "account_inactive": sdk.PermanentConfig, "token_revoked": sdk.PermanentConfig,
	"token_expired": sdk.PermanentConfig, "no_permission": sdk.PermanentConfig, "missing_scope": sdk.PermanentConfig, "not_allowed_token_type": sdk.PermanentConfig,
	"ekm_access_denied": sdk.PermanentConfig, "invalid_token": sdk.PermanentConfig, "no_service": sdk.PermanentConfig, "action_prohibited": sdk.PermanentConfig,
	"channel_not_found": sdk.PermanentRecipient, "not_in_channel": sdk.PermanentRecipient, "is_archived": sdk.PermanentRecipient,
	"channel_is_archived": sdk.PermanentRecipient, "restricted_action": sdk.PermanentRecipient, "msg_too_long": sdk.PermanentRecipient,
	"invalid_blocks": sdk.PermanentRecipient, "invalid_payload": sdk.PermanentRecipient, "no_text": sdk.PermanentRecipient,
}

// slack is Slack by an incoming webhook or by a bot.
type slack struct {
	*robot
	token    *secret
	channels []string
	api      string
	calls    string
}

var slackID = regexp.MustCompile(`^([US][A-Z0-9]{2,20}|here|channel)$`)

func newSlack(c slackConfig, env sdk.Env) (*channel, error) {
	token, err := newSecret("token", c.Token, c.TokenFile)
	if err != nil {
		return nil, err
	}
	s := &slack{token: token, channels: c.Channels}
	var calls []string
	for _, m := range c.Mention {
		if !slackID.MatchString(m) {
			return nil, at("mention", errors.New("these are ids of users or groups, here or channel"))
		}
		switch m[0] {
		case 'U':
			calls = append(calls, "<@"+m+">")
		case 'S':
			calls = append(calls, "<!subteam^"+m+">")
		default:
			calls = append(calls, "<!"+m+">")
		}
	}
	s.calls = strings.Join(calls, " ")
	if token.isSet() {
		if c.URL != "" || c.URLFile != "" {
			return nil, at("token", errors.New("url and token are both set; one is enough"))
		}
		if len(c.Channels) == 0 {
			return nil, at("channels", errNone)
		}
		u, err := address(c.APIURL)
		if err != nil {
			return nil, at("api_url", err)
		}
		s.api = strings.TrimSuffix(u.String(), "/") + "/"
		w, err := newWeb(c.webConfig)
		if err != nil {
			return nil, err
		}
		s.robot = &robot{name: env.Channel, web: w}
		return newChannel("slack", s, env), nil
	}
	if len(c.Channels) > 0 {
		return nil, at("channels", errors.New("a webhook has its own channel; others need a token"))
	}
	r, err := newRobot(env, c.URL, c.URLFile, c.webConfig)
	if err != nil {
		return nil, err
	}
	r.compose = func(n *notice.Notice, _ time.Time) (any, bool, error) {
		m, short := s.message(n)
		return m, short, nil
	}
	r.judge = func(body []byte) (sdk.Delivery, bool) {
		text := strings.TrimSpace(string(body))
		if text == "ok" {
			return sdk.Delivery{Outcome: sdk.Delivered, Code: "200"}, true
		}
		d := slackError(text)
		_, known := slackErrors[text]
		if !known {
			d.Outcome = sdk.Unknown
		}
		return d, known
	}
	s.robot = r
	return newChannel("slack", s, env), nil
}

// message is the notice in Slack's blocks.
func (s *slack) message(n *notice.Notice) (object, bool) {
	section := func(text string) object {
		return object{"type": "section", "text": object{"type": "mrkdwn", "text": text, "verbatim": true}}
	}
	title := "*" + markup.SlackText(n.Subject()) + "*"
	if s.calls != "" && isAlarm(n) {
		title += " " + s.calls
	}
	blocks, short := n.Fit(maxSlack, func(blocks []notice.Block) int {
		total := len(title)
		for _, b := range blocks {
			size := len(markup.Slack(b))
			if total += size; size > maxSlackBlock {
				return maxSlack + 1
			}
		}
		if len(blocks) >= maxSlackBlocks {
			return maxSlack + 1
		}
		return total
	})
	sections := []object{section(title)}
	for _, b := range blocks {
		sections = append(sections, section(markup.Slack(b)))
	}
	return object{"text": markup.SlackText(n.Subject()), "blocks": sections, "unfurl_links": false, "unfurl_media": false}, short
}

func (s *slack) recipients() []string {
	if s.token.isSet() {
		return s.channels
	}
	return s.robot.recipients()
}

// Check implements transport.
func (s *slack) Check(ctx context.Context) sdk.Delivery {
	if !s.token.isSet() {
		return s.robot.Check(ctx)
	}
	d, _ := s.method(ctx, "auth.test", object{})
	return d
}

func (s *slack) deliver(ctx context.Context, n *notice.Notice, to []string, done func(sdk.Delivery)) map[string]string {
	if !s.token.isSet() {
		return s.robot.deliver(ctx, n, to, done)
	}
	threads := map[string]string{}
	for name, value := range n.State {
		threads[name] = value
	}
	message, short := s.message(n)
	for _, channel := range to {
		message["channel"] = channel
		delete(message, "thread_ts")
		delete(message, "reply_broadcast")
		if ts := n.State["ts:"+channel]; ts != "" {
			message["thread_ts"] = ts
			message["reply_broadcast"] = isAlarm(n)
		}
		d, ts := s.method(ctx, "chat.postMessage", message)
		d.Recipient, d.Truncated, d.ProviderID = channel, short, ts
		if ts != "" && threads["ts:"+channel] == "" {
			threads["ts:"+channel] = ts
		}
		done(d)
	}
	return threads
}

// method calls one of Slack's. It returns the message's number, which a thread is named after.
func (s *slack) method(ctx context.Context, name string, args object) (sdk.Delivery, string) {
	token, err := s.token.value()
	if err != nil {
		return sdk.Delivery{Outcome: sdk.PermanentConfig, Message: err.Error()}, ""
	}
	secrets := hide(token)
	body := encode(args)
	header := http.Header{"Content-Type": {jsonType}, "Authorization": {"Bearer " + token}}
	a, failed := s.web.do(ctx, call{method: http.MethodPost, url: s.api + name, header: header, body: body, secrets: secrets})
	if failed != nil {
		return *failed, ""
	}
	d, good := a.judge(secrets)
	ts := ""
	if good {
		var answer struct {
			OK    *bool  `json:"ok"`
			Error string `json:"error"`
			TS    string `json:"ts"`
		}
		switch err := json.Unmarshal(a.body, &answer); {
		case err != nil || answer.OK == nil:
			d = noAnswer()
		case !*answer.OK:
			d = slackError(answer.Error)
			d.Message = secrets.in(d.Message)
			d.RetryAfter = retryAfter(a.header.Get("Retry-After"), time.Now())
		default:
			ts = answer.TS
		}
	}
	d.Bytes = len(body)
	return d, ts
}

func slackError(text string) sdk.Delivery {
	d := sdk.Delivery{Outcome: sdk.Temporary, Code: "error", Message: text}
	if word := regexp.MustCompile(`^[a-z_]{1,40}$`); word.MatchString(text) {
		d.Code = text
	}
	if outcome, ok := slackErrors[text]; ok {
		d.Outcome = outcome
	}
	return d
}
