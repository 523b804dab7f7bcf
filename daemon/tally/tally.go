// Package tally counts what has gone wrong by its reason, for a status that people read. A reason may hold text of whoever is
// to blame, and that must not make endless reasons: names, numbers and the like are left out of it, it is cut, and when
// there are too many all further ones count as one.
package tally

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

const (
	// most is how many reasons are kept apart.
	most = 32
	// shown is how many of them Top returns.
	shown = 8
	// longest is how many bytes of a reason, and of its last example, are kept.
	longest = 200
)

// Other is the reason of what is not kept apart.
const Other = "other reasons"

// Entry is a reason and how often it came.
type Entry struct {
	Reason string `json:"reason"`
	Count  uint64 `json:"count"`
	// Last is the newest of these.
	Last string `json:"last"`
}

// Tally counts by reason. Its zero value is empty. It is not safe for concurrent use.
type Tally struct {
	entries []Entry
}

// Add counts a reason.
func (t *Tally) Add(reason string) {
	// What comes again and again is the same text most often.
	for i := range t.entries {
		if e := &t.entries[i]; e.Last == reason {
			e.Count++
			return
		}
	}
	last := cut(reason)
	reason = General(last)
	i := slices.IndexFunc(t.entries, func(e Entry) bool { return e.Reason == reason })
	if i < 0 && len(t.entries) >= most {
		reason = Other
		i = slices.IndexFunc(t.entries, func(e Entry) bool { return e.Reason == Other })
	}
	if i < 0 {
		t.entries = append(t.entries, Entry{Reason: reason})
		i = len(t.entries) - 1
	}
	t.entries[i].Count++
	t.entries[i].Last = last
}

// Top returns the most frequent reasons, the most frequent first, and all others as one.
func (t *Tally) Top() []Entry {
	all := slices.Clone(t.entries)
	slices.SortStableFunc(all, func(a, b Entry) int {
		if (a.Reason == Other) != (b.Reason == Other) {
			return cmp.Compare(index(a.Reason == Other), index(b.Reason == Other))
		}
		return cmp.Compare(b.Count, a.Count)
	})
	if len(all) <= shown {
		return all
	}
	rest := Entry{Reason: Other, Last: all[shown].Last}
	for _, e := range all[shown:] {
		rest.Count += e.Count
	}
	return append(all[:shown:shown], rest)
}

func index(last bool) int {
	if last {
		return 1
	}
	return 0
}

// varying is what differs between two cases of one reason: quoted texts, also those that were cut, sums in hexadecimal, and numbers.
// A name such as SHA256 is found too, and stays.
var varying = regexp.MustCompile(`"(?:[^"\\]|\\.)*"…?|\b[A-Z]+\d{1,3}\b|\b[0-9a-f]{16,}\b|\d+(?:\.\d+)?`)

// General is a reason without what varies.
func General(reason string) string {
	return varying.ReplaceAllStringFunc(reason, func(found string) string {
		switch c := found[0]; {
		case c == '"':
			return `"…"`
		case c >= 'A' && c <= 'Z':
			return found
		}
		return "N"
	})
}

func cut(text string) string {
	if len(text) > longest {
		return strings.ToValidUTF8(text[:longest], "") + "…"
	}
	return text
}
