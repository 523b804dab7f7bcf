package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/agext/levenshtein"
	"github.com/hashicorp/hcl/v2"
)

// DidYouMean suggests the choice that is a typing mistake away, as a sentence with a space before it. It is empty if none is.
func DidYouMean(given string, choices []string) string { return didYouMean(given, choices) }

// didYouMean suggests the choice that is a typing mistake away.
func didYouMean(given string, choices []string) string {
	best, distance := "", 3
	for _, c := range choices {
		if n := levenshtein.Distance(strings.ToLower(given), strings.ToLower(c), nil); n < distance && n < len([]rune(c)) {
			best, distance = c, n
		}
	}
	if best == "" {
		// A word that only lacks its end or its beginning is far away and meant all the same.
		for _, c := range choices {
			if len(given) > 2 && (strings.HasPrefix(c, given) || strings.HasPrefix(given, c)) {
				best = c
				break
			}
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" Did you mean %q?", best)
}

// near reports whether a name is a typing mistake away from another one.
func near(given, name string) bool { return didYouMean(given, []string{name}) != "" }

// suggestAttribute adds what an object has to the complaint about what it does not have.
func suggestAttribute(diag *hcl.Diagnostic) {
	name := quotedName.FindStringSubmatch(diag.Detail)
	if name == nil || diag.Expression == nil || diag.EvalContext == nil {
		return
	}
	switch diag.Summary {
	case "Unsupported attribute":
		for _, t := range diag.Expression.Variables() {
			for i := len(t) - 1; i > 0; i-- {
				v, diags := t[:i].TraverseAbs(diag.EvalContext)
				if !diags.HasErrors() && !v.IsMarked() && v.Type().IsObjectType() && !v.Type().HasAttribute(name[1]) {
					diag.Detail += didYouMean(name[1], sortedKeys(v.Type().AttributeTypes()))
					return
				}
			}
		}
	case "Unknown variable":
		if name[1] == "each" {
			diag.Detail += " In a dynamic block the element is named after the block's type, as in target.key and target.value."
		}
	}
}

func capital(text string) string {
	if text == "" {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// sentence makes a text of somebody else's a sentence.
func sentence(text string) string {
	return ended(capital(strings.TrimSpace(text)))
}

// ended puts a full stop behind a text that has none.
func ended(text string) string {
	if text != "" && !strings.ContainsAny(text[len(text)-1:], ".!?") {
		text += "."
	}
	return text
}

// printable replaces what could move a terminal's cursor or change its colours.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) || r == '\t' || r == '\n' {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

var (
	missingLabel  = regexp.MustCompile(`^All (\S+) blocks must have \d+ labels? \((.*)\)\.$`)
	surplusLabel  = regexp.MustCompile(`^(?:Only \d+ labels? \((.*)\) (?:is|are) expected for (\S+) blocks|No labels are expected for (\S+) blocks)\.$`)
	badParameter  = regexp.MustCompile(`^Invalid value for "[^"]*" parameter: `)
	failedCall    = regexp.MustCompile(`^Call to function "([^"]*)" failed: `)
	iterableValue = "An iterable collection is required."
)

// reword says what HCL says in a library's words in those of a configuration.
func reword(diag *hcl.Diagnostic) {
	detail := diag.Detail
	switch {
	case diag.Summary == "Variables not allowed":
		diag.Detail = "Nothing can be referred to here. Defaults and the values of variables may call functions; " +
			"what is made from variables belongs into a locals block."
	case missingLabel.MatchString(detail):
		m := missingLabel.FindStringSubmatch(detail)
		diag.Detail = fmt.Sprintf("A %s block needs a label, its %s: %s \"NAME\" { … }", m[1], m[2], m[1])
		if m[1] == "notifier" {
			diag.Detail = "A notifier block needs two labels, its type and its name: notifier \"TYPE\" \"NAME\" { … }"
		}
	case surplusLabel.MatchString(detail):
		m := surplusLabel.FindStringSubmatch(detail)
		if m[2] == "notifier" {
			diag.Detail = "A notifier block has two labels, its type and its name: notifier \"TYPE\" \"NAME\" { … }"
		} else if m[3] != "" {
			diag.Detail = fmt.Sprintf("A %s block has no label: %s { … }", m[3], m[3])
		} else {
			diag.Detail = fmt.Sprintf("A %s block has one label, its %s: %s \"NAME\" { … }", m[2], m[1], m[2])
		}
	case badParameter.MatchString(detail):
		diag.Detail = sentence(badParameter.ReplaceAllString(detail, ""))
	case failedCall.MatchString(detail):
		diag.Detail = failedCall.ReplaceAllString(detail, "$1: ")
	case strings.HasPrefix(detail, "The keyword ") && diag.Summary == "Invalid type specification":
		if name := quotedName.FindStringSubmatch(detail); name != nil {
			diag.Detail += didYouMean(name[1], []string{"string", "number", "bool", "any", "list", "set", "map", "object", "tuple"})
		}
	case strings.HasSuffix(detail, iterableValue):
		diag.Detail = strings.TrimSuffix(detail, iterableValue) + "A list, set, map or object is required."
	}
	diag.Summary, diag.Detail = shortened(diag.Summary), shortened(printable(diag.Detail))
}

// maxSaid is how many characters of what is said of one mistake are shown: what is wrong may be a value of any length.
const maxSaid = 2000

// shortened leaves out the middle of a long text: what is wrong stands before it, and the mend behind.
func shortened(text string) string {
	if len(text) <= maxSaid {
		return text
	}
	runes := []rune(text)
	if len(runes) <= maxSaid {
		return text
	}
	return string(runes[:maxSaid/2]) + " … " + string(runes[len(runes)-maxSaid/2:])
}
