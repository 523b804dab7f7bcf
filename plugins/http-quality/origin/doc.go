// Package origin is a web server of known delays with its own DNS server, for tests alone: what a prober reports can then
// be compared with what is true, phase by phase.
//
// What a request meets stands in its URL. The first label of a name below Domain has options, joined by "-": a30 and
// aaaa30 delay the answer to that question by 30 ms; v4 and v6 give the name one address only; nxdomain, servfail and
// mute are what the DNS server does instead of an answer; truncated makes it answer over TCP alone; tls40 delays the
// server's first flight of the handshake by 40 ms. So https://a30-tls40.vedette.test/ has a slow lookup and a slow
// handshake. The query has the rest: wait (until the first byte) and pause (in the middle of the body) are durations, size is
// the body's length in bytes, gzip=1 compresses it, and to is where a redirect leads.
//
// Ports 80 and 443 (HTTP/1.1 and HTTP/2) answer at once, 8080 and 8443 accept AcceptDelay late.
package origin
