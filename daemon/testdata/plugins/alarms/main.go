// Alarms is a collector whose samples are what a file says, and a notifier that writes down what it is given. It is slow at times and
// fails at times, as providers do.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"github.com/vedette-monitor/vedette/sdk"
)

var plugin = sdk.Plugin{
	Name:    "alarms",
	Version: "1.0.0",
	Doc:     "Emits what a file says, and writes down notices. It is for tests.",
	New:     sdk.New(newAlarms),
	Channels: []sdk.ChannelType{{
		Name: "ledger", Doc: "A file that each notice is appended to.", New: sdk.NewChannel(newLedger),
	}},
	Measurements: []sdk.Measurement{{
		Name: "alarm", Doc: "One point a key and tick.", Tags: []sdk.TagSchema{{Name: "key", Doc: "which one"}},
		Fields: []sdk.FieldSchema{{Name: "bad", Type: "bool", Doc: "as the file says"}},
	}},
}

type config struct {
	States sdk.Path `hcl:"states" doc:"File with the keys, separated by spaces; a bad one ends with an exclamation mark."`
}

type alarms struct{ config }

func newAlarms(c config, _ sdk.Env) (*alarms, error) { return &alarms{c}, nil }

// Collect implements sdk.Collector.
func (a *alarms) Collect(_ context.Context, out sdk.Emitter) error {
	text, err := os.ReadFile(string(a.States))
	if err != nil {
		return err
	}
	for _, key := range strings.Fields(string(text)) {
		name, bad := strings.CutSuffix(key, "!")
		out.Emit(sdk.NewPoint("alarm").Tag("key", name).Bool("bad", bad))
	}
	return nil
}

type ledgerConfig struct {
	File  sdk.Path `hcl:"file" doc:"File of the notices."`
	Delay float64  `hcl:"delay,optional" default:"0" doc:"The longest time that a notice takes, in seconds."`
	Fail  float64  `hcl:"fail,optional" default:"0" doc:"The part of the attempts that fail, but for the third and later ones of a notice."`
	Hang  sdk.Path `hcl:"hang,optional" doc:"File that makes attempts hang until their deadlines while it is there."`
	Deaf  sdk.Path `hcl:"deaf,optional" doc:"File that makes attempts hang beyond their deadlines while it is there."`
	Mad   sdk.Path `hcl:"mad,optional" doc:"File that makes what becomes of attempts nonsense while it is there."`
}

type ledger struct{ ledgerConfig }

func newLedger(c ledgerConfig, _ sdk.Env) (*ledger, error) { return &ledger{c}, nil }

// Check implements sdk.Channel.
func (l *ledger) Check(context.Context) sdk.Delivery { return sdk.Delivery{Outcome: sdk.Delivered} }

// Notify implements sdk.Channel.
func (l *ledger) Notify(ctx context.Context, notice *sdk.Notice) sdk.Report {
	report := func(d sdk.Delivery) sdk.Report { return sdk.Report{Deliveries: []sdk.Delivery{d}} }
	if there(l.Hang) {
		<-ctx.Done()
		return report(sdk.Delivery{Outcome: sdk.Temporary, Message: "the provider says nothing"})
	}
	for there(l.Deaf) {
		time.Sleep(10 * time.Millisecond)
	}
	if there(l.Mad) {
		return sdk.Report{Deliveries: []sdk.Delivery{{Outcome: 99, Code: "\x1b[2J", Message: strings.Repeat("告警\u202e", 1<<16)}}}
	}
	time.Sleep(time.Duration(rand.Float64() * l.Delay * float64(time.Second)))
	if notice.Attempt < 3 && rand.Float64() < l.Fail {
		return report(sdk.Delivery{Outcome: sdk.Temporary, Code: "450", Message: "later"})
	}
	type told struct{ Incident, Alert, Key, Kind, Summary, Ended string }
	line := struct {
		ID, Kind, Title string
		Attempt         uint32
		Late, MayRepeat bool
		At              time.Time
		Alerts          []told
		Omitted         uint32
	}{ID: notice.Id, Kind: notice.Kind.String(), Title: notice.Title, Attempt: notice.Attempt, Late: notice.Late, MayRepeat: notice.MayRepeat, At: time.Now(), Omitted: notice.Omitted}
	for _, a := range notice.Alerts {
		line.Alerts = append(line.Alerts, told{a.Incident, a.Name, a.Tags["key"], a.State.String(), a.Summary, a.SuppressionEnded})
	}
	text, err := json.Marshal(line)
	if err == nil {
		err = appendTo(string(l.File), append(text, '\n'))
	}
	if err != nil {
		return report(sdk.Delivery{Outcome: sdk.Temporary, Message: err.Error()})
	}
	// The provider has it; its answer takes a while.
	time.Sleep(time.Duration(rand.Float64() * l.Delay * float64(time.Second)))
	return report(sdk.Delivery{Outcome: sdk.Delivered})
}

func there(file sdk.Path) bool {
	_, err := os.Stat(string(file))
	return file != "" && err == nil
}

func appendTo(name string, line []byte) error {
	file, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(line)
	return errors.Join(err, file.Sync(), file.Close())
}

func main() { sdk.Serve(plugin) }
