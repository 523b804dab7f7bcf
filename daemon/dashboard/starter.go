package dashboard

// Starter shows the sites and the daemon itself: what one wants to see first.
func Starter() Dashboard {
	return Dashboard{
		Name: "Vedette",
		Variables: []Variable{
			{Name: "target", Measurement: "http_quality", Tag: "target"},
			{Name: "hosts", Text: ".*"},
		},
		Panels: append(sites(), daemon()...),
	}
}

// Parts of queries. The variable :hosts: is a regular expression on the names of the vantage points.
const (
	within     = ` WHERE "host" =~ /:hosts:/ AND time > :dashboardTime: AND time < :upperDashboardTime:`
	chosen     = within + ` AND "target" = :target:`
	byInterval = ` GROUP BY time(:interval:)`
	quality    = ` FROM "vedette".."http_quality"`
	plugin     = ` FROM "vedette".."vedette_plugin"`
	spool      = ` FROM "vedette".."vedette_spool"`
	write      = ` FROM "vedette".."vedette_write"`
	process    = ` FROM "vedette".."vedette_runtime"`
)

func sites() []Panel {
	return []Panel{
		{
			Title: "About", Kind: Note, X: 0, Y: 0, W: 12, H: 2,
			Text: "**Sites above, the daemon below.** `:target:` chooses the site of the panels in the middle. `:hosts:` is a regular expression on " +
				"the names of vantage points: `.*` shows all. Times are seconds; what a probe did not reach is absent, never 0.",
		},
		{
			Title: "Availability", Kind: Number, X: 0, Y: 2, W: 3, H: 3, Suffix: " %", Digits: 2,
			Queries: []string{`SELECT mean("up") * 100 AS "availability"` + quality + within},
			Limits:  []Limit{{"", Bad}, {"99", Warning}, {"99.9", Good}},
		},
		{
			Title: "Response time, 95th percentile", Kind: Number, X: 3, Y: 2, W: 3, H: 3, Suffix: " s", Digits: 3,
			Queries: []string{`SELECT percentile("total_time", 95) AS "p95"` + quality + within},
			Limits:  []Limit{{"", Good}, {"1", Warning}, {"3", Bad}},
		},
		{
			Title: "Failed probes", Kind: Number, X: 6, Y: 2, W: 3, H: 3,
			Queries: []string{`SELECT count("up") - sum("up") AS "failed"` + quality + within},
			Limits:  []Limit{{"", Good}, {"1", Bad}},
		},
		{
			Title: "Days until the first certificate ends", Kind: Number, X: 9, Y: 2, W: 3, H: 3, Digits: 1,
			Queries: []string{`SELECT min("cert_days") AS "days"` + quality + within},
			Limits:  []Limit{{"", Bad}, {"14", Warning}, {"30", Good}},
		},
		{
			Title: "Availability by site and line", Kind: Line, X: 0, Y: 5, W: 6, H: 4, Suffix: " %", From: "0",
			Queries: []string{`SELECT mean("up") * 100 AS "availability"` + quality + within + byInterval + `, "target", "isp" FILL(none)`},
		},
		{
			Title: "Response time by site and line", Kind: Line, X: 6, Y: 5, W: 6, H: 4, Suffix: " s", From: "0",
			Queries: []string{`SELECT mean("total_time") AS "total_time"` + quality + within + byInterval + `, "target", "isp" FILL(none)`},
		},
		{
			Title: "Phases of :target:", Kind: Stacked, X: 0, Y: 9, W: 6, H: 4, Suffix: " s", From: "0",
			Queries: []string{`SELECT mean("dns") AS "dns", mean("tcp") AS "tcp", mean("tls") AS "tls", mean("request") AS "request", mean("wait") AS "wait", ` +
				`mean("transfer") AS "transfer"` + quality + chosen + byInterval + ` FILL(none)`},
		},
		{
			Title: "Download speed of :target:", Kind: Line, X: 6, Y: 9, W: 6, H: 4, Label: "bytes/s", From: "0",
			Queries: []string{`SELECT mean("speed_download") AS "speed_download"` + quality + chosen + byInterval + `, "isp" FILL(none)`},
		},
		{
			Title: "Last failures", Kind: Table, X: 0, Y: 13, W: 12, H: 4,
			Queries: []string{`SELECT "target"::tag, "isp"::tag, "outcome"::field, "http_code"::field, "failed_expectations"::field, "error"::field` +
				quality + within + ` AND "up" = 0 ORDER BY time DESC LIMIT 50`},
			Columns: []Column{
				{"time", "When"}, {"http_quality.target", "Site"}, {"http_quality.isp", "Line"}, {"http_quality.outcome", "What failed"},
				{"http_quality.http_code", "Status"}, {"http_quality.failed_expectations", "Expectations"}, {"http_quality.error", "In words"},
			},
		},
	}
}

