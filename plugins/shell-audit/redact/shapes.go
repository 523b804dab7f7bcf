package redact

import "strings"

// shape is a secret that is known by how it looks.
type shape struct {
	prefix string
	least  int    // characters after the prefix
	extra  string // characters beside letters and digits
}

var shapes = []shape{
	{"AKIA", 16, ""}, {"ASIA", 16, ""}, {"ABIA", 16, ""}, {"ACCA", 16, ""}, // AWS
	{"AIza", 30, "-_"}, // Google
	{"ghp_", 20, ""}, {"gho_", 20, ""}, {"ghu_", 20, ""}, {"ghs_", 20, ""}, {"ghr_", 20, ""}, {"github_pat_", 20, "_"},
	{"glpat-", 16, "-_."}, {"gldt-", 16, "-_."}, {"glrt-", 16, "-_."},
	{"xoxa-", 10, "-"}, {"xoxb-", 10, "-"}, {"xoxe-", 10, "-"}, {"xoxp-", 10, "-"}, {"xoxr-", 10, "-"}, {"xoxs-", 10, "-"}, // Slack
	{"xapp-", 10, "-"}, {"hooks.slack.com/services/", 10, "/"},
	{"eyJ", 20, "-_."}, // a JWT
	{"sk_live_", 10, ""}, {"rk_live_", 10, ""}, {"sk-proj-", 16, "-_"}, {"sk-ant-", 16, "-_"}, {"sk-", 20, ""},
	{"npm_", 30, ""}, {"pypi-AgEI", 20, "-_"}, {"hvs.", 20, "-_"}, {"hvb.", 20, "-_"}, {"dckr_pat_", 16, "-_"},
	{"dop_v1_", 30, ""}, {"SG.", 30, "-_."}, {"AGE-SECRET-KEY-1", 30, ""},
}

// mostWithout is how far a shape is followed that may still turn out to be none.
const mostWithout = 256

// shapeAt returns where the secret ends that begins at i, or 0.
func (f *finder) shapeAt(i int) int {
	for _, shape := range shapes {
		if f.s[i] != shape.prefix[0] || !strings.HasPrefix(f.s[i:], shape.prefix) {
			continue
		}
		from := i + len(shape.prefix)
		end, dots := from, 0
		for end < len(f.s) && (isAlnum(f.s[end]) || strings.IndexByte(shape.extra, f.s[end]) >= 0) {
			f.work++
			if f.s[end] == '.' {
				dots++
			}
			if end++; end-from > mostWithout && (dots == 0 && shape.prefix == "eyJ" || shape.extra == "" && shape.least == 16) {
				break
			}
		}
		switch {
		case end-from < shape.least:
		case shape.prefix == "eyJ" && dots == 0:
		case shape.least == 16 && shape.extra == "" && (end-from != 16 || !isUpper(f.s[from:end])): // AWS
		default:
			return end
		}
	}
	return 0
}

func isUpper(s string) bool {
	for i := range len(s) {
		if s[i] >= 'a' && s[i] <= 'z' {
			return false
		}
	}
	return true
}

// pemAt returns the key's text within the private key that begins at i with its dashes: to its end line, or all.
func (f *finder) pemAt(i int) (from, to int) {
	const begin, end = "-----BEGIN ", "-----END "
	if !strings.HasPrefix(f.s[i:], begin) {
		return 0, 0
	}
	head := f.s[i+len(begin) : min(len(f.s), i+len(begin)+60)]
	n := strings.Index(head, "-----")
	if n < 0 || !strings.Contains(head[:n], "PRIVATE KEY") {
		return 0, 0
	}
	from = i + len(begin) + n + len("-----")
	if n := strings.Index(f.s[from:], end); n >= 0 {
		f.work += n
		return from, from + n
	}
	f.work += len(f.s) - from
	return from, len(f.s)
}
