package vitals

import "time"

// Spool is what waits on disk.
type Spool struct {
	Lane             string
	Points           uint64
	Bytes, DiskBytes int64
	OldestAge        time.Duration
	Syncs            uint64
	LastSync         time.Duration
	MaxSync          time.Duration
	Lost, Dropped    uint64
	// Held says that points are not put on disk now.
	Held bool
}

var spoolVital = vital[Spool]{
	name: "vedette_spool",
	doc:  "What is accepted and not yet in InfluxDB, every 10 s.",
	tags: []tag[Spool]{
		{"lane", "samples, or records of what people and rules did", func(s *Spool) string { return s.Lane }},
	},
	fields: []field[Spool]{
		integer("points", "", "points that wait", func(s *Spool) uint64 { return s.Points }),
		integer("bytes", "bytes", "their size on disk", func(s *Spool) int64 { return s.Bytes }),
		integer("disk_bytes", "bytes", "size of all segments; delivered parts of one are freed with the rest of it", func(s *Spool) int64 { return s.DiskBytes }),
		seconds("oldest_age", "how long the oldest of them has waited; 0 if none waits", func(s *Spool) time.Duration { return s.OldestAge }),
		integer("syncs", "", "times that points were made durable, many at once", func(s *Spool) uint64 { return s.Syncs }),
		seconds("sync_time", "what the last fdatasync took", func(s *Spool) time.Duration { return s.LastSync }),
		seconds("sync_time_max", "what the longest fdatasync took", func(s *Spool) time.Duration { return s.MaxSync }),
		integer("lost", "", "points lost to damage on disk", func(s *Spool) uint64 { return s.Lost }),
		integer("dropped", "", "points dropped, the oldest, because there was no room", func(s *Spool) uint64 { return s.Dropped }),
		flag("held", "1 while points can not be put on disk and wait with their plugins", func(s *Spool) bool { return s.Held }),
	},
}
