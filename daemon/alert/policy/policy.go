// Package policy is what an operator has decided about alerts: the rules, whom they are told to, and what keeps them quiet.
package policy

import (
	"time"

	"github.com/vedette-monitor/vedette/daemon/alert/calendar"
	"github.com/vedette-monitor/vedette/daemon/alert/expression"
	"github.com/vedette-monitor/vedette/daemon/alert/label"
	"github.com/vedette-monitor/vedette/daemon/alert/rule"
	"github.com/vedette-monitor/vedette/daemon/alert/template"
)

// Policy is all of it. It is not changed once it is made.
type Policy struct {
	// Alerts are in the order of their names, those that are built in among them.
	Alerts []*Alert
	// Route is the root of the routes, or nil.
	Route       *Route
	Receivers   map[string]*Receiver
	Maintenance []*Maintenance
	Inhibitions []*Inhibition
	Heartbeats  []*Heartbeat
	Settings    Settings
	// Labels are the names of all labels that an incident may have, sorted.
	Labels []string
}

// Settings are the block alerting.
type Settings struct {
	// Zone is for times in notices, and Language for their fixed words: en or zh.
	Zone     *time.Location
	Language string
	// Hold is for how long after a start nothing is sent, and Attempt how long one attempt to deliver may take. FallbackAfter is how long a notice may wait for its channel before it
	// is also given to the channel's fallback, and Expire when it is given up.
	Hold, Attempt, FallbackAfter, Expire time.Duration
}

// Alert is a rule and what is told of it.
type Alert struct {
	Name string
	Rule *rule.Rule
	// From is the measurement whose points it judges, and Layout how they are read, which alerts on the same points share. The
	// rows of a query are the points of a measurement that no other alert has.
	From   string
	Layout *expression.Layout
	Query  *Query
	// Labels are put on its incidents, beside the tags in by.
	Labels map[string]string
	// Summary, Detail and Link are nil where the alert has none.
	Summary, Detail, Link *template.Template
	// Notify are the channels that are told at once. If it is nil the routes decide; an empty list tells nobody.
	Notify []string
	// Repeat is nil where the route decides.
	Repeat *Repeat
	// Own says that it is none of an operator's: it is told at once, and nothing keeps it quiet.
	Own bool
}

// Query is where the points of an alert come from if they are rows of InfluxDB.
type Query struct {
	Text  string
	Every time.Duration
	// Alert says that a query which fails makes the alert fire; otherwise it holds what there is.
	Alert bool
}

// Repeat is how often an incident that still fires is told again: after each of the durations in turn, and then after the last one
// again and again, Max times if that is not 0. Without durations it is told once.
type Repeat struct {
	Every []time.Duration
	Max   int
}

// Route says who is told of incidents.
type Route struct {
	// Place names it, as in route/0/2: the third one in the first one of the root.
	Place string
	// Match is nil for everything.
	Match *label.Match
	To    *Receiver
	// GroupBy are the labels whose values make a group, which is told in one notice.
	GroupBy []string
	// Wait is how long the first notice of a group waits for others, and Interval how much time is between two. Urgent says that
	// critical incidents do not wait.
	Wait, Interval time.Duration
	Urgent         bool
	Repeat         Repeat
	// Continue says that the routes after it are tried too.
	Continue bool
	// Active is when it tells anything; nil is always.
	Active *Hours
	Routes []*Route
}

// Hours are a named calendar: a moment is within them if one of the windows is open.
type Hours struct {
	Name    string
	Windows []*calendar.Window
}

// Receiver is who is told, in steps.
type Receiver struct {
	Name  string
	Steps []Step
}

// Step is the channels that are told once an incident has fired for After and nobody has acknowledged it.
type Step struct {
	After time.Duration
	To    []string
}

// Maintenance is a time in which incidents are not told.
type Maintenance struct {
	Name    string
	Match   *label.Match
	Windows []*calendar.Window
}

// Inhibition keeps the targets quiet while a source fires whose labels in Equal are the same.
type Inhibition struct {
	Name           string
	Source, Target *label.Match
	Equal          []string
}

// Heartbeat tells a server outside that the way from a rule to a notifier works.
type Heartbeat struct {
	Name string
	// URL is called; it is a secret.
	URL   string
	Every time.Duration
	// Via are channels that have to answer a check before.
	Via []string
}
