package influx

import "strings"

// Lane is one of the two ways that points take: each has a target of its own, so that neither waits for the other.
type Lane string

// The lanes.
const (
	Points  Lane = "points"  // what plugins measure
	Records Lane = "records" // what people and rules did: shell_*, alert_* and notify_*
)

// recordsPolicy is the retention policy of records, and on 2.x the end of their bucket's name.
const recordsPolicy = "records"

// Target is where the points of a lane go.
type Target struct {
	Lane   Lane
	Bucket string // on 1.x database or database/policy
}

// Targets returns where each lane's points go, if raw points go to bucket.
func Targets(bucket string) (points, records Target) {
	database, _, _ := strings.Cut(bucket, "/")
	return Target{Points, bucket}, Target{Records, database + "/" + recordsPolicy}
}
