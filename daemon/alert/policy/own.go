package policy

import "github.com/vedette-monitor/vedette/sdk/wire"

// Measurements declare the points of the alerts' own doings that alerts can be about, those that are built in among them.
func Measurements() []wire.Measurement {
	return []wire.Measurement{
		{
			Name: "alert_active",
			Doc:  "How many instances of an alert are in which state, every 60 s.",
			Tags: []wire.TagSchema{{Name: "alert", Doc: "the alert"}, {Name: "severity", Doc: "that of the instances; info, warning or critical"}},
			Fields: []wire.FieldSchema{
				{Name: "firing", Type: wire.TypeInt, Doc: "instances that fire"},
				{Name: "pending", Type: wire.TypeInt, Doc: "instances with a bad sample that do not fire"},
				{Name: "flapping", Type: wire.TypeInt, Doc: "instances that flap"},
				{Name: "suppressed", Type: wire.TypeInt, Doc: "of those that fire: kept quiet by a silence, a maintenance, another incident or hours"},
				{Name: "acked", Type: wire.TypeInt, Doc: "of those that fire: acknowledged"},
				{Name: "stale", Type: wire.TypeInt, Doc: "of those that fire: without a new sample"},
				{Name: "instances", Type: wire.TypeInt, Doc: "all that are known"},
			},
		},
		{
			Name: "alert_eval",
			Doc:  "How an alert was judged, every 60 s, and when its query begins or ceases to fail. Counts begin with the daemon.",
			Tags: []wire.TagSchema{{Name: "alert", Doc: "the alert"}},
			Fields: []wire.FieldSchema{
				{Name: "evals", Type: wire.TypeInt, Doc: "samples judged"},
				{Name: "unknown", Type: wire.TypeInt, Doc: "points that could not be judged, because they lack what the conditions need"},
				{Name: "late", Type: wire.TypeInt, Doc: "points left out, because they are no newer than the last one of their series"},
				{Name: "skew", Type: wire.TypeInt, Doc: "points from the future, which count as of now"},
				{Name: "refused", Type: wire.TypeInt, Doc: "points of new instances above the limit"},
				{Name: "errors", Type: wire.TypeInt, Doc: "queries that failed"},
				{Name: "ns", Type: wire.TypeInt, Unit: "ns", Doc: "time that judging took"},
				{Name: "broken", Type: wire.TypeBool, Doc: "its conditions are unknown again and again, or its query fails"},
				{Name: "full", Type: wire.TypeBool, Doc: "it has as many instances as its limit allows"},
			},
		},
		{
			Name: "notify_queue",
			Doc:  "What waits to be told through a channel, every 30 s, and when it begins or ceases to deliver nothing.",
			Tags: []wire.TagSchema{{Name: "notifier", Doc: "the channel, as in email.ops"}},
			Fields: []wire.FieldSchema{
				{Name: "depth", Type: wire.TypeInt, Doc: "notices that wait"},
				{Name: "oldest_s", Type: wire.TypeFloat, Unit: "s", Doc: "how long the oldest of them has waited; 0 if none waits"},
				{Name: "inflight", Type: wire.TypeInt, Doc: "notices that are being delivered"},
				{Name: "dead", Type: wire.TypeInt, Doc: "notices that were given up and are kept"},
				{Name: "breaker", Type: wire.TypeBool, Doc: "the channel delivers nothing as it is configured, and is tried now and then"},
				{Name: "tokens", Type: wire.TypeFloat, Doc: "notices that its limit allows at once now"},
			},
		},
	}
}
