package template

import (
	"regexp"
	"slices"
	"strings"
)

// mask stands for a secret.
const mask = "***"

// word is a value on a command line or in a header, in quotes or without.
const word = `(?:"[^"\n]*"?|'[^'\n]*'?|[^\s"']\S*)`

// secretName is the end of the name of something secret.
const secretName = `(?:passwords?|passwd|passphrase|pwd|secrets?|tokens?|credentials?|(?:api|access|private|secret)[_-]?key)`

var (
	userinfo      = regexp.MustCompile(`(://[^/\s:@"']*):[^/\s@"']+@`)
	authorization = regexp.MustCompile(`(?i)(\b(?:proxy-)?authorization["']?\s*[:=]\s*)[^"'\n]+`)
	assigned      = regexp.MustCompile(`(?i)(` + secretName + `["']?\s*[=:]\s*)(?:"[^"\n]*"?|'[^'\n]*'?|[^\s"'&;,]+)`)
	given         = regexp.MustCompile(`(?i)((?:^|\s)--?[\w-]*` + secretName + `\s+)` + word)
	short         = regexp.MustCompile(`(^|\s)-p` + word)
	accessKey     = regexp.MustCompile(`\b(?:AKIA|ASIA|AGPA|AIDA|AROA|ANPA|ANVA|ABIA|ACCA)[A-Z0-9]{16}\b`)
	secretKey     = regexp.MustCompile(`[A-Za-z0-9/+]{40,}`)
)

// notPasswords are options of common commands that begin with -p.
var notPasswords = []string{"-path", "-perm", "-print", "-print0", "-printf", "-prune", "-pthread", "-pr", "-pv", "-pR"}

// redact masks what looks like a secret. It is for lines that people typed: what it does not know stays, so it lessens what a notice
// gives away and promises nothing.
func redact(text string) string {
	text = authorization.ReplaceAllString(text, "${1}"+mask)
	text = userinfo.ReplaceAllString(text, "${1}:"+mask+"@")
	text = assigned.ReplaceAllString(text, "${1}"+mask)
	text = given.ReplaceAllString(text, "${1}"+mask)
	text = short.ReplaceAllStringFunc(text, func(found string) string {
		option := strings.TrimSpace(found)
		if slices.Contains(notPasswords, option) {
			return found
		}
		return found[:len(found)-len(option)] + "-p" + mask
	})
	text = accessKey.ReplaceAllString(text, mask)
	return secretKey.ReplaceAllStringFunc(text, func(found string) string {
		if len(found) == 40 && strings.ContainsAny(found, "0123456789") && strings.ToLower(found) != found && strings.ToUpper(found) != found {
			return mask
		}
		return found
	})
}
