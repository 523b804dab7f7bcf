// Package wire is the contract between the daemon and its plugins: the messages of plugin.proto, the manifest that a
// plugin describes itself with, and the words of the handshake. An author of a Go plugin needs package sdk alone; the
// author of a plugin in another language reads plugin.proto.
package wire

// Protocol is the major version of the contract. It is the application protocol version of the go-plugin handshake.
const Protocol = 1

// CookieKey and CookieValue are set in a plugin's environment. They keep a person who starts a plugin by hand from
// waiting for a handshake; they are no secret.
const (
	CookieKey   = "VEDETTE_PLUGIN"
	CookieValue = "b21a6d3e-vedette-monitor"
)

// DescribeCommand is the argument with which a plugin prints its manifest as JSON on standard output and exits.
const DescribeCommand = "describe"

// CommandCommand is the argument before the name and the arguments of a command of the plugin's own. The plugin's
// configuration is JSON that is read from the file descriptor that ConfigVariable names, if it is set.
const (
	CommandCommand = "command"
	ConfigVariable = "VEDETTE_CONFIG_FD"
)

// ValidateCommand is the argument with which a plugin whose manifest says that it validates reads the configuration of an
// instance as JSON, in the form of ConfigureRequest.config, on standard input, and prints a JSON list of Problems with
// the keys path, summary and detail. It exits with 0 also when it found some; it must not change anything.
const ValidateCommand = "validate"
