package sdk

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

// TestMain lets the test binary be a plugin whose commands are run.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == wire.CommandCommand {
		Serve(Plugin{Name: "p", New: New(newStreamer(nil)), Commands: []Command{
			{Name: "echo", Doc: "Says what it was called with.", Run: func(_ context.Context, call Call) error {
				in, err := io.ReadAll(call.Stdin)
				if err != nil {
					return err
				}
				_, err = call.Stdout.Write([]byte(strings.Join(call.Args, " ") + "|" + string(in) + "|" + string(call.Config)))
				return err
			}},
			{Name: "fail", Doc: "Fails.", Run: func(context.Context, Call) error { return errors.New("no luck") }},
		}})
	}
	os.Exit(m.Run())
}

type streamFunc func(context.Context, Stream) error

func (f streamFunc) Stream(ctx context.Context, out Stream) error { return f(ctx, out) }

func newStreamer(f streamFunc) func(struct{}, Env) (streamFunc, error) {
	return func(struct{}, Env) (streamFunc, error) { return f, nil }
}

// openSession configures the plugin and opens its session.
func openSession(t *testing.T, client wire.PluginClient) grpc.BidiStreamingClient[wire.Control, wire.Batch] {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	answer, err := client.Configure(ctx, &wire.ConfigureRequest{Config: []byte(`{}`), Window: 4, MaxBatchBytes: 1 << 20, LogLevel: "info"})
	if err != nil || len(answer.Problems) > 0 {
		t.Fatal(answer, err)
	}
	session, err := client.Session(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return session
}

func send(t *testing.T, session grpc.BidiStreamingClient[wire.Control, wire.Batch], c *wire.Control) {
	t.Helper()
	if err := session.Send(c); err != nil {
		t.Fatal(err)
	}
}

func ack(seq uint64, refused ...*wire.Refusal) *wire.Control {
	return &wire.Control{Kind: &wire.Control_Ack{Ack: &wire.Ack{Seq: seq, Refused: refused}}}
}

func TestFlushWaitsForTheAcknowledgementAndReportsRefusals(t *testing.T) {
	flushed := make(chan error)
	emitMore := make(chan struct{})
	client := serveInProcess(t, Plugin{Name: "p", New: New(newStreamer(func(ctx context.Context, out Stream) error {
		for range 2 {
			out.Emit(NewPoint("m").Int("v", 1))
			out.Emit(NewPoint("m").Int("v", 2))
			flushed <- out.Flush(ctx)
			<-emitMore
		}
		<-ctx.Done()
		return nil
	}))})
	session := openSession(t, client)
	// The second point may find the first one under way already. The last batch is what Flush waits for.
	receive := func() *wire.Batch {
		for points := 0; ; {
			b, err := session.Recv()
			if err != nil {
				t.Fatal(err)
			}
			if points += len(b.Points); points == 2 {
				return b
			}
			send(t, session, ack(b.Seq))
		}
	}
	last := receive()
	select {
	case err := <-flushed:
		t.Fatalf("flushed before the acknowledgement: %v", err)
	case <-time.After(3 * linger):
	}
	send(t, session, ack(last.Seq, &wire.Refusal{Index: uint32(len(last.Points) - 1), Reason: "bad name"}))
	var refused *Refused
	if err := <-flushed; !errors.As(err, &refused) || refused.Points != 1 || refused.Reason != "bad name" {
		t.Fatalf("flush returned %v", err)
	}
	emitMore <- struct{}{}
	send(t, session, ack(receive().Seq))
	if err := <-flushed; err != nil {
		t.Fatalf("a later flush returned %v", err)
	}
	close(emitMore)
	send(t, session, &wire.Control{Kind: &wire.Control_Stop{Stop: &wire.Stop{}}})
	if _, err := session.Recv(); !errors.Is(err, io.EOF) {
		t.Fatalf("the session ended with %v", err)
	}
}

func TestAcknowledgementsOutOfOrderSettleOnlyWhatIsCompleteFromTheStart(t *testing.T) {
	s := &session{out: newOutbox(batchBytes), seq: 3, inFlight: []sent{{points: 1}, {points: 10}, {points: 100}}}
	for _, step := range []struct{ ack, settled uint64 }{{2, 0}, {9, 0}, {0, 0}, {1, 11}, {3, 111}} {
		s.acknowledged(&wire.Ack{Seq: step.ack})
		if s.out.settled != step.settled {
			t.Errorf("after the acknowledgement of %d, %d points are settled, want %d", step.ack, s.out.settled, step.settled)
		}
	}
}

func TestAStreamThatEndsOrPanicsEndsTheSessionWithTheReason(t *testing.T) {
	tests := map[string]struct {
		stream streamFunc
		want   string
	}{
		"error":   {func(context.Context, Stream) error { return errors.New("the socket is gone") }, "the socket is gone"},
		"nothing": {func(context.Context, Stream) error { return nil }, "returned before it was stopped"},
		"panic":   {func(context.Context, Stream) error { panic("out of ideas") }, "out of ideas"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			session := openSession(t, serveInProcess(t, Plugin{Name: "p", New: New(newStreamer(tc.stream))}))
			if _, err := session.Recv(); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("the session ended with %v, want %q", err, tc.want)
			}
		})
	}
}

