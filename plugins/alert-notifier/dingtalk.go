package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/vedette-monitor/vedette/plugins/alert-notifier/markup"
	"github.com/vedette-monitor/vedette/plugins/alert-notifier/notice"
	"github.com/vedette-monitor/vedette/sdk"
)

// maxDingTalk is the longest body that DingTalk takes.
const maxDingTalk = 20000

type dingtalkConfig struct {
	URL        string   `hcl:"url,optional" sensitive:"true" doc:"Address of the robot, with its access_token."`
	URLFile    sdk.Path `hcl:"url_file,optional" doc:"A file that holds the address instead. It is read again when it has changed, as all such files are."`
	Secret     string   `hcl:"secret,optional" sensitive:"true" doc:"Key with which requests are signed, if the robot wants that."`
	SecretFile sdk.Path `hcl:"secret_file,optional" doc:"A file that holds the key instead."`
	Mention    []string `hcl:"mention,optional" doc:"Mobile numbers of those who are called by name when something fires."`
	webConfig
}

// dingtalkCodes: 310000 is a keyword, a signature or an address that is not allowed; 130101, 130102 and 90030 are too many
// messages; 460101 is one too long; 300001, 300005 and 400101 to 400106 are a token that is wrong or a robot that was stopped.
var dingtalkCodes = meanings{
	310000: sdk.PermanentConfig, 130101: sdk.Temporary, 130102: sdk.Temporary, 90030: sdk.Temporary, 460101: sdk.PermanentRecipient,
	300001: sdk.PermanentConfig, 300005: sdk.PermanentConfig, 400013: sdk.PermanentRecipient, 400101: sdk.PermanentConfig,
	400102: sdk.PermanentConfig, 400105: sdk.PermanentConfig, 400106: sdk.PermanentConfig, 40035: sdk.PermanentConfig, -1: sdk.Temporary,
}

var mobile = regexp.MustCompile(`^\+?[0-9-]{5,20}$`)

func newDingtalk(c dingtalkConfig, env sdk.Env) (*channel, error) {
	r, err := newRobot(env, c.URL, c.URLFile, c.webConfig)
	if err != nil {
		return nil, err
	}
	key, err := newSecret("secret", c.Secret, c.SecretFile)
	if err != nil {
		return nil, err
	}
	for _, m := range c.Mention {
		if !mobile.MatchString(m) {
			return nil, at("mention", errors.New("these are mobile numbers"))
		}
	}
	if key.isSet() {
		r.sign = func(u *url.URL, now time.Time) error {
			k, err := key.value()
			if err != nil {
				return err
			}
			at := strconv.FormatInt(now.UnixMilli(), 10)
			q := u.Query()
			q.Set("timestamp", at)
			q.Set("sign", signature(k, at+"\n"+k))
			u.RawQuery = q.Encode()
			return nil
		}
	}
	r.compose = func(n *notice.Notice, _ time.Time) (any, bool, error) {
		message := func(blocks []notice.Block) object {
			text := markup.DingTalk.Text(n.Subject(), blocks)
			m := object{"msgtype": "markdown"}
			if len(c.Mention) > 0 && isAlarm(n) {
				text += "\n\n@" + strings.Join(c.Mention, " @")
				m["at"] = object{"atMobiles": c.Mention, "isAtAll": false}
			}
			m["markdown"] = object{"title": markup.Likeness(n.Subject()), "text": text}
			return m
		}
		blocks, short := n.Fit(maxDingTalk, func(b []notice.Block) int { return len(encode(message(b))) })
		return message(blocks), short, nil
	}
	r.judge = func(body []byte) (sdk.Delivery, bool) {
		d, known := errcode(body, []string{"errcode"}, []string{"errmsg"}, dingtalkCodes)
		if d.Code == "errcode 130101" || d.Code == "errcode 130102" || d.Code == "errcode 90030" {
			d.RetryAfter = time.Minute
		}
		return d, known
	}
	return newChannel("dingtalk", r, env), nil
}

// signature is an HMAC with SHA-256, in base64.
func signature(key, text string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
