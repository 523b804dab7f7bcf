package vitals

import "time"

// Write is how one way to InfluxDB is.
type Write struct {
	Lane, State               string
	Connected                 bool
	Requests, Retries         uint64
	Batches                   uint64
	Stored, Rejected, Expired uint64
	Bytes                     uint64
	Latency                   time.Duration
}

var writeVital = vital[Write]{
	name: "vedette_write",
	doc:  "The way to InfluxDB, every 10 s. A point that InfluxDB refused is set aside as a dead letter.",
	tags: []tag[Write]{
		{"lane", "samples, or records of what people and rules did", func(w *Write) string { return w.Lane }},
	},
	fields: []field[Write]{
		text("state", "idle, connected, holding or misconfigured", func(w *Write) string { return w.State }),
		flag("connected", "1 if InfluxDB takes points", func(w *Write) bool { return w.Connected }),
		integer("batches", "", "batches settled", func(w *Write) uint64 { return w.Batches }),
		integer("requests", "", "requests sent", func(w *Write) uint64 { return w.Requests }),
		integer("retries", "", "requests that had to be sent again", func(w *Write) uint64 { return w.Retries }),
		integer("points", "", "points stored", func(w *Write) uint64 { return w.Stored }),
		integer("bytes", "bytes", "sent in the bodies of requests", func(w *Write) uint64 { return w.Bytes }),
		integer("rejected", "", "points that InfluxDB refused: dead letters", func(w *Write) uint64 { return w.Rejected }),
		integer("expired", "", "points older than what InfluxDB keeps", func(w *Write) uint64 { return w.Expired }),
		seconds("latency", "what the last request that InfluxDB judged took", func(w *Write) time.Duration { return w.Latency }),
	},
}
