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

// Redactor takes secrets out of texts. It is safe for concurrent use; nil leaves all as it is.
type Redactor struct {
	forms *strings.Replacer
	words *regexp.Regexp
}

// NewRedactor makes one of secrets. It is nil if there are none.
func NewRedactor(all []string) *Redactor {
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
	r := new(Redactor)
	if len(forms) > 0 {
		// The longest first: one secret may be a part of another.
		slices.SortFunc(forms, func(a, b string) int { return len(b) - len(a) })
		var pairs []string
		for _, form := range forms {
			pairs = append(pairs, form, Mark)
		}
		r.forms = strings.NewReplacer(pairs...)
	}
	if len(words) > 0 {
		slices.SortFunc(words, func(a, b string) int { return len(b) - len(a) })
		r.words = regexp.MustCompile(`(^|[^\pL\pN])(?:` + strings.Join(words, "|") + `)($|[^\pL\pN])`)
	}
	return r
}

// Redact takes the secrets out of a text.
func (r *Redactor) Redact(text string) string {
	if r == nil {
		return text
	}
	if r.forms != nil {
		text = r.forms.Replace(text)
	}
	if r.words != nil {
		// Twice: what parts a word from the next one belongs to the first.
		for range 2 {
			text = r.words.ReplaceAllString(text, "${1}"+Mark+"${2}")
		}
	}
	return text
}
