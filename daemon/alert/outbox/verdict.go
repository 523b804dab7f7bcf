package outbox

import (
	"slices"
	"time"
	"unicode/utf8"

	"github.com/vedette-monitor/vedette/daemon/alert/incident"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// verdict is what an attempt has come to, over all recipients.
type verdict struct {
	// outcome is the worst that can be mended by another attempt, or else the worst.
	outcome       wire.Outcome
	code, message string
	retryAfter    time.Duration
	// delivered says that somebody has it, and partial that somebody does and others may still get it.
	delivered, partial bool
	// again are those who may still get it, where recipients are known by name; lost is how many never will.
	again []string
	lost  int
	// final says that there is nobody left who could get it.
	final bool
}

// What a plugin says is kept and shown, so it may not be of any size; and no provider may ask for patience until all that waits is given
// up.
const (
	mostCode     = 100
	mostMessage  = 500
	longestPause = time.Hour
)

func brief(text string, most int) string {
	runes := []rune(text[:min(len(text), most*utf8.UTFMax)])
	if len(runes) <= most && len(text) <= most*utf8.UTFMax {
		return text
	}
	return string(runes[:min(len(runes), most-1)]) + "…"
}

// judge puts the outcomes of the recipients together.
func judge(n *incident.Notice, r Result) verdict {
	if r.Err != nil || len(r.Deliveries) == 0 {
		v := verdict{outcome: wire.Outcome_OUTCOME_UNKNOWN, message: "the plugin says nothing of what became of it", again: n.Recipients}
		if r.Err != nil {
			v.message = r.Err.Error()
			if !r.Reached {
				v.outcome = wire.Outcome_OUTCOME_TEMPORARY
			}
		}
		return v
	}
	v := verdict{outcome: wire.Outcome_OUTCOME_DELIVERED}
	retry := 0
	for _, d := range r.Deliveries {
		outcome := d.Outcome
		if !slices.Contains(gravity, outcome) {
			outcome = wire.Outcome_OUTCOME_UNKNOWN
		}
		switch outcome {
		case wire.Outcome_OUTCOME_DELIVERED:
			v.delivered = true
			continue
		case wire.Outcome_OUTCOME_PERMANENT_RECIPIENT:
			v.lost++
		default:
			retry++
			if d.Recipient != "" {
				v.again = append(v.again, d.Recipient)
			}
		}
		v.retryAfter = max(v.retryAfter, min(d.RetryAfter.AsDuration(), longestPause))
		if worse(outcome, v.outcome) {
			v.outcome, v.code, v.message = outcome, brief(d.Code, mostCode), brief(d.Message, mostMessage)
		}
	}
	v.partial = v.delivered && retry > 0
	v.final = retry == 0 && !v.delivered
	if v.delivered && retry > 0 && len(v.again) == 0 {
		// Nobody can say whom it has not reached: it is not told twice to those whom it has.
		v.partial, v.lost = false, v.lost+retry
	}
	if v.delivered && retry == 0 && v.lost == 0 {
		v.outcome = wire.Outcome_OUTCOME_DELIVERED
	}
	return v
}

// gravity orders outcomes: what another attempt may mend comes last, so that it decides.
var gravity = []wire.Outcome{
	wire.Outcome_OUTCOME_DELIVERED, wire.Outcome_OUTCOME_PERMANENT_RECIPIENT, wire.Outcome_OUTCOME_TEMPORARY, wire.Outcome_OUTCOME_UNKNOWN,
	wire.Outcome_OUTCOME_PERMANENT_CONFIG,
}

func worse(a, b wire.Outcome) bool { return slices.Index(gravity, a) > slices.Index(gravity, b) }
