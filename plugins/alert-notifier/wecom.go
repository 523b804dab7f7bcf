package main

import (
	"errors"
	"regexp"
	"time"

	"github.com/vedette-monitor/vedette/plugins/alert-notifier/markup"
	"github.com/vedette-monitor/vedette/plugins/alert-notifier/notice"
	"github.com/vedette-monitor/vedette/sdk"
)

// maxWecom is the longest text of a message that WeCom takes.
const maxWecom = 4096

type wecomConfig struct {
	URL     string   `hcl:"url,optional" sensitive:"true" doc:"Address of the robot, with its key."`
	URLFile sdk.Path `hcl:"url_file,optional" doc:"A file that holds the address instead."`
	Mention []string `hcl:"mention,optional" doc:"Ids of the users who are called by name when something fires."`
	webConfig
}

// wecomCodes: 45009 and 45033 are too many messages, 93000 is a wrong key, 93004 to 93017 a robot that may not, 40058 and 44004
// a message that it does not take, 45002 one too long.
var wecomCodes = meanings{
	-1: sdk.Temporary, 45009: sdk.Temporary, 45033: sdk.Temporary, 93000: sdk.PermanentConfig, 93004: sdk.PermanentConfig, 93008: sdk.PermanentConfig,
	93017: sdk.PermanentConfig, 40058: sdk.PermanentRecipient, 44004: sdk.PermanentRecipient, 45002: sdk.PermanentRecipient, 40008: sdk.PermanentRecipient,
}

var userID = regexp.MustCompile(`^[A-Za-z0-9_.@-]{1,64}$`)

func newWecom(c wecomConfig, env sdk.Env) (*channel, error) {
	r, err := newRobot(env, c.URL, c.URLFile, c.webConfig)
	if err != nil {
		return nil, err
	}
	calls := ""
	for _, m := range c.Mention {
		if !userID.MatchString(m) {
			return nil, at("mention", errors.New("these are ids of users"))
		}
		calls += " <@" + m + ">"
	}
	r.compose = func(n *notice.Notice, _ time.Time) (any, bool, error) {
		text := func(blocks []notice.Block) string {
			t := markup.WeCom.Text(n.Subject(), blocks)
			if calls != "" && isAlarm(n) {
				t += "\n" + calls[1:]
			}
			return t
		}
		blocks, short := n.Fit(maxWecom, func(b []notice.Block) int { return len(text(b)) })
		return object{"msgtype": "markdown", "markdown": object{"content": text(blocks)}}, short, nil
	}
	r.judge = func(body []byte) (sdk.Delivery, bool) {
		d, known := errcode(body, []string{"errcode"}, []string{"errmsg"}, wecomCodes)
		if d.Code == "errcode 45009" {
			d.RetryAfter = time.Minute
		}
		return d, known
	}
	return newChannel("wecom", r, env), nil
}
