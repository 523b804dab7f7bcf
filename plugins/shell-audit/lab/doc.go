// Package lab has the tests of the whole audit: real shells on terminals of their own, the plugin under the real daemon, and a real
// InfluxDB.
package lab
