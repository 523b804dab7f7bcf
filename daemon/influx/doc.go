// Package influx writes to InfluxDB, reads from it and sets it up.
//
// A [Writer] takes lines of line protocol and returns only when each is settled: stored, set aside as a dead letter, or
// older than the retention policy. Nothing but an answer of 204 counts as stored, no outage makes it drop a line, and
// one point that InfluxDB refuses costs that point alone. A [Reader] asks in InfluxQL. [Setup1] makes databases,
// retention policies and users on InfluxDB 1.x. [DeadLetters] keeps on disk what InfluxDB refused, with the reason.
//
// Writing goes through /api/v2/write and reading through /query, which InfluxDB 1.8 and 2.x both serve. On 1.8 a token
// is "user:password" and a bucket is "database" or "database/policy".
//
// The package keeps no queue: what Write has not settled when its context ends is the caller's to bring again. That is
// harmless, for InfluxDB keeps one point per series and timestamp.
package influx
