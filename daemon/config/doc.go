// Package config reads the daemon's configuration: HCL in, typed configuration or diagnostics with file, line and
// snippet out.
//
// It knows the schema of every block before anything runs: the daemon's own blocks are described in this package, and
// those of plugins by the manifests that plugins print. Both go through the same checks. So whatever is wrong is found
// at once, all of it together, and a plugin is handed a configuration that fits its schema.
//
// The package starts no plugin and opens no connection. Where manifests come from is its caller's business.
package config
