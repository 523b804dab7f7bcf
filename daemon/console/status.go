package console

import (
	"time"

	"github.com/vedette-monitor/vedette/daemon/tally"
)

// Status is what the daemon says of itself. Times are RFC 3339 in UTC; durations are seconds.
type Status struct {
	Version string            `json:"version"`
	Pid     int               `json:"pid"`
	Started time.Time         `json:"started"`
	Tags    map[string]string `json:"tags"`
	DataDir string            `json:"data_dir"`
	Health  string            `json:"health_url"`
	// Problem says why points are not put on disk, if they are not.
	Problem  string   `json:"problem,omitempty"`
	Plugins  []Plugin `json:"plugins"`
	Queue    Queue    `json:"queue"`
	InfluxDB InfluxDB `json:"influxdb"`
	Alerts   Alerts   `json:"alerts"`
}

// Alerts are how many incidents there are and what becomes of their notices.
type Alerts struct {
	Rules      int `json:"rules"`
	Firing     int `json:"firing"`
	Suppressed int `json:"suppressed"`
	Acked      int `json:"acked"`
	// Waiting notices are on their way, and Failing are the channels that take none.
	Waiting int      `json:"waiting"`
	Failing []string `json:"failing,omitempty"`
	// Problem says why nothing is told, if nothing is.
	Problem string `json:"problem,omitempty"`
}

// Plugin is the state of a plugin.
type Plugin struct {
	Name     string    `json:"name"`
	Source   string    `json:"source"`
	Version  string    `json:"version"`
	State    string    `json:"state"`
	Since    time.Time `json:"since"`
	Cause    string    `json:"cause,omitempty"`
	Pid      int       `json:"pid,omitempty"`
	Restarts int       `json:"restarts"`
	// Points were accepted, and Refused were not, since the daemon started.
	Points        uint64 `json:"points"`
	Refused       uint64 `json:"refused"`
	RefusedReason string `json:"refused_reason,omitempty"`
	DroppedFields uint64 `json:"dropped_fields"`
	SkippedTicks  uint64 `json:"skipped_ticks"`
	// DroppedPoints the plugin has dropped itself, because nobody took them in time, since its session began.
	DroppedPoints uint64 `json:"dropped_points"`
	// LostLines of its log were dropped or cut.
	LostLines uint64 `json:"lost_lines"`
	// Reasons are why points were refused or fields left out, Ends why processes of the plugin have ended: the most
	// frequent first.
	Reasons []tally.Entry `json:"reasons,omitempty"`
	Ends    []tally.Entry `json:"ends,omitempty"`
}

// Queue is what waits on disk for InfluxDB: both lanes together, and each.
type Queue struct {
	Lane
	// MaxBytes bounds DiskBytes.
	MaxBytes int64 `json:"max_bytes"`
	Samples  Lane  `json:"samples"`
	Records  Lane  `json:"records"`
}

// Lane is a part of the queue. Records tell what people and rules did; samples are all other points.
type Lane struct {
	Points    uint64  `json:"points"`
	Bytes     int64   `json:"bytes"`
	DiskBytes int64   `json:"disk_bytes"`
	OldestAge float64 `json:"oldest_age"`
	// Lost points were damaged on disk; Dropped ones were the oldest when there was no room. Both since the daemon started.
	Lost         uint64 `json:"lost_points"`
	Dropped      uint64 `json:"dropped_points"`
	DroppedBytes int64  `json:"dropped_bytes"`
}

// Add adds another lane.
func (l *Lane) Add(o Lane) {
	l.Points += o.Points
	l.Bytes += o.Bytes
	l.DiskBytes += o.DiskBytes
	l.OldestAge = max(l.OldestAge, o.OldestAge)
	l.Lost += o.Lost
	l.Dropped += o.Dropped
	l.DroppedBytes += o.DroppedBytes
}

// InfluxDB is the state of the way there and of the server, where it is the daemon's own.
type InfluxDB struct {
	URL      string    `json:"url"`
	Bucket   string    `json:"bucket"`
	Embedded bool      `json:"embedded"`
	State    string    `json:"state"`
	Since    time.Time `json:"since"`
	Error    string    `json:"error,omitempty"`
	Pid      int       `json:"pid,omitempty"`
	Restarts int       `json:"restarts,omitempty"`
	// Stored, Rejected and Expired count points since the daemon started. Rejected ones are dead letters.
	Stored   int `json:"stored"`
	Rejected int `json:"rejected"`
	Expired  int `json:"expired"`
	// Refusal is why the newest dead letters were refused, and Refused when that was. LettersDropped counts the dead letters
	// that had to go to make room for newer ones, since the daemon started.
	Refusal        string     `json:"refusal,omitempty"`
	Refused        *time.Time `json:"refused,omitempty"`
	LettersDropped uint64     `json:"dead_letters_dropped,omitempty"`
	// Requests, Retries and SentBytes count what was sent for them; Latency is that of the last request, in seconds.
	Requests    uint64  `json:"requests"`
	Retries     uint64  `json:"retries"`
	SentBytes   uint64  `json:"sent_bytes"`
	Latency     float64 `json:"latency"`
	Connections int     `json:"connections"`
	// Server is what InfluxDB says that it is, SetupProblem why it could not be set up, Differences what is there in
	// another way than the configuration has it, and Needed what an administrator has to run.
	Server       string   `json:"server,omitempty"`
	SetupProblem string   `json:"setup_problem,omitempty"`
	Differences  []string `json:"differences,omitempty"`
	Needed       []string `json:"needed,omitempty"`
	// WrongFields come with another type than InfluxDB has; their points become dead letters.
	WrongFields []WrongField `json:"wrong_fields,omitempty"`
}

// WrongField is a field that comes with a wrong type.
type WrongField struct {
	Measurement string    `json:"measurement"`
	Field       string    `json:"field"`
	Given       string    `json:"given"`
	Existing    string    `json:"existing"`
	Since       time.Time `json:"since"`
	Last        time.Time `json:"last"`
	Points      uint64    `json:"points"`
}

// Reload is what became of a reload. The lists name plugins.
type Reload struct {
	// Applied is false if the configuration has errors; then nothing has changed.
	Applied bool `json:"applied"`
	// Diagnostics is what is wrong with the configuration, for people.
	Diagnostics string   `json:"diagnostics,omitempty"`
	Started     []string `json:"started,omitempty"`
	Restarted   []string `json:"restarted,omitempty"`
	Stopped     []string `json:"stopped,omitempty"`
	Kept        []string `json:"kept,omitempty"`
	// AtNextStart names blocks whose changes take effect when the daemon is started again.
	AtNextStart []string `json:"at_next_start,omitempty"`
}
