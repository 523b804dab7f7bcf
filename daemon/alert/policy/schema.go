package policy

import (
	"github.com/vedette-monitor/vedette/daemon/alert/rule"
	"github.com/vedette-monitor/vedette/daemon/config"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// Blocks documents the blocks about alerts.
func Blocks() []config.Block {
	return []config.Block{
		{Name: "alert", Doc: "`alert \"NAME\" { … }` is a rule on points, and what is told of it; any number of times. An alert with the name of one that is built " +
			"in replaces it. What it all means is in [alerts.md](alerts.md).", Schema: alertSchema},
		{Name: "route", Doc: "Whom incidents are told to. At most once, with routes within: an incident takes the first one within a route that matches it, or " +
			"else the route itself. Within a route, what is left out is as in the one around it.", Schema: documentedRoute()},
		{Name: "receiver", Doc: "`receiver \"NAME\" { … }` is who is told, in steps; any number of times. Routes refer to it as `receiver.NAME`.", Schema: receiverSchema},
		{Name: "hours", Doc: "`hours \"NAME\" { … }` is a calendar; any number of times. Routes refer to it as `hours.NAME`.", Schema: windowsSchema(nil)},
		{Name: "maintenance", Doc: "`maintenance \"NAME\" { … }` is a time in which incidents are kept, but not told; any number of times.",
			Schema: windowsSchema([]wire.Attribute{{Name: "match", Type: config.TypeCondition, Required: true, Doc: "Which incidents: a condition on their labels."}})},
		{Name: "inhibit", Doc: "`inhibit \"NAME\" { … }` keeps incidents quiet that another one explains; any number of times.", Schema: inhibitSchema},
		{Name: "heartbeat", Doc: "`heartbeat \"NAME\" { … }` calls a server outside as long as telling people works, so that somebody is told when it does not; any " +
			"number of times.", Schema: heartbeatSchema},
		{Name: "alerting", Doc: "What holds for all alerts. At most once.", Schema: alertingSchema},
	}
}

var alertSchema = wire.Schema{
	Attributes: []wire.Attribute{
		{Name: "enabled", Type: wire.TypeBool, Default: "true", Doc: "false leaves the alert out; that is also how one that is built in is switched off."},
		{Name: "from", Type: wire.TypeString, Doc: "The measurement whose points it judges. Either this or a block `query` is required."},
		{Name: "kind", Type: wire.TypeString, Default: kindState, OneOf: []string{kindState, kindEvent}, Doc: "`event`: each hit is told for itself, and nothing resolves."},
		{Name: "where", Type: config.TypeCondition, Doc: "Which points are samples; by default all."},
		{Name: "by", Type: wire.ListOf(wire.TypeString), Doc: "Tags: each combination of their values is an instance of its own."},
		{Name: "when", Type: config.TypeCondition, Doc: "When a sample is bad. Instead there may be blocks `level`, or `absent`."},
		{Name: "severity", Type: wire.TypeString, OneOf: rule.Severities, Doc: "How bad it is; by default warning."},
		{Name: "labels", Type: wire.MapOf(wire.TypeString), Doc: "Labels of its incidents, beside the tags in `by`, `alert` and `severity`."},
		{Name: "summary", Type: config.TypeTemplate, Doc: "One line that says what is wrong."},
		{Name: "detail", Type: config.TypeTemplate, Doc: "What else is worth knowing."},
		{Name: "link", Type: config.TypeTemplate, Doc: "Where to look."},
		{Name: "notify", Type: wire.ListOf(config.TypeNotifier), Doc: "Who is told, instead of whom the routes say; `[]` is nobody: the incident is kept and shown."},
		{Name: "repeat", Type: wire.TypeString, Doc: "After how long an incident that still fires is told again: `4h`, `1h 2h 4h 8h` for growing times of which the last one " +
			"holds on, or `never`; by default the route says."},
		{Name: "repeat_max", Type: wire.TypeInt, Min: "1", Doc: "How often it is told again at most; by default without end. It needs repeat."},
		{Name: "updates", Type: wire.TypeBool, Default: "false", Doc: "Judge the points that complete earlier ones, such as the end of a command, and none but them."},
		{Name: "on_error", Type: wire.TypeString, OneOf: []string{onErrorHold, onErrorAlert}, Doc: "What a query that fails means: `hold`, which is the default, leaves all as it is; `alert` makes the alert fire."},
		{Name: "over", Type: wire.TypeDuration, Doc: "Span of the window that aggregates are made of: avg, min, max, sum, last, rate, p, count and ratio."},
		{Name: "every", Type: wire.TypeDuration, Doc: "How often a window is judged; by default at each sample."},
		{Name: "interval", Type: wire.TypeDuration, Doc: "How often an instance usually has a sample, if that is known beforehand; by default it is learned."},
		{Name: "absent", Type: wire.TypeDuration, Doc: "Fire when an instance has had no sample for so long."},
		{Name: "expect", Type: wire.ListOf(wire.TypeString), Doc: "With absent: values of the only tag in `by` that are missed even if they were never seen."},
		{Name: "forget", Type: wire.TypeDuration, Doc: "After how much silence an instance is forgotten; by default 7d, and at least twice absent."},
		{Name: "fold", Type: wire.TypeDuration, Doc: "With kind = \"event\": further hits within this time are counted and told together."},
		{Name: "limit", Type: wire.TypeInt, Min: "1", Doc: "How many instances there may be; by default 10000. Further ones are refused, and told once."},
	},
	Blocks: []wire.Block{
		{Name: "fire", Single: true, Doc: "When it fires: if `bad` of the last `of` samples are bad, and that holds for `for`.", Schema: wire.Schema{Attributes: []wire.Attribute{
			{Name: "bad", Type: wire.TypeInt, Min: "1", Doc: "By default 1."},
			{Name: "of", Type: wire.TypeInt, Min: "1", Max: "64", Doc: "By default as bad: that many in a row."},
			{Name: "for", Type: wire.TypeDuration, Doc: "By default no time."},
		}}},
		{Name: "recover", Single: true, Doc: "When it resolves: after `good` samples in a row, over a time of `for`, that are not bad and for which `when` is true.", Schema: wire.Schema{Attributes: []wire.Attribute{
			{Name: "when", Type: config.TypeCondition, Doc: "What a sample has to be beside not bad, such as a lower limit; by default nothing."},
			{Name: "good", Type: wire.TypeInt, Min: "1", Doc: "By default 1."},
			{Name: "for", Type: wire.TypeDuration, Doc: "By default no time."},
		}}},
		{Name: "level", Labels: []string{"severity"}, Doc: "A condition for each severity, instead of `when` and `severity`. The worst one that holds is that of the incident.", Schema: wire.Schema{Attributes: []wire.Attribute{
			{Name: "when", Type: config.TypeCondition, Required: true, Doc: "When a sample is bad at this level."},
		}}},
		{Name: "flap", Single: true, Doc: "When it flaps: after `changes` between firing and resolved within `within`. Then it says so once, and nothing more until there was none for `calm`.", Schema: wire.Schema{Attributes: []wire.Attribute{
			{Name: "changes", Type: wire.TypeInt, Required: true, Min: "2", Max: "64", Doc: "How many."},
			{Name: "within", Type: wire.TypeDuration, Required: true, Doc: "In how much time."},
			{Name: "calm", Type: wire.TypeDuration, Required: true, Doc: "How long until it counts as calm again."},
		}}},
		{Name: "quorum", Labels: []string{"tag"}, Max: 1, Doc: "Fire only if enough values of a tag, such as vantage points or lines, agree that it is bad.", Schema: wire.Schema{Attributes: []wire.Attribute{
			{Name: "need", Type: wire.TypeInt, Required: true, Min: "1", Doc: "How many have to agree."},
			{Name: "of", Type: wire.ListOf(wire.TypeString), Doc: "The values that have a vote; by default all that there are."},
			{Name: "fresh", Type: wire.TypeDuration, Required: true, Doc: "For how long after a sample a value has a vote."},
			{Name: "missing", Type: wire.TypeString, Default: missingIgnore, OneOf: []string{missingIgnore, missingBad}, Doc: "What a value of `of` without a vote counts as: nothing, or bad."},
		}}},
		{Name: "query", Single: true, Doc: "Take the rows of a query over InfluxDB for samples, instead of the points of a measurement.", Schema: wire.Schema{Attributes: []wire.Attribute{
			{Name: "influxql", Type: wire.TypeString, Required: true, Doc: "The query, in InfluxQL. Each row is a sample; what it is grouped by are its tags, and its columns the fields."},
			{Name: "every", Type: wire.TypeDuration, Required: true, Min: "1s", Doc: "How often it is asked."},
		}}},
	},
}

// What kind, on_error and missing may be.
const (
	kindState     = "state"
	kindEvent     = "event"
	onErrorHold   = "hold"
	onErrorAlert  = "alert"
	missingIgnore = "ignore"
	missingBad    = "bad"
)

// maxRouteDepth is how deep routes may stand within routes.
const maxRouteDepth = 8

// routeSchema is that of a route with so many levels of routes within.
func routeSchema(depth int) wire.Schema {
	s := wire.Schema{Attributes: []wire.Attribute{
		{Name: "match", Type: config.TypeCondition, Doc: "Which incidents take it: a condition on their labels. The outermost route takes all of them."},
		{Name: "to", Type: config.TypeReceiver, Doc: "Who is told. The outermost route needs it."},
		{Name: "group_by", Type: wire.ListOf(wire.TypeString), Doc: "Labels: incidents with the same values are told together; by default `[\"alert\"]`."},
		{Name: "wait", Type: wire.TypeDuration, Doc: "How long the first notice of a group waits for others; by default 10s."},
		{Name: "interval", Type: wire.TypeDuration, Min: "1s", Doc: "How much time is between two notices of a group; by default 1m."},
		{Name: "repeat", Type: wire.TypeString, Doc: "As in an alert; by default 4h."},
		{Name: "repeat_max", Type: wire.TypeInt, Min: "1", Doc: "As in an alert. It needs repeat."},
		{Name: "urgent", Type: wire.TypeBool, Doc: "Critical incidents do not wait."},
		{Name: "continue", Type: wire.TypeBool, Default: "false", Doc: "Try the routes after this one too."},
		{Name: "active", Type: wire.ListOf(config.TypeHours), Doc: "When it tells anything; by default always. What happens at other times is told afterwards, if it still holds."},
	}}
	if depth > 0 {
		s.Blocks = []wire.Block{{Name: "route", Doc: "A route within this one; up to eight levels deep.", Schema: routeSchema(depth - 1)}}
	}
	return s
}

// documentedRoute is the schema of a route without saying everything again of the routes within.
func documentedRoute() wire.Schema {
	s := routeSchema(0)
	s.Blocks = []wire.Block{{Name: "route", Doc: "A route within this one, with the same arguments; up to eight levels deep."}}
	return s
}

var receiverSchema = wire.Schema{Blocks: []wire.Block{
	{Name: "step", Required: true, Doc: "Who is told, and when: the first at once, those after it while the incident fires and nobody has acknowledged it.", Schema: wire.Schema{Attributes: []wire.Attribute{
		{Name: "after", Type: wire.TypeDuration, Doc: "How long the incident has fired; required for all steps but the first."},
		{Name: "to", Type: wire.ListOf(config.TypeNotifier), Required: true, Min: "1", Doc: "The channels."},
	}}},
}}

var windowAttributes = []wire.Attribute{
	{Name: "weekdays", Type: wire.ListOf(wire.TypeString), Min: "1", OneOf: weekdays, Doc: "Days of the week on which it opens; by default all."},
	{Name: "days", Type: wire.ListOf(wire.TypeInt), Min: "1", Doc: "Days of the month; -1 is the last one. By default all."},
	{Name: "dates", Type: wire.ListOf(wire.TypeString), Min: "1", Doc: "Dates such as `2026-10-01`; by default all."},
	{Name: "start", Type: wire.TypeString, Doc: "When it opens, by the clock on the wall: `09:00`. Required, unless there are blocks `window`."},
	{Name: "duration", Type: wire.TypeDuration, Min: "1m", Max: "31d", Doc: "How long it is open. Required, unless there are blocks `window`."},
}

func windowsSchema(more []wire.Attribute) wire.Schema {
	return wire.Schema{
		Attributes: append(append(more, wire.Attribute{Name: "timezone", Type: wire.TypeString, Required: true, Doc: "Time zone of the days and times, such as `Asia/Shanghai`."}), windowAttributes...),
		Blocks:     []wire.Block{{Name: "window", Doc: "One of several windows, instead of the arguments.", Schema: wire.Schema{Attributes: windowAttributes}}},
	}
}

var inhibitSchema = wire.Schema{Attributes: []wire.Attribute{
	{Name: "source", Type: config.TypeCondition, Required: true, Doc: "Which incidents explain others: a condition on their labels."},
	{Name: "target", Type: config.TypeCondition, Required: true, Doc: "Which incidents are explained."},
	{Name: "equal", Type: wire.ListOf(wire.TypeString), Doc: "Labels that have to be the same in both."},
}}

var heartbeatSchema = wire.Schema{Attributes: []wire.Attribute{
	{Name: "url", Type: wire.TypeString, Required: true, Sensitive: true, Doc: "What is called, with GET."},
	{Name: "every", Type: wire.TypeDuration, Default: "1m", Min: "5s", Doc: "How often."},
	{Name: "via", Type: wire.ListOf(config.TypeNotifier), Doc: "Channels that have to answer a check before; one that does not keeps the call back."},
}}

var alertingSchema = wire.Schema{Attributes: []wire.Attribute{
	{Name: "timezone", Type: wire.TypeString, Doc: "Time zone of the times in notices; by default that of the machine."},
	{Name: "language", Type: wire.TypeString, Default: "en", OneOf: []string{"en", "zh"}, Doc: "Language of what notices say beside the alerts' own texts."},
	{Name: "hold", Type: wire.TypeDuration, Default: "15s", Doc: "For how long nothing is sent after a start."},
	{Name: "attempt", Type: wire.TypeDuration, Default: "30s", Min: "1s", Doc: "How long one attempt to deliver a notice may take."},
	{Name: "fallback_after", Type: wire.TypeDuration, Default: "5m", Min: "10s", Doc: "How long a notice waits for its channel before it is also given to the channel's fallback."},
	{Name: "expire", Type: wire.TypeDuration, Default: "24h", Min: "1m", Doc: "After how long a notice that could not be delivered is given up."},
}}
