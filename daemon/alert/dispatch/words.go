package dispatch

import (
	"github.com/vedette-monitor/vedette/daemon/alert/incident"
	"github.com/vedette-monitor/vedette/daemon/alert/rule"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// Reasons of incidents beside those of the rules.
const (
	RuleRemoved = "rule removed"
	RuleChanged = "rule changed"
	QueryFails  = "query fails"
)

// words are the fixed words of notices in a language. What alerts say themselves is in the words of whoever wrote them.
type words struct {
	alerts, also, inPlaceOf, late, more, noData string
	kinds                                       map[wire.Kind]string
	severities                                  map[string]string
	// reasons are those that say more than that a sample was bad or good.
	reasons map[string]string
}

var languages = map[string]words{
	"en": {
		alerts: "%d alerts: %s", also: "also: %d alerts that this keeps quiet", inPlaceOf: "in place of %s, which could not deliver it",
		late: "It began at %s and ended at %s, and could not be told before.", more: "+ %d more", noData: "no data since ",
		reasons: map[string]string{
			rule.Worse.String(): "it got worse", rule.Silent.String(): "nothing is heard of it", rule.Heard.String(): "it is heard of again",
			rule.Forgotten.String(): "nothing was heard of it for so long that it is forgotten", rule.More.String(): "it happened again meanwhile",
			RuleRemoved: "its rule was removed", RuleChanged: "its rule was changed", QueryFails: "its query fails",
		},
	},
	"zh": {
		alerts: "%d 条告警：%s", also: "另有 %d 条告警被其抑制", inPlaceOf: "代 %s 发送，该渠道无法送达", late: "于 %s 开始，%s 结束，此前未能送达。", more: "+ 另有 %d 条", noData: "无数据，自 ",
		kinds: map[wire.Kind]string{
			wire.Kind_KIND_FIRING: "告警", wire.Kind_KIND_RESOLVED: "恢复", wire.Kind_KIND_REPEAT: "持续告警", wire.Kind_KIND_ESCALATION: "升级",
			wire.Kind_KIND_FLAPPING: "抖动", wire.Kind_KIND_FLAPPING_ENDED: "抖动结束", wire.Kind_KIND_EVENT: "事件", wire.Kind_KIND_DIGEST: "汇总", wire.Kind_KIND_TEST: "测试",
		},
		severities: map[string]string{"critical": "严重", "warning": "警告", "info": "提示", "resolved": "恢复"},
		reasons: map[string]string{
			rule.Worse.String(): "级别升高", rule.Silent.String(): "未收到数据", rule.Heard.String(): "重新收到数据", rule.Forgotten.String(): "长时间无数据，已移除",
			rule.More.String(): "期间再次发生", RuleRemoved: "规则已删除", RuleChanged: "规则已更改", QueryFails: "查询失败",
		},
	},
}

// wordsOf are those of a language; English is for all that is not known.
func wordsOf(language string) words {
	if w, ok := languages[language]; ok {
		return w
	}
	return languages["en"]
}

func (w words) kind(k wire.Kind) string {
	if word, ok := w.kinds[k]; ok {
		return word
	}
	return incident.KindWord(k)
}

func (w words) severity(name string) string {
	if word, ok := w.severities[name]; ok {
		return word
	}
	return name
}
