// Package pipeline is the way of a point through the daemon: it is read off the wire, checked, stamped with the vantage
// point's tags, put on disk, acknowledged, and delivered to InfluxDB from there.
//
// What it promises: a batch is acknowledged only when all of its points are on disk, but for those that were refused
// for good; while they can not be put on disk nobody is told that they are; and what is on disk leaves it only when
// InfluxDB has it or it was set aside as a dead letter. It keeps no points in memory but those of batches under way.
package pipeline
