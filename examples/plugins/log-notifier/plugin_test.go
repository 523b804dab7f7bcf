package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vedette-monitor/vedette/daemon/supervisor"
	"github.com/vedette-monitor/vedette/examples/plugins/trial"
	"github.com/vedette-monitor/vedette/sdk"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

func TestItRunsUnderTheDaemon(t *testing.T) {
	r := trial.Start(t, trial.Build(t, ".", plugin.Name), `plugin "log-notifier" {}`)
	r.Until("ready", func() bool { return r.State().Phase == supervisor.Ready })
	r.StopDrained()
}

// configured starts the plugin with a channel log.ops and opens its session.
func configured(t *testing.T, channel string) (context.Context, wire.NotifierClient, wire.Plugin_SessionClient, *wire.ConfigureChannelsResponse) {
	t.Helper()
	conn := trial.Dial(t, trial.Build(t, ".", plugin.Name))
	ctx, cancel := context.WithTimeout(context.Background(), trial.Patience)
	t.Cleanup(cancel)
	main, notifier := wire.NewPluginClient(conn), wire.NewNotifierClient(conn)
	if answer, err := main.Configure(ctx, &wire.ConfigureRequest{Config: []byte(`{}`), Window: 8, MaxBatchBytes: 1 << 20, LogLevel: "info"}); err != nil || len(answer.Problems) > 0 {
		t.Fatal(answer, err)
	}
	answer, err := notifier.ConfigureChannels(ctx, &wire.ConfigureChannelsRequest{Channels: []*wire.Channel{{Name: "log.ops", Type: "log", Config: []byte(channel)}}})
	if err != nil {
		t.Fatal(err)
	}
	session, err := main.Session(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return ctx, notifier, session, answer
}

func TestANoticeIsALineForEachRecipient(t *testing.T) {
	file := filepath.Join(t.TempDir(), "notices")
	ctx, notifier, session, answer := configured(t, `{"file": "`+file+`", "to": ["ann", "bob"]}`)
	if len(answer.Problems) > 0 {
		t.Fatal(answer)
	}
	if d, err := notifier.Check(ctx, &wire.CheckRequest{Channel: "log.ops"}); err != nil || d.Outcome != sdk.Delivered {
		t.Fatalf("the check is %v, %v", d, err)
	}
	if content, err := os.ReadFile(file); err != nil || len(content) > 0 {
		t.Fatalf("after the check the file holds %q, %v", content, err)
	}
	first := &wire.NotifyRequest{Channel: "log.ops", Id: "n1", Title: "down", Text: "the \"shop\"\nis down"}
	second := &wire.NotifyRequest{Channel: "log.ops", Id: "n2", Title: "up", Recipients: []string{"bob"}}
	for _, notice := range []*wire.NotifyRequest{first, second} {
		report, err := notifier.Notify(ctx, notice)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range report.Deliveries {
			if d.Outcome != sdk.Delivered || d.Bytes == 0 {
				t.Errorf("a delivery is %v", d)
			}
		}
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(content)) {
		var l struct{ To, ID, Title, Text string }
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		got = append(got, l.To+" "+l.ID+" "+l.Title+" "+l.Text)
	}
	if all, want := strings.Join(got, "; "), "ann n1 down the \"shop\"\nis down; bob n1 down the \"shop\"\nis down; bob n2 up "; all != want {
		t.Errorf("the file holds %s, want %s", all, want)
	}

	points := 0
	for points < 3 {
		batch, err := session.Recv()
		if err != nil {
			t.Fatal(err)
		}
		points += len(batch.Points)
		if batch.Seq > 0 {
			if err := session.Send(&wire.Control{Kind: &wire.Control_Ack{Ack: &wire.Ack{Seq: batch.Seq}}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := session.Send(&wire.Control{Kind: &wire.Control_Stop{Stop: &wire.Stop{}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := session.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("the session ended with %v", err)
	}
}

func TestAFileThatCanNotBeWrittenIsATemporaryFailureForEachRecipient(t *testing.T) {
	ctx, notifier, _, _ := configured(t, `{"file": "`+filepath.Join(t.TempDir(), "no", "such", "directory")+`", "to": ["ann", "bob"]}`)
	report, err := notifier.Notify(ctx, &wire.NotifyRequest{Channel: "log.ops", Id: "n1"})
	if err != nil || len(report.Deliveries) != 2 {
		t.Fatalf("the report is %v, %v", report, err)
	}
	for i, want := range []string{"ann", "bob"} {
		d := report.Deliveries[i]
		if d.Recipient != want || d.Outcome != sdk.Temporary || !strings.Contains(d.Message, "no such file") {
			t.Errorf("delivery %d is %v", i, d)
		}
	}
	if d, err := notifier.Check(ctx, &wire.CheckRequest{Channel: "log.ops"}); err != nil || d.Outcome != sdk.Temporary {
		t.Errorf("the check is %v, %v", d, err)
	}
}

func TestAChannelWithoutRecipientsIsRefused(t *testing.T) {
	_, _, _, answer := configured(t, `{"file": "/tmp/x", "to": []}`)
	if len(answer.Problems) != 1 || strings.Join(answer.Problems[0].Path, ".") != "log.ops.to" {
		t.Errorf("the answer is %v", answer)
	}
}
