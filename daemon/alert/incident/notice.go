package incident

import (
	"slices"
	"strings"
	"time"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

// Notice is what a channel is to be told: it is kept until it has arrived, or is given up.
type Notice struct {
	// ID is the same on every attempt.
	ID      string    `json:"id"`
	Channel string    `json:"channel"`
	Thread  string    `json:"thread"`
	Kind    wire.Kind `json:"kind"`
	Step    int       `json:"step,omitempty"`
	// Items are the incidents that it tells of, as they were. Of more than a notice can hold the rest are counted.
	Items []Item `json:"items"`
	// Also is how many incidents one of these keeps quiet.
	Also int `json:"also,omitempty"`

	Created time.Time `json:"created"`
	// Waited is how long it had waited when it was written last, and Since from when on it has since: a clock that is set changes
	// neither.
	Waited time.Duration `json:"waited,omitempty"`
	Since  time.Time     `json:"-"`
	// NotBefore is when the next attempt is due.
	NotBefore time.Time `json:"not_before,omitzero"`
	Attempts  int       `json:"attempts,omitempty"`
	// Sending says that an attempt is under way: what is found so after a crash may have arrived.
	Sending bool `json:"sending,omitempty"`
	// MayRepeat says that an earlier attempt may have arrived.
	MayRepeat bool `json:"may_repeat,omitempty"`
	// Recipients are those who still lack it, if others have it already.
	Recipients []string `json:"recipients,omitempty"`
	// InPlaceOf is the channel that could not deliver it, and FellBack says that this one could not, and its fallback has it too.
	InPlaceOf string `json:"in_place_of,omitempty"`
	FellBack  bool   `json:"fell_back,omitempty"`
	// LastOutcome, LastCode and LastError are of the last attempt.
	LastOutcome string `json:"last_outcome,omitempty"`
	LastCode    string `json:"last_code,omitempty"`
	LastError   string `json:"last_error,omitempty"`
	// GivenUp is when and why it was: then it is a dead letter.
	GivenUp time.Time `json:"given_up,omitzero"`
	Why     string    `json:"why,omitempty"`
	Test    bool      `json:"test,omitempty"`
}

// Age is how long it has waited.
func (n *Notice) Age(now time.Time) time.Duration {
	if n.Since.IsZero() {
		n.Since = now
	}
	return n.Waited + max(0, now.Sub(n.Since))
}

// Late reports whether it tells of something that was over before it could be told.
func (n *Notice) Late() bool {
	return slices.ContainsFunc(n.Items, func(i Item) bool { return i.Late })
}

// Item is an incident in a notice.
type Item struct {
	Incident Incident  `json:"incident"`
	Kind     wire.Kind `json:"kind"`
	// Ended says which suppression kept it from being told until now.
	Ended string `json:"ended,omitempty"`
	// Late says that it fired and ended before it could be told.
	Late bool `json:"late,omitempty"`
}

// Snapshot is the incident as it is now, without what only the daemon needs to know of it.
func (i *Incident) Snapshot() Incident {
	s := *i
	s.Told, s.Threads, s.Log, s.Suppressed = nil, nil, nil, nil
	return s
}

// KindName is a kind as it is stored: firing, flapping_ended.
func KindName(k wire.Kind) string { return strings.ToLower(strings.TrimPrefix(k.String(), "KIND_")) }

// KindWord is a kind for people: flapping ended.
func KindWord(k wire.Kind) string { return strings.ReplaceAll(KindName(k), "_", " ") }
