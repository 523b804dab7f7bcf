package redact

import (
	"slices"
	"strings"
)

// longestName bounds what is looked at of a name: its end.
const longestName = 64

var (
	// A name with one of these at its end has a secret as its value.
	secretEnds = []string{
		"password", "passwd", "passphrase", "secret", "secrets", "token", "apikey", "api_key", "access_key", "accesskey",
		"secret_key", "secretkey", "private_key", "privatekey", "auth_key", "authkey", "encryption_key", "signing_key",
		"master_key", "account_key", "accountkey", "shared_key", "sharedkey", "storage_key", "session_key", "license_key",
		"credential", "credentials", "authorization", "cookie", "_auth", "_signature",
	}
	// So has a name with one of these anywhere,
	secretParts = []string{"passw", "passphrase", "secret", "credential"}
	// unless it ends with one of these: then it tells of a secret, or where one is.
	otherEnds = []string{
		"file", "path", "dir", "name", "prompt", "prompts", "authentication", "policy", "helper", "type", "length", "ttl",
		"timeout", "expiry", "expires", "expiration", "age", "count", "stdin", "store", "manager", "url", "uri", "ref", "fd",
		"command", "program", "label", "mode", "only", "algorithm", "reset", "version", "format", "generator", "id", "ids",
		"class", "names", "provider", "managers", "operator", "checker", "quality", "strength",
	}
	// A name with one of these at its beginning is a switch.
	switches = []string{
		"no_", "with_", "without_", "enable_", "disable_", "require_", "skip_", "ask_", "use_", "show_", "allow_",
		"reset_", "change_", "force_", "prompt_",
	}
	// These end with "pass" and mean no password.
	passages = []string{"bypass", "compass", "trespass", "surpass", "overpass", "underpass"}
)

// isSecret says whether the value of what has this name is a secret.
func isSecret(name string) bool {
	if name == "PWD" || name == "OLDPWD" {
		return false
	}
	if len(name) > longestName {
		name = name[len(name)-longestName:]
	}
	var room [longestName]byte
	low := room[:0]
	for i := range len(name) {
		c := toLower(name[i])
		if c == '-' || c == '.' {
			c = '_'
		}
		low = append(low, c)
	}
	n := string(low) // does not escape, and so is not allocated
	n = strings.TrimLeft(n, "_")
	for len(n) > 0 && (n[len(n)-1] >= '0' && n[len(n)-1] <= '9' || n[len(n)-1] == '_') {
		n = n[:len(n)-1]
	}
	ends := func(end string) bool { return strings.HasSuffix(n, end) }
	if slices.ContainsFunc(switches, func(s string) bool { return strings.HasPrefix(n, s) }) {
		return false
	}
	// HashiCorp's secret_id is one; the --secret-id of AWS is a name.
	if slices.ContainsFunc(secretEnds, ends) || ends("secret_id") && strings.HasSuffix(name, "_id") {
		return true
	}
	last := n[strings.LastIndexByte(n, '_')+1:]
	switch last {
	case "auth":
		return n == "auth" && name[0] == '_'
	case "pw", "psw", "sig":
		return true
	}
	if strings.HasSuffix(last, "pass") || strings.HasSuffix(last, "pwd") {
		return !slices.ContainsFunc(passages, ends)
	}
	return slices.ContainsFunc(secretParts, func(part string) bool { return strings.Contains(n, part) }) &&
		!slices.ContainsFunc(otherEnds, ends)
}

// plainValues are what a switch with such a name is set to.
var plainValues = []string{"yes", "no", "true", "false", "on", "off", "none", "null", "nil"}

// directories are what a path begins with, and a key in base64 hardly.
var directories = []string{
	"/etc/", "/home/", "/root/", "/usr/", "/var/", "/tmp/", "/opt/", "/srv/", "/run/", "/mnt/", "/dev/", "/media/", "/proc/",
	"~/", "./", "../", "@/", "@~/", "@./", "file:", "env:", "fd:",
}

// isHarmless says whether a value stands for a secret, and is none. quote is what it is quoted with, or 0.
func isHarmless(value string, quote byte) bool {
	if slices.ContainsFunc(plainValues, func(v string) bool { return len(v) == len(value) && hasFold(value, v) }) {
		return true
	}
	if slices.ContainsFunc(directories, func(d string) bool { return strings.HasPrefix(value, d) }) {
		return true
	}
	return quote != '\'' && isReference(value)
}

// isReference says whether a shell would put something else in the place of all of value.
func isReference(value string) bool {
	if value == "" {
		return false
	}
	for value != "" {
		switch {
		case value[0] == '`', strings.HasPrefix(value, "$("), strings.HasPrefix(value, "<("):
			return true // what runs within is looked at as a command of its own
		case value[0] != '$' || len(value) < 2:
			return false
		}
		value = value[1:]
		if value[0] == '{' {
			end := strings.IndexByte(value, '}')
			if end < 0 || strings.ContainsAny(value[:end], "-=+") {
				return false // ${NAME:-secret}
			}
			value = value[end+1:]
			continue
		}
		n := 0
		for n < len(value) && (isAlnum(value[n]) || value[n] == '_') {
			n++
		}
		if n == 0 {
			return false
		}
		value = value[n:]
	}
	return true
}
