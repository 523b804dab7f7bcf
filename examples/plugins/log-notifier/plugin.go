package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"time"

	"github.com/vedette-monitor/vedette/sdk"
)

var plugin = sdk.Plugin{
	Name:    "log-notifier",
	Version: "1.0.0",
	Doc:     "Writes notices into a file, as lines of JSON.",
	Channels: []sdk.ChannelType{{
		Name: "log",
		Doc:  "A file to which each notice is appended, once for each recipient.",
		New:  sdk.NewChannel(newLog),
	}},
	Measurements: []sdk.Measurement{{
		Name:   "log_notice",
		Doc:    "One point a delivery.",
		Tags:   []sdk.TagSchema{{Name: "recipient", Doc: "whom the notice was for"}},
		Fields: []sdk.FieldSchema{{Name: "outcome", Type: "string", Doc: "what became of it"}, {Name: "bytes", Type: "int", Unit: "bytes", Doc: "size of the line"}},
	}},
}

type config struct {
	File sdk.Path `hcl:"file" doc:"File that the notices are appended to; it is made if it is not there."`
	To   []string `hcl:"to" doc:"Recipients: there is a line for each."`
}

type logFile struct {
	config
	out sdk.Emitter
}

func newLog(c config, env sdk.Env) (*logFile, error) {
	if len(c.To) == 0 {
		return nil, &sdk.Problem{Path: []string{"to"}, Err: errors.New("name at least one recipient")}
	}
	return &logFile{c, env.Out}, nil
}

// Check opens the file and writes nothing.
func (l *logFile) Check(context.Context) sdk.Delivery { return l.append(nil) }

// Notify writes a line for each recipient. The notice names those who still lack it, if others have it already.
func (l *logFile) Notify(_ context.Context, notice *sdk.Notice) (report sdk.Report) {
	recipients := l.To
	if len(notice.Recipients) > 0 {
		recipients = notice.Recipients
	}
	for _, to := range recipients {
		line, _ := json.Marshal(map[string]any{"time": time.Now(), "to": to, "id": notice.Id, "title": notice.Title, "text": notice.Text})
		d := l.append(append(line, '\n'))
		d.Recipient = to
		report.Deliveries = append(report.Deliveries, d)
		l.out.Emit(sdk.NewPoint("log_notice").Tag("recipient", to).String("outcome", d.Outcome.String()).Int("bytes", int64(d.Bytes)))
	}
	return report
}

// append appends to the file. A full disk may have room again: whatever fails may work later.
func (l *logFile) append(line []byte) sdk.Delivery {
	file, err := os.OpenFile(string(l.File), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = file.Write(line)
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		return sdk.Delivery{Outcome: sdk.Temporary, Message: err.Error()}
	}
	return sdk.Delivery{Outcome: sdk.Delivered, Bytes: len(line)}
}
