// Package delayline joins two network namespaces by a line of known delay, for tests alone: what a prober says of a
// connect can only be judged against a line whose delay is known, and a proxy can not delay a connect.
//
// Each namespace has a TUN device with an IPv4 and an IPv6 address. A process of its own, the program of the test executed
// again, carries the packets from one device to the other, each a fixed time after it came; it runs with real-time
// priority, so that load on the machine does not delay it. The line promises that a packet takes Options.Delay, and at
// most half a millisecond more at the 99th percentile; its test shows this by the kernel's own round-trip times.
//
// It needs root on Linux, and /dev/net/tun. Everything ends with the test, and if the test is killed.
package delayline