type mailConfig struct {
	To []string `hcl:"to" doc:"Recipients."`
}

type mail struct {
	mailConfig
	env Env
}

func newMail(c mailConfig, env Env) (*mail, error) {
	if len(c.To) == 0 {
		return nil, &Problem{Path: []string{"to"}, Err: errors.New("nobody is named")}
	}
	return &mail{c, env}, nil
}

func (m *mail) Check(context.Context) Delivery { return Delivery{Outcome: Delivered, Code: "250"} }

func (m *mail) Notify(ctx context.Context, n *Notice) Report {
	switch n.Title {
	case "panic":
		panic("no such title")
	case "silence":
		<-ctx.Done()
		return Report{Deliveries: []Delivery{{Outcome: Temporary, Message: "the provider says nothing"}}}
	}
	var r Report
	for _, to := range m.To {
		d := Delivery{Outcome: Delivered, Recipient: to, ProviderID: n.Id}
		if strings.HasPrefix(to, "gone") {
			d = Delivery{Outcome: PermanentRecipient, Recipient: to, Code: "550", RetryAfter: time.Second}
		}
		r.Deliveries = append(r.Deliveries, d)
		m.env.Out.Emit(NewPoint("notify_attempt").Tag("outcome", d.Outcome.String()).String("id", n.Id))
	}
	r.Thread = map[string]string{"ts": "7"}
	return r
}

type board struct{ mail }

func (b *board) Sync(_ context.Context, active []*Alert, validFor time.Duration) Delivery {
	return Delivery{Outcome: Delivered, Bytes: len(active), Message: validFor.String()}
}

