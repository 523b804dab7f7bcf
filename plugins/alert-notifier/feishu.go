package main

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/vedette-monitor/vedette/plugins/alert-notifier/notice"
	"github.com/vedette-monitor/vedette/sdk"
)

// maxFeishu is the longest body that Feishu takes.
const maxFeishu = 20000

type feishuConfig struct {
	URL        string   `hcl:"url,optional" sensitive:"true" doc:"Address of the robot, of Feishu or of Lark."`
	URLFile    sdk.Path `hcl:"url_file,optional" doc:"A file that holds the address instead."`
	Secret     string   `hcl:"secret,optional" sensitive:"true" doc:"Key with which requests are signed, if the robot wants that."`
	SecretFile sdk.Path `hcl:"secret_file,optional" doc:"A file that holds the key instead."`
	Mention    []string `hcl:"mention,optional" doc:"Ids of the users who are called by name when something fires."`
	webConfig
}

// feishuCodes: 9499 and 11232 are too many messages; 19001 a wrong token, 19021 a wrong signature, 19022 an address that is not
// allowed, 19024 a keyword that is missing; 9498 and 11246 a message that it does not take.
var feishuCodes = meanings{
	9499: sdk.Temporary, 11232: sdk.Temporary, 19001: sdk.PermanentConfig, 19021: sdk.PermanentConfig, 19022: sdk.PermanentConfig,
	19024: sdk.PermanentConfig, 9498: sdk.PermanentRecipient, 11246: sdk.PermanentRecipient,
}

func newFeishu(c feishuConfig, env sdk.Env) (*channel, error) {
	r, err := newRobot(env, c.URL, c.URLFile, c.webConfig)
	if err != nil {
		return nil, err
	}
	key, err := newSecret("secret", c.Secret, c.SecretFile)
	if err != nil {
		return nil, err
	}
	for _, m := range c.Mention {
		if !userID.MatchString(m) {
			return nil, at("mention", errors.New("these are ids of users"))
		}
	}
	r.compose = func(n *notice.Notice, now time.Time) (any, bool, error) {
		message := object{"msg_type": "post"}
		if key.isSet() {
			k, err := key.value()
			if err != nil {
				return nil, false, err
			}
			at := strconv.FormatInt(now.Unix(), 10)
			message["timestamp"], message["sign"] = at, signature(at+"\n"+k, "")
		}
		full := func(blocks []notice.Block) object {
			lines := feishuLines(blocks)
			if len(c.Mention) > 0 && isAlarm(n) {
				var calls []object
				for _, m := range c.Mention {
					calls = append(calls, object{"tag": "at", "user_id": m})
				}
				lines = append(lines, calls)
			}
			message["content"] = object{"post": object{"zh_cn": object{"title": feishuText(n.Subject()), "content": lines}}}
			return message
		}
		blocks, short := n.Fit(maxFeishu, func(b []notice.Block) int { return len(encode(full(b))) })
		return full(blocks), short, nil
	}
	r.judge = func(body []byte) (sdk.Delivery, bool) {
		d, known := errcode(body, []string{"code", "StatusCode"}, []string{"msg", "StatusMessage"}, feishuCodes)
		// 9499 is said of too many messages, and of a body that is not understood.
		return d, known && (d.Code != "code 9499" || strings.Contains(strings.ToLower(d.Message), "too many"))
	}
	return newChannel("feishu", r, env), nil
}

// feishuLines are the lines of a post, whose elements say what they are: so a text is a text, whatever it says.
func feishuLines(blocks []notice.Block) [][]object {
	lines := [][]object{}
	text := func(t string) {
		for line := range strings.SplitSeq(t, "\n") {
			lines = append(lines, []object{{"tag": "text", "text": feishuText(line)}})
		}
	}
	for i, block := range blocks {
		if i > 0 {
			text("")
		}
		for _, p := range block {
			switch p.Style {
			case notice.Heading:
				text("● " + p.Name + ": " + p.Text)
			case notice.Code:
				for line := range strings.Lines(p.Text) {
					text("│ " + strings.TrimRight(line, "\n"))
				}
			case notice.Link:
				lines = append(lines, []object{{"tag": "a", "text": feishuText(p.Text), "href": p.Address}})
			default:
				text(p.String())
			}
		}
	}
	return lines
}

// feishuText takes the tags of other kinds of messages from a text; in a post they mean nothing.
func feishuText(text string) string {
	return strings.NewReplacer("<at", "＜at", "</at", "＜/at", "<AT", "＜AT", "@_all", "＠_all").Replace(text)
}
