package rule

import (
	"fmt"
	"time"

	"github.com/vedette-monitor/vedette/daemon/point"
)

// State is what an instance is.
type State uint8

// The states of an instance.
const (
	OK State = iota
	// Pending is one with a bad sample that does not fire yet.
	Pending
	Firing
)

func (s State) String() string { return [...]string{"ok", "pending", "firing"}[s] }

// MarshalText writes it as a word.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the word.
func (s *State) UnmarshalText(text []byte) error {
	for _, known := range []State{OK, Pending, Firing} {
		if string(text) == known.String() {
			*s = known
			return nil
		}
	}
	return fmt.Errorf("%q is none of ok, pending and firing", text)
}

// Reason is why there is a transition.
type Reason uint8

// The reasons.
const (
	// Bad is a sample that the condition is true for.
	Bad Reason = iota
	// Worse is a higher level than the one that fires.
	Worse
	// Good is a sample after which the instance is well again.
	Good
	// Silent is that nothing was heard of the instance for as long as the rule says, and Heard the end of that.
	Silent
	Heard
	// Forgotten is that nothing was heard of it for so long that it is dropped.
	Forgotten
	// Happened is an event. More tells how many there were since the last one that was told.
	Happened
	More
	// FlapBegins is that the instance changes too often to be told of each time, and FlapEnds that it is calm again. Neither changes
	// the state.
	FlapBegins
	FlapEnds
	// Broken is that the condition is unknown again and again: most likely a field has another name now. Mended is the end of
	// that. Neither changes the state. Without values it is the condition in where.
	Broken
	Mended
	// Full is that there are as many instances as the rule may have. Others are refused, and those that exist go on.
	Full
)

var reasons = [...]string{
	Bad: "bad", Worse: "worse", Good: "good", Silent: "silent", Heard: "heard", Forgotten: "forgotten", Happened: "happened", More: "more",
	FlapBegins: "flap begins", FlapEnds: "flap ends", Broken: "broken", Mended: "mended", Full: "full",
}

func (r Reason) String() string { return reasons[r] }

// Transition is what became of an instance.
type Transition struct {
	Rule *Rule
	// Key names the instance, for State: it is the values with a NUL between them.
	Key string
	// Values are those of the tags in the rule's by.
	Values   []string
	From, To State
	Reason   Reason
	// Level is the one that fires, or that fired before this.
	Level int
	// At is the time of the sample, or of the clock if there was none; Fired that of the sample or moment that made it fire.
	At, Fired time.Time
	// Value is what the condition of the level is about, or NaN.
	Value float64
	// Bad of Of samples were bad; with a quorum these are voters, of those that have a vote.
	Bad, Of int
	// Who are the voters that are bad, in order, where there is a quorum.
	Who []string
	// Recent are the last values of what the condition is about, the newest last.
	Recent []float64
	// Sample is a copy of the point that has led to this; that of the newest event if it tells of several. Where the clock alone decided
	// there is none. Transitions of one point share it.
	Sample *point.Point
	// Count is how many events there were.
	Count int
	// Flapping says that the instance flaps, so that nobody is told of this transition but by FlapBegins and FlapEnds.
	Flapping bool
}