func TestANotifierDeliversPerRecipientAndItsPointsTravelInItsSession(t *testing.T) {
	plugin := Plugin{Name: "n", Channels: []ChannelType{
		{Name: "mail", Doc: "Mail.", New: NewChannel(newMail), Limit: "1/s", MaxBytes: 100},
		{Name: "board", Doc: "A board.", New: NewChannel(func(mailConfig, Env) (*board, error) { return &board{}, nil }), Pages: true},
	}}
	m, err := plugin.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(m.Roles, []wire.Role{wire.RoleNotifier}) || m.Channels[0].Syncs || !m.Channels[1].Syncs || m.Channels[0].Config.Attributes[0].Name != "to" {
		t.Errorf("the manifest is %+v", m)
	}
	conn := connect(t, plugin)
	notifier := wire.NewNotifierClient(conn)
	if _, err := notifier.ConfigureChannels(t.Context(), &wire.ConfigureChannelsRequest{}); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("channels of a plugin that is not configured: %v", err)
	}
	session := openSession(t, wire.NewPluginClient(conn))
	configure := func(channels ...*wire.Channel) *wire.ConfigureChannelsResponse {
		t.Helper()
		answer, err := notifier.ConfigureChannels(t.Context(), &wire.ConfigureChannelsRequest{Channels: channels})
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	good := &wire.Channel{Name: "mail.ops", Type: "mail", Config: []byte(`{"to":["a@example.com","gone@example.com"]}`)}
	wall := &wire.Channel{Name: "board.wall", Type: "board", Config: []byte(`{}`)}
	if answer := configure(good, wall); len(answer.Problems) > 0 {
		t.Fatal(answer)
	}
	// What is wrong changes nothing.
	answer := configure(&wire.Channel{Name: "mail.dev", Type: "mail", Config: []byte(`{}`)}, &wire.Channel{Name: "x.y", Type: "x"})
	if len(answer.Problems) != 2 || !slices.Equal(answer.Problems[0].Path, []string{"mail.dev", "to"}) || !slices.Equal(answer.Problems[1].Path, []string{"x.y"}) {
		t.Errorf("the problems are %v", answer.Problems)
	}

	if d, err := notifier.Check(t.Context(), &wire.CheckRequest{Channel: "mail.ops"}); err != nil || d.Code != "250" {
		t.Errorf("check says %v, %v", d, err)
	}
	report, err := notifier.Notify(t.Context(), &wire.NotifyRequest{Channel: "mail.ops", Id: "i7"})
	if err != nil || len(report.Deliveries) != 2 || report.ThreadState["ts"] != "7" {
		t.Fatalf("notify says %v, %v", report, err)
	}
	if d := report.Deliveries[1]; d.Outcome != PermanentRecipient || d.Code != "550" || d.RetryAfter.AsDuration() != time.Second {
		t.Errorf("the second delivery is %v", d)
	}
	if _, err := notifier.Notify(t.Context(), &wire.NotifyRequest{Channel: "mail.ops", Title: "panic"}); status.Code(err) != codes.Internal {
		t.Errorf("a panic says %v", err)
	}
	// What a channel says at its deadline is still heard.
	short, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if report, err := notifier.Notify(short, &wire.NotifyRequest{Channel: "mail.ops", Title: "silence"}); err != nil || report.Deliveries[0].Outcome != Temporary {
		t.Errorf("a silent provider says %v, %v", report, err)
	}
	if _, err := notifier.Notify(t.Context(), &wire.NotifyRequest{Channel: "mail.dev"}); status.Code(err) != codes.NotFound {
		t.Errorf("an unknown channel says %v", err)
	}
	if d, err := notifier.Sync(t.Context(), &wire.SyncRequest{Channel: "board.wall", Active: []*wire.Alert{{}, {}}}); err != nil || d.Bytes != 2 {
		t.Errorf("sync says %v, %v", d, err)
	}
	if _, err := notifier.Sync(t.Context(), &wire.SyncRequest{Channel: "mail.ops"}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("sync of a channel without state says %v", err)
	}
	points := 0
	for points < 2 {
		b, err := session.Recv()
		if err != nil {
			t.Fatal(err)
		}
		points += len(b.Points)
	}
}

func runCommand(t *testing.T, config string, args ...string) (out, errOut string, err error) {
	t.Helper()
	cmd := exec.Command(os.Args[0], append([]string{wire.CommandCommand}, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader("in"), &stdout, &stderr
	if config != "" {
		r, w, pipeErr := os.Pipe()
		if pipeErr != nil {
			t.Fatal(pipeErr)
		}
		cmd.ExtraFiles = []*os.File{r}
		cmd.Env = append(os.Environ(), wire.ConfigVariable+"=3")
		if _, err := w.WriteString(config); err != nil {
			t.Fatal(err)
		}
		_ = w.Close()
		defer func() { _ = r.Close() }()
	}
	err = cmd.Run()
	return stdout.String(), stderr.String(), err
}

func TestCommandsGetArgumentsInputAndConfiguration(t *testing.T) {
	if out, errOut, err := runCommand(t, `{"a":1}`, "echo", "x", "--y"); err != nil || out != `x --y|in|{"a":1}` {
		t.Errorf("got %q, %q, %v", out, errOut, err)
	}
	if out, _, err := runCommand(t, "", "echo"); err != nil || out != "|in|" {
		t.Errorf("without a configuration: %q, %v", out, err)
	}
	var exit *exec.ExitError
	if _, errOut, err := runCommand(t, "", "fail"); !errors.As(err, &exit) || exit.ExitCode() != 1 || errOut != "Error: no luck\n" {
		t.Errorf("a failure says %q, %v", errOut, err)
	}
	if _, errOut, err := runCommand(t, "", "nonsense"); !errors.As(err, &exit) || exit.ExitCode() != 2 || !strings.Contains(errOut, `no command "nonsense"`) {
		t.Errorf("an unknown command says %q, %v", errOut, err)
	}
}
