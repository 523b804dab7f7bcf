package rule

import (
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/vedette-monitor/vedette/daemon/alert/expression"
)

func TestAWrongRuleIsRefusedWithTheReason(t *testing.T) {
	when := parse(t, "total_time > 2")
	at := hcl.Range{Filename: "alerts.hcl", Start: hcl.Pos{Line: 3, Column: 1}}
	tests := map[string]struct {
		change func(*Spec)
		want   string
	}{
		"nothing":                 {func(s *Spec) { s.When = nil }, "a condition is required: when, level blocks, or absent"},
		"a typing mistake":        {func(s *Spec) { s.When = parse(t, "totl_time > 2") }, `Did you mean "total_time"?`},
		"two kinds":               {func(s *Spec) { s.Levels = []LevelSpec{{Name{Text: "info"}, when}} }, "each level has a when of its own"},
		"silence and a condition": {func(s *Spec) { s.Absent = time.Minute }, "silence is an alert of its own"},
		"silence with more":       {func(s *Spec) { s.When, s.Absent, s.Fire = nil, time.Minute, Fire{Bad: 2} }, "it fires after absent"},
		"expected by two":         {func(s *Spec) { s.When, s.Absent, s.Expect = nil, time.Minute, []string{"a"} }, "the only tag in by"},
		"an aggregate, no window": {func(s *Spec) { s.When = parse(t, "avg(total_time) > 2") }, `over = "5m"`},
		"a window, no aggregate":  {func(s *Spec) { s.Over = time.Minute }, "no condition aggregates anything"},
		"every without over":      {func(s *Spec) { s.Every = time.Minute }, "it needs over"},
		"every longer than over":  {func(s *Spec) { s.Every, s.Over = time.Hour, time.Minute }, "every is longer than over"},
		"an aggregate in where":   {func(s *Spec) { s.Over, s.Where = time.Minute, parse(t, "avg(total_time) > 2") }, "not in where"},
		"a severity":              {func(s *Spec) { s.Severity.Text = "critcal" }, `Did you mean "critical"?`},
		"a level twice": {func(s *Spec) {
			s.When, s.Levels = nil, []LevelSpec{{Name{Text: "info"}, when}, {Name{Text: "info"}, when}}
		}, `a level "info" already`},
		"a severity and levels": {func(s *Spec) {
			s.When, s.Severity.Text, s.Levels = nil, "info", []LevelSpec{{Name{Text: "info"}, when}}
		}, "a level's label is its severity"},
		"a level without when":     {func(s *Spec) { s.When, s.Levels = nil, []LevelSpec{{Severity: Name{Text: "info"}}} }, "a level has no when"},
		"an unknown tag":           {func(s *Spec) { s.By = names("traget") }, `Did you mean "target"?`},
		"a field in by":            {func(s *Spec) { s.By = names("total_time") }, "is a field of http_quality"},
		"a tag twice":              {func(s *Spec) { s.By = names("isp", "isp") }, `"isp" is in by twice`},
		"bad above of":             {func(s *Spec) { s.Fire = Fire{Bad: 4, Of: 3} }, "of ≥ bad"},
		"of above a word":          {func(s *Spec) { s.Fire = Fire{Bad: 4, Of: 65} }, "of ≤ 64"},
		"of without bad":           {func(s *Spec) { s.Fire = Fire{Of: 3} }, "bad = 3"},
		"good":                     {func(s *Spec) { s.Recover.Good = -1 }, "good in recover is negative"},
		"a duration":               {func(s *Spec) { s.Fire.For = -1 }, "a duration is negative"},
		"flap":                     {func(s *Spec) { s.Flap.Changes = 3 }, "within and calm"},
		"forget before absent":     {func(s *Spec) { s.When, s.Absent, s.Forget = nil, time.Hour, time.Minute }, "forget is not longer than absent"},
		"fold without events":      {func(s *Spec) { s.Fold = time.Minute }, "fold is for events"},
		"an event that recovers":   {func(s *Spec) { s.Event, s.Recover.Good = true, 2 }, "an event is told for itself"},
		"a quorum without need":    {func(s *Spec) { s.Quorum = &QuorumSpec{Tag: Name{Text: "isp"}, Fresh: 1} }, "at least 1"},
		"a quorum of too many":     {func(s *Spec) { s.Quorum = &QuorumSpec{Tag: Name{Text: "isp"}, Need: 3, Of: []string{"a"}, Fresh: 1} }, "it could never fire"},
		"a quorum without fresh":   {func(s *Spec) { s.Quorum = &QuorumSpec{Tag: Name{Text: "isp"}, Need: 1} }, "3 or more intervals"},
		"a quorum of nobody":       {func(s *Spec) { s.Quorum = &QuorumSpec{Tag: Name{Text: "isp"}, Need: 1, Fresh: 1, MissingIsBad: true} }, "nobody can be missed"},
		"a quorum over by":         {func(s *Spec) { s.By, s.Quorum = names("isp"), &QuorumSpec{Tag: Name{Text: "isp"}, Need: 1, Fresh: 1} }, "a single voter"},
		"a quorum over no tag":     {func(s *Spec) { s.Quorum = &QuorumSpec{Tag: Name{Text: "ips"}, Need: 1, Fresh: 1} }, `Did you mean "isp"?`},
		"a quorum over a window":   {func(s *Spec) { s.Over, s.Quorum = 1, &QuorumSpec{Tag: Name{Text: "isp"}, Need: 1, Fresh: 1} }, "over and quorum exclude"},
		"a negative limit":         {func(s *Spec) { s.Limit = -1 }, "the limit of instances"},
		"a recover that is wrong":  {func(s *Spec) { s.Recover.When = parse(t, "total_time") }, "Compare it, as in total_time > 0"},
		"a where that is no truth": {func(s *Spec) { s.Where = parse(t, "1") }, "needs a truth value"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			spec := Spec{Name: "x", At: at, When: when}
			tc.change(&spec)
			r, diags := Compile(expression.NewLayout(quality), spec)
			if r != nil || !diags.HasErrors() {
				t.Fatal("it is taken")
			}
			if text := diags.Error(); !strings.Contains(text, tc.want) {
				for _, d := range diags {
					text += "\n" + d.Detail
				}
				if !strings.Contains(text, tc.want) {
					t.Errorf("it says %s, want %s", text, tc.want)
				}
			}
			for _, d := range diags {
				if d.Subject == nil {
					t.Errorf("no place is named: %s", d)
				}
			}
		})
	}
}