func daemon() []Panel {
	return []Panel{
		{
			Title: "Points waiting for InfluxDB", Kind: Line, X: 0, Y: 17, W: 4, H: 4, Label: "points", From: "0",
			Queries: []string{`SELECT max("points") AS "waiting"` + spool + within + byInterval + `, "host", "lane" FILL(none)`},
		},
		{
			Title: "How long the oldest waits", Kind: Line, X: 4, Y: 17, W: 4, H: 4, Suffix: " s", From: "0",
			Queries: []string{`SELECT max("oldest_age") AS "oldest_age"` + spool + within + byInterval + `, "host", "lane" FILL(none)`},
		},
		{
			Title: "Points stored a second", Kind: Line, X: 8, Y: 17, W: 4, H: 4, Label: "points/s", From: "0",
			Queries: []string{`SELECT non_negative_derivative(max("points"), 1s) AS "stored"` + write + within + byInterval + `, "host", "lane" FILL(none)`},
		},
		{
			Title: "Plugins", Kind: Table, X: 0, Y: 21, W: 6, H: 4,
			Queries: []string{`SELECT last("state") AS "state", last("restarts") AS "restarts", last("points") AS "points", last("refused") AS "refused", ` +
				`last("skipped_ticks") AS "skipped", last("memory") AS "memory"` + plugin + within + ` GROUP BY "host", "plugin"`},
			Columns: []Column{
				{"host", "Vantage point"}, {"plugin", "Plugin"}, {"vedette_plugin.state", "State"}, {"vedette_plugin.restarts", "Restarts"},
				{"vedette_plugin.points", "Points"}, {"vedette_plugin.refused", "Refused"}, {"vedette_plugin.skipped", "Skipped ticks"},
				{"vedette_plugin.memory", "Memory, bytes"},
			},
			SortBy: "plugin",
		},
		{
			Title: "Memory", Kind: Line, X: 6, Y: 21, W: 6, H: 4, Label: "bytes", From: "0",
			Queries: []string{
				`SELECT max("memory") AS "daemon"` + process + within + byInterval + `, "host" FILL(none)`,
				`SELECT max("memory") AS "plugin"` + plugin + within + byInterval + `, "host", "plugin" FILL(none)`,
			},
		},
		{
			Title: "Latency of writes", Kind: Line, X: 0, Y: 25, W: 6, H: 4, Suffix: " s", From: "0",
			Queries: []string{`SELECT max("latency") AS "latency"` + write + within + byInterval + `, "host", "lane" FILL(none)`},
		},
		{
			Title: "Points that were not stored", Kind: Line, X: 6, Y: 25, W: 6, H: 4, Label: "points", From: "0",
			Queries: []string{
				`SELECT max("rejected") AS "refused by InfluxDB", max("expired") AS "too old"` + write + within + byInterval + `, "host" FILL(none)`,
				`SELECT max("lost") AS "lost to damage", max("dropped") AS "dropped for want of room"` + spool + within + byInterval + `, "host" FILL(none)`,
			},
		},
	}
}
