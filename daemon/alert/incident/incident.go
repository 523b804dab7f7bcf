// Package incident is what an alert makes known: an incident from its first bad sample to its end, what each channel was told
// of it, the notices that are on their way, and the silences that keep it quiet. All of it is kept on disk as JSON.
package incident

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"maps"
	"strings"
	"time"
)

// State is what an incident is.
type State string

// The states of an incident.
const (
	Firing State = "firing"
	// Flapping is one that begins and ends too often to be told of each time.
	Flapping State = "flapping"
	Resolved State = "resolved"
	// Event is one that has happened: it does not resolve.
	Event State = "event"
)

// Open says that it may still be told of something new.
func (s State) Open() bool { return s == Firing || s == Flapping }

// Incident is an episode of an alert: of one instance, from when it fires until it resolves.
type Incident struct {
	// ID is the same for everybody who saw the same samples, and differs from that of every other episode.
	ID    string `json:"id"`
	Alert string `json:"alert"`
	// Key is the values of the alert's by, with a NUL between them; Tags are the same by their names.
	Key  string            `json:"key"`
	Tags map[string]string `json:"tags,omitempty"`
	// Labels are those that the alert gives.
	Labels   map[string]string `json:"labels,omitempty"`
	Severity string            `json:"severity"`
	// Level is the place of the severity among the alert's levels.
	Level int   `json:"level"`
	State State `json:"state"`
	// Fired and Resolved are times of samples, or of the clock if there was none. Changed is when the daemon last noted a change.
	Fired    time.Time `json:"fired"`
	Resolved time.Time `json:"resolved,omitzero"`
	Changed  time.Time `json:"changed"`
	// Reason says why it is what it is.
	Reason string `json:"reason,omitempty"`
	// Value is what the condition is about; nil if that is not known. Recent are the latest values, oldest first.
	Value  *float64  `json:"value,omitempty"`
	Recent []float64 `json:"recent,omitempty"`
	Bad    int       `json:"bad,omitempty"`
	Of     int       `json:"of,omitempty"`
	// LastSample is when the last sample came, and Stale that none came for much longer than usual, when it was told.
	LastSample time.Time `json:"last_sample,omitzero"`
	Stale      bool      `json:"stale,omitempty"`
	// Count is how many events it stands for.
	Count   int    `json:"count,omitempty"`
	Summary string `json:"summary"`
	Detail  string `json:"detail,omitempty"`
	Link    string `json:"link,omitempty"`
	// Test says that somebody has fired it to try its way.
	Test bool `json:"test,omitempty"`
	// Ack says that somebody has taken it.
	Ack *Ack `json:"ack,omitempty"`
	// Suppressed says what keeps it from being told now. Quiet is when it was last suppressed, and QuietBy by what: it is told only
	// if it was seen to be bad since.
	Suppressed []Suppression `json:"suppressed,omitempty"`
	Quiet      time.Time     `json:"quiet,omitzero"`
	QuietBy    string        `json:"quiet_by,omitempty"`
	// Told is what each channel was told.
	Told map[string]*Told `json:"told,omitempty"`
	// Threads are the threads of its groups, by the groups.
	Threads map[string]string `json:"threads,omitempty"`
	// Log is what has happened to it, oldest first; what is too much is left out of the middle.
	Log []Entry `json:"log,omitempty"`
}

// Ack is who has taken an incident. It ends with a rise of the level, or at Until if that is not zero.
type Ack struct {
	By     string    `json:"by"`
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at"`
	Until  time.Time `json:"until,omitzero"`
}

// Suppression is something that keeps an incident from being told.
type Suppression struct {
	// Kind is silence, maintenance, inhibit or unfed; Name which one, and By who made it.
	Kind string `json:"kind"`
	Name string `json:"name"`
	By   string `json:"by,omitempty"`
}

func (s Suppression) String() string {
	text := s.Kind + " " + s.Name
	if s.By != "" {
		text += " by " + s.By
	}
	return text
}

// Told is what a channel was told, or is about to be.
type Told struct {
	State State     `json:"state"`
	Level int       `json:"level"`
	At    time.Time `json:"at"`
	// Times is how often it was told that the incident fires, and Step with which step it began.
	Times int `json:"times"`
	Step  int `json:"step,omitempty"`
	// Group is the group in which it was told, which ends it too.
	Group string `json:"group,omitempty"`
	// Pending says that the notice is on its way, and Failed that the last one was given up. Heard says that one has arrived.
	Pending bool `json:"pending,omitempty"`
	Failed  bool `json:"failed,omitempty"`
	Heard   bool `json:"heard,omitempty"`
}

// Entry is something that has happened to an incident.
type Entry struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// keptLog bounds the log of an incident.
const keptLog = 60

// Note adds to the log.
func (i *Incident) Note(at time.Time, text string) {
	if len(i.Log) >= keptLog {
		i.Log = append(i.Log[:keptLog/2], i.Log[keptLog/2+1:]...)
	}
	i.Log = append(i.Log, Entry{at, text})
}

// Match are the labels that conditions see: those of the alert, the tags, the alert's name and the severity.
func (i *Incident) Match() map[string]string {
	all := make(map[string]string, len(i.Labels)+len(i.Tags)+2)
	maps.Copy(all, i.Labels)
	maps.Copy(all, i.Tags)
	all["alert"], all["severity"] = i.Alert, i.Severity
	return all
}

// Outstanding reports whether a notice is still to arrive.
func (i *Incident) Outstanding() bool {
	for _, t := range i.Told {
		if t.Pending {
			return true
		}
	}
	return false
}

// ID is the identity of an episode.
func ID(alert, key string, fired time.Time) string {
	h := sha256.New()
	h.Write([]byte(alert + "\x00" + key + "\x00"))
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(fired.UnixMilli())))
	return strings.ToLower(base32.StdEncoding.EncodeToString(h.Sum(nil))[:13])
}

// Silence keeps incidents quiet for a time.
type Silence struct {
	ID string `json:"id"`
	// Match is a condition on labels.
	Match   string    `json:"match"`
	Author  string    `json:"author"`
	Reason  string    `json:"reason"`
	Created time.Time `json:"created"`
	// Until is when it ends. Expired is when somebody has ended it before.
	Until   time.Time `json:"until"`
	Expired time.Time `json:"expired,omitzero"`
	// Incidents end it once all of them have resolved, if there are any.
	Incidents []string `json:"incidents,omitempty"`
	// Hits is how many incidents it has kept quiet.
	Hits int `json:"hits"`
}

// Active says that it holds.
func (s *Silence) Active(now time.Time) bool { return s.Expired.IsZero() && now.Before(s.Until) }
