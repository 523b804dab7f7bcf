package supervisor

import (
	"context"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

// hungAfter is how many calls in a row a notifier may leave without an answer until their deadlines.
const hungAfter = 3

// configureChannels hands its channels to a notifier.
func (i *instance) configureChannels(ctx context.Context, conn *connection) error {
	if len(i.spec.Channels) == 0 {
		return nil
	}
	req := &wire.ConfigureChannelsRequest{}
	for _, c := range i.spec.Channels {
		req.Channels = append(req.Channels, &wire.Channel{Name: c.Name, Type: c.Type, Config: c.Config})
	}
	answer, err := conn.ConfigureChannels(ctx, req)
	if err != nil {
		return fmt.Errorf("configuring the plugin's channels: %w", err)
	}
	if len(answer.Problems) > 0 {
		return problems(answer.Problems)
	}
	return nil
}

// serve notes which process answers calls to channels, and how it is restarted.
func (i *instance) serve(client wire.NotifierClient, restart context.CancelCauseFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.notifier, i.restart, i.unanswered = client, restart, 0
}

// NotReadyError says that a plugin can not be called, for it is not ready: nothing has reached it.
type NotReadyError struct {
	Plugin, Cause string
	Phase         Phase
}

func (e *NotReadyError) Error() string {
	text := fmt.Sprintf("the plugin %s is not ready, but %s", e.Plugin, e.Phase)
	if e.Cause != "" {
		text += ": " + e.Cause
	}
	return text
}

// Notifier is a notifier plugin, whichever process serves it at the moment of a call.
type Notifier struct {
	supervisor *Supervisor
	name       string
}

// Notifier returns the plugin with this name.
func (s *Supervisor) Notifier(name string) *Notifier { return &Notifier{s, name} }

// Notify makes one attempt to deliver a notice.
func (n *Notifier) Notify(ctx context.Context, req *wire.NotifyRequest) (*wire.NotifyResponse, error) {
	return called(n, func(c wire.NotifierClient) (*wire.NotifyResponse, error) { return c.Notify(ctx, req) }, (*wire.NotifyResponse).GetDeliveries)
}

// Sync hands the whole set of active alerts over.
func (n *Notifier) Sync(ctx context.Context, req *wire.SyncRequest) (*wire.Delivery, error) {
	return called(n, func(c wire.NotifierClient) (*wire.Delivery, error) { return c.Sync(ctx, req) }, single)
}

// Check reaches a channel's provider and sends nothing.
func (n *Notifier) Check(ctx context.Context, req *wire.CheckRequest) (*wire.Delivery, error) {
	return called(n, func(c wire.NotifierClient) (*wire.Delivery, error) { return c.Check(ctx, req) }, single)
}

func single(d *wire.Delivery) []*wire.Delivery { return []*wire.Delivery{d} }

func (n *Notifier) instance() *instance {
	for _, r := range n.supervisor.list() {
		if r.spec.Name == n.name {
			return r.instance
		}
	}
	return nil
}

// called calls the process that serves the plugin, and takes secrets out of what it says of deliveries. One that leaves calls unanswered
// again and again hangs, and is started anew.
func called[T any](n *Notifier, call func(wire.NotifierClient) (T, error), deliveries func(T) []*wire.Delivery) (answer T, err error) {
	i := n.instance()
	if i == nil {
		return answer, &NotReadyError{Plugin: n.name, Phase: Stopped}
	}
	i.mu.Lock()
	client, state := i.notifier, i.state
	i.mu.Unlock()
	if client == nil {
		return answer, &NotReadyError{Plugin: n.name, Phase: state.Phase, Cause: state.Cause}
	}
	answer, err = call(client)
	i.answered(client, status.Code(err) != codes.DeadlineExceeded)
	if err != nil {
		return answer, said{i.redactor.Redact(err.Error()), err}
	}
	for _, d := range deliveries(answer) {
		if d != nil {
			d.Message, d.Code = i.redactor.Redact(d.Message), i.redactor.Redact(d.Code)
		}
	}
	return answer, nil
}

// said is an error with a text that has no secrets.
type said struct {
	text string
	err  error
}

func (s said) Error() string { return s.text }
func (s said) Unwrap() error { return s.err }

// answered counts calls without an answer of the process that was called.
func (i *instance) answered(client wire.NotifierClient, did bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.notifier != client {
		return
	}
	if did {
		i.unanswered = 0
		return
	}
	if i.unanswered++; i.unanswered == hungAfter {
		i.restart(hung{fmt.Errorf("the plugin left %d calls to its channels in a row without an answer", hungAfter)})
	}
}
