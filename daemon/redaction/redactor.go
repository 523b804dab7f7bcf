// Package redaction takes secrets out of texts that come from elsewhere: a plugin may repeat what it was given.
package redaction

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Mark stands where a secret was.
const Mark = "(sensitive value)"

// short is the length below which a secret is hidden only where it stands as a word: not every "a" of a text is the secret.
const short = 4

// Secrets are secrets. They are values that can be compared; a Redactor is made of them once where there are many texts.
type Secrets []string

// Redact takes the secrets out of a text.
func (t Secrets) Redact(text string) string {
	h := NewRedactor(t)
	return h.Redact(text)
}

// Redactor takes secrets out of texts. It is safe for concurrent use; nil leaves all as it is.
type Redactor struct {
	forms *strings.Replacer
	words *regexp.Regexp
}

// NewRedactor makes one. It is nil if there are no secrets.
func NewRedactor(all Secrets) *Redactor {
	var forms, words []string
	for _, s := range all {
		switch {
		case s == "":
		case len(s) < short:
			words = append(words, regexp.QuoteMeta(s))
		default:
			forms = append(forms, s, strings.Trim(fmt.Sprintf("%q", s), `"`), url.QueryEscape(s), url.PathEscape(s))
			// One of many lines may be printed line by line, with something between them.
			for line := range strings.Lines(s) {
				if line = strings.TrimSpace(line); len(line) >= 2*short {
					forms = append(forms, line)
				}
			}
		}
	}
	if len(forms)+len(words) == 0 {
		return nil
	}
	h := new(Redactor)
	if len(forms) > 0 {
		// The longest first: one secret may be a part of another.
		slices.SortFunc(forms, func(a, b string) int { return len(b) - len(a) })
		var pairs []string
		for _, form := range slices.Compact(forms) {
			pairs = append(pairs, form, Mark)
		}
		h.forms = strings.NewReplacer(pairs...)
	}
	if len(words) > 0 {
		slices.SortFunc(words, func(a, b string) int { return len(b) - len(a) })
		h.words = regexp.MustCompile(`(^|[^\pL\pN])(?:` + strings.Join(words, "|") + `)($|[^\pL\pN])`)
	}
	return h
}

// Redact takes the secrets out of a text.
func (h *Redactor) Redact(text string) string {
	if h == nil {
		return text
	}
	if h.forms != nil {
		text = h.forms.Replace(text)
	}
	if h.words != nil {
		text = h.words.ReplaceAllString(text, "${1}"+Mark+"${2}")
	}
	return text
}
