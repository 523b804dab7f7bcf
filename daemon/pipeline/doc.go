// Package pipeline is the way of a point through the daemon: it is read off the wire, checked, stamped with the vantage
// point's tags, put on disk, acknowledged, and delivered to InfluxDB from there.
//
// It has two lanes: samples, what probes measure, and records, what people and rules did. Each has a spool, a delivery
// and a store of its own, so neither waits for the other, and when there is too much, samples go before records.
//
// What it promises: a batch is acknowledged only when all of its points are on disk, but for those that were refused
// for good; while they can not be put on disk nobody is told that they are; what is on disk leaves it only when
// InfluxDB has it, or it was set aside as a dead letter, or it was the oldest of a full spool whose owner wants it so,
// and then it is counted. A point that updates an earlier one reaches the store after it, and stays the last. It keeps no
// points in memory but those of batches under way, and of a plugin no more batches than its window has; and copies for those
// who watch, a bounded number of bytes each.
package pipeline
