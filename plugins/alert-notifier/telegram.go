package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/vedette-monitor/vedette/plugins/alert-notifier/markup"
	"github.com/vedette-monitor/vedette/plugins/alert-notifier/notice"
	"github.com/vedette-monitor/vedette/sdk"
)

// maxTelegram is the longest message that Telegram takes, in units of UTF-16.
const maxTelegram = 4096

type telegramConfig struct {
	Token     string   `hcl:"token,optional" sensitive:"true" doc:"The bot's token."`
	TokenFile sdk.Path `hcl:"token_file,optional" doc:"A file that holds the token instead."`
	Chats     []string `hcl:"chats" min:"1" doc:"Chats that are told: ids, such as -1001234567890, or the @names of public channels. ID:TOPIC names a topic of a forum."`
	Silent    bool     `hcl:"silent" default:"false" doc:"Make no sound."`
	APIURL    string   `hcl:"api_url" default:"https://api.telegram.org/" doc:"Where the bots' methods are."`
	webConfig
}

type telegram struct {
	web    *web
	token  *secret
	chats  []string
	silent bool
	api    string
}

var telegramChat = regexp.MustCompile(`^(-?[0-9]{1,20}|@[A-Za-z0-9_]{4,40})(:[0-9]{1,10})?$`)

func newTelegram(c telegramConfig, env sdk.Env) (*channel, error) {
	token, err := needed("token", c.Token, c.TokenFile)
	if err != nil {
		return nil, err
	}
	if len(c.Chats) == 0 {
		return nil, at("chats", errNone)
	}
	for _, chat := range c.Chats {
		if !telegramChat.MatchString(chat) {
			return nil, at("chats", errors.New("a chat is a number, ID:TOPIC, or the @name of a channel"))
		}
	}
	u, err := address(c.APIURL)
	if err != nil {
		return nil, at("api_url", err)
	}
	w, err := newWeb(c.webConfig)
	if err != nil {
		return nil, err
	}
	return newChannel("telegram", &telegram{w, token, c.Chats, c.Silent, strings.TrimSuffix(u.String(), "/")}, env), nil
}

func (t *telegram) recipients() []string { return t.chats }

// Check implements transport.
func (t *telegram) Check(ctx context.Context) sdk.Delivery {
	d, _ := t.method(ctx, "getMe", object{})
	return d
}

func (t *telegram) deliver(ctx context.Context, n *notice.Notice, to []string, done func(sdk.Delivery)) map[string]string {
	text := func(blocks []notice.Block) string { return markup.Telegram(n.Subject(), blocks) }
	blocks, short := n.Fit(maxTelegram, func(b []notice.Block) int { return markup.UTF16(text(b)) })
	threads := map[string]string{}
	for name, value := range n.State {
		threads[name] = value
	}
	for _, chat := range to {
		id, topic, _ := strings.Cut(chat, ":")
		args := object{"chat_id": id, "text": text(blocks), "parse_mode": "HTML", "link_preview_options": object{"is_disabled": true}, "disable_notification": t.silent}
		if n, err := strconv.Atoi(topic); err == nil {
			args["message_thread_id"] = n
		}
		if first, err := strconv.Atoi(n.State["message:"+chat]); err == nil {
			args["reply_parameters"] = object{"message_id": first, "allow_sending_without_reply": true}
		}
		d, number := t.method(ctx, "sendMessage", args)
		if d.Outcome == sdk.PermanentRecipient && strings.Contains(d.Message, "can't parse entities") {
			// Better told without bold letters than not told.
			delete(args, "parse_mode")
			plain, _ := n.Fit(maxTelegram-markup.UTF16(n.Subject())-1, func(b []notice.Block) int { return markup.UTF16(markup.Plain(b)) })
			args["text"] = n.Subject() + "\n" + markup.Plain(plain)
			d, number = t.method(ctx, "sendMessage", args)
		}
		d.Recipient, d.Truncated, d.ProviderID = chat, short, number
		if number != "" && threads["message:"+chat] == "" {
			threads["message:"+chat] = number
		}
		done(d)
	}
	return threads
}

// method calls one of the bot's. It returns the number of the message that was sent.
func (t *telegram) method(ctx context.Context, name string, args object) (sdk.Delivery, string) {
	token, err := t.token.value()
	if err != nil {
		return sdk.Delivery{Outcome: sdk.PermanentConfig, Message: err.Error()}, ""
	}
	secrets := hide(token, url.PathEscape(token))
	body := encode(args)
	a, failed := t.web.do(ctx, call{method: http.MethodPost, url: t.api + "/bot" + url.PathEscape(token) + "/" + name,
		header: http.Header{"Content-Type": {jsonType}}, body: body, secrets: secrets})
	if failed != nil {
		return *failed, ""
	}
	d, good := a.judge(secrets)
	var answer struct {
		OK          *bool  `json:"ok"`
		Code        int    `json:"error_code"`
		Description string `json:"description"`
		Parameters  struct {
			RetryAfter int    `json:"retry_after"`
			Migrate    *int64 `json:"migrate_to_chat_id"`
		} `json:"parameters"`
		Result struct {
			ID int64 `json:"message_id"`
		} `json:"result"`
	}
	number := ""
	switch err := json.Unmarshal(a.body, &answer); {
	case good && (err != nil || answer.OK == nil):
		d = noAnswer()
	case err == nil && answer.OK != nil && !*answer.OK:
		d = telegramError(answer.Code, answer.Description)
		d.Message = secrets.in(d.Message)
		if s := answer.Parameters.RetryAfter; s > 0 {
			d.RetryAfter = min(time.Duration(s)*time.Second, maxRetryAfter)
		}
		if m := answer.Parameters.Migrate; m != nil {
			d.Outcome, d.Message = sdk.PermanentRecipient, "the group has become a supergroup, whose id is "+strconv.FormatInt(*m, 10)
		}
	case good && answer.Result.ID != 0:
		number = strconv.FormatInt(answer.Result.ID, 10)
	}
	d.Bytes = len(body)
	return d, number
}

// telegramError says what an error means. 403 is a chat that has thrown the bot out, and 401 and 404 are a wrong token.
func telegramError(code int, text string) sdk.Delivery {
	d := sdk.Delivery{Code: strconv.Itoa(code), Message: text}
	switch {
	case code == 401 || code == 404:
		d.Outcome = sdk.PermanentConfig
	case code == 429 || code >= 500 || code < 400:
		d.Outcome = sdk.Temporary
	default:
		d.Outcome = sdk.PermanentRecipient
	}
	return d
}
