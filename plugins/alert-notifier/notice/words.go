package notice

import "github.com/vedette-monitor/vedette/sdk/wire"

// words are the fixed words of a language.
type words struct {
	kinds      map[wire.Kind]string
	severities map[string]string
	// What remarks and facts are called.
	late, mayRepeat, more, moreTail, labels, since, until, lasted, last, bad, folded, values, reason, unsuppressed, link, value, incident string
	second, minute, hour, day                                                                                                             string
}

var english = &words{
	kinds: map[wire.Kind]string{
		wire.Kind_KIND_FIRING: "FIRING", wire.Kind_KIND_RESOLVED: "RESOLVED", wire.Kind_KIND_REPEAT: "STILL FIRING",
		wire.Kind_KIND_ESCALATION: "ESCALATED", wire.Kind_KIND_FLAPPING: "FLAPPING", wire.Kind_KIND_FLAPPING_ENDED: "FLAPPING ENDED",
		wire.Kind_KIND_EVENT: "EVENT", wire.Kind_KIND_DIGEST: "DIGEST", wire.Kind_KIND_TEST: "TEST",
	},
	late: "LATE", mayRepeat: "An earlier attempt may have reached you already.", more: "+ ", moreTail: " more",
	labels: "Labels", since: "Since", until: "Over", lasted: "Lasted", last: "Last sample", bad: "Bad samples", folded: "Events", values: "Values",
	reason: "Reason", unsuppressed: "Not told before", link: "Open", value: "Value", incident: "Incident",
	second: " s", minute: " min", hour: " h", day: " d",
}

var chinese = &words{
	kinds: map[wire.Kind]string{
		wire.Kind_KIND_FIRING: "告警", wire.Kind_KIND_RESOLVED: "恢复", wire.Kind_KIND_REPEAT: "持续告警",
		wire.Kind_KIND_ESCALATION: "升级", wire.Kind_KIND_FLAPPING: "抖动", wire.Kind_KIND_FLAPPING_ENDED: "抖动结束",
		wire.Kind_KIND_EVENT: "事件", wire.Kind_KIND_DIGEST: "汇总", wire.Kind_KIND_TEST: "TEST",
	},
	late: "迟到", mayRepeat: "之前的一次发送可能已经送达。", more: "+ 另有 ", moreTail: " 条",
	labels: "标签", since: "开始", until: "结束", lasted: "持续", last: "最近采样", bad: "异常采样", folded: "事件数", values: "最近值",
	reason: "原因", unsuppressed: "此前未通知", link: "查看", value: "当前值", incident: "事件编号",
	severities: map[string]string{"critical": "严重", "warning": "警告", "info": "提示"},
	second:     " 秒", minute: " 分钟", hour: " 小时", day: " 天",
}

func wordsOf(language string) *words {
	if language == "zh" {
		return chinese
	}
	return english
}
