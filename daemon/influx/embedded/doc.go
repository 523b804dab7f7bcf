// Package embedded runs the private InfluxDB 1.8 of a daemon: a process on loopback, with authentication on, started,
// watched and stopped by the daemon, and set up with a database and the users who write and read it.
//
// The server is InfluxDB itself, built from its own module by the nested module in influxd/, so that its dependencies
// stay out of the daemon's. In the root of the repository:
//
//	go -C daemon/influx/embedded/influxd build -trimpath -ldflags "-s -w -X main.version=1.8.3" \
//	    -o "$PWD/bin/influxd" github.com/influxdata/influxdb/cmd/influxd
//
// Its directory belongs to one daemon at a time and holds
//
//	influxdb.conf       written at each start
//	credentials.json    address, users and passwords; made once, never replaced
//	lock                held by the daemon and by its InfluxDB
//	meta/ data/ wal/    InfluxDB's own
//
// A kill of InfluxDB or of the daemon, at any time, loses nothing that InfluxDB has acknowledged, and the next start
// finishes what the last one did not. InfluxDB dies with the daemon.
package embedded
