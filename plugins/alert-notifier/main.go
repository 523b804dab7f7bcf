// alert-notifier tells people of alerts: by mail, robots of group chats, short messages, webhooks and more.
package main

import (
	_ "time/tzdata" // notices name times in zones that a small system does not know

	"github.com/vedette-monitor/vedette/sdk"
)

// version is set by the linker.
var version = "0.1.0-dev"

func main() { sdk.Serve(plugin()) }

func plugin() sdk.Plugin {
	p := sdk.Plugin{
		Name:         "alert-notifier",
		Version:      version,
		Doc:          "Tells people of alerts: by mail, robots of group chats, short messages, webhooks and more.",
		Measurements: measurements,
		Commands: []sdk.Command{
			{Name: "check", Doc: "Reaches a channel's provider and authenticates, and sends nothing to anybody.", Run: checkChannel},
			{Name: "send", Doc: "Sends a notice that is marked as a test through a channel.", Run: sendTest},
		},
	}
	for _, k := range kinds {
		p.Channels = append(p.Channels, k.ChannelType)
	}
	return p
}

var measurements = []sdk.Measurement{{
	Name:   "notify_attempt",
	Doc:    "One point for each attempt to tell a recipient.",
	Record: true,
	Tags: []sdk.TagSchema{
		{Name: "notifier", Doc: "the channel, such as `email.ops`"},
		{Name: "type", Doc: "its type"},
		{Name: "outcome", Doc: "`delivered`, `temporary`, `permanent_recipient`, `permanent_config` or `unknown`"},
		{Name: "code", Doc: "the provider's code, such as `450 4.7.1`, `429` or `errcode 310000`"},
	},
	Fields: []sdk.FieldSchema{
		{Name: "id", Type: "string", Doc: "the notice, the same on every attempt"},
		{Name: "incident", Type: "string", Doc: "the incident, if the notice is of one"},
		{Name: "kind", Type: "string", Doc: "kind of the notice: `firing`, `resolved`, …; `sync` where the whole state is handed over"},
		{Name: "attempt", Type: "int", Doc: "1 for the first"},
		{Name: "latency_ms", Type: "float", Unit: "ms", Doc: "how long it took until it was known what became of it"},
		{Name: "bytes", Type: "int", Unit: "bytes", Doc: "size of what was sent"},
		{Name: "recipient_hash", Type: "string", Doc: "tells recipients apart without naming them"},
		{Name: "provider_id", Type: "string", Doc: "how the provider calls the notice"},
		{Name: "error", Type: "string", Doc: "why it was not delivered, in words"},
	},
}}

// kind is a type of channels.
type kind struct {
	sdk.ChannelType
	// open makes a channel outside of the daemon, for the commands.
	open func(config []byte, env sdk.Env) (sdk.Channel, error)
}

func kindOf[C any, P sdk.Channel](t sdk.ChannelType, build func(C, sdk.Env) (P, error)) kind {
	t.New = sdk.NewChannel(build)
	return kind{t, func(raw []byte, env sdk.Env) (sdk.Channel, error) {
		c, err := sdk.Decode[C](raw)
		if err != nil {
			return nil, err
		}
		return build(c, env)
	}}
}

// kinds are the types of channels, with the limits of their providers.
var kinds = []kind{
	kindOf(sdk.ChannelType{Name: "email", Doc: "Mail over SMTP, a message for each recipient."}, newEmail),
	kindOf(sdk.ChannelType{Name: "webhook", Doc: "A request to an address, with the whole notice as JSON or a body of one's own."}, newWebhook),
	kindOf(sdk.ChannelType{Name: "dingtalk", Doc: "A robot of a group of DingTalk.", Limit: "18/1m", MaxBytes: maxDingTalk}, newDingtalk),
	kindOf(sdk.ChannelType{Name: "wecom", Doc: "A robot of a group of WeCom.", Limit: "18/1m", MaxBytes: maxWecom}, newWecom),
	kindOf(sdk.ChannelType{Name: "feishu", Doc: "A robot of a group of Feishu or Lark.", Limit: "90/1m", MaxBytes: maxFeishu}, newFeishu),
	kindOf(sdk.ChannelType{Name: "slack", Doc: "An incoming webhook or a bot of Slack.", Limit: "1/1s", MaxBytes: maxSlack}, newSlack),
	kindOf(sdk.ChannelType{Name: "telegram", Doc: "A bot of Telegram.", Limit: "18/1m", MaxBytes: maxTelegram}, newTelegram),
	kindOf(sdk.ChannelType{Name: "pagerduty", Doc: "A service of PagerDuty (Events API v2): an event for each alert.", Limit: "100/1m", MaxBytes: 512 << 10, Pages: true}, newPagerduty),
	kindOf(sdk.ChannelType{Name: "sms", Doc: "Short messages over a provider's HTTP gateway, a request for each number.", Limit: "1/1m", Pages: true}, newSMS),
	kindOf(sdk.ChannelType{Name: "alertmanager", Doc: "Alertmanagers, which are given the whole set of active alerts again and again."}, newAlertmanager),
	kindOf(sdk.ChannelType{Name: "syslog", Doc: "A receiver of syslog (RFC 5424), a message for each alert."}, newSyslog),
	kindOf(sdk.ChannelType{Name: "exec", Doc: "A program that is run with the notice on its standard input."}, newExec),
}
