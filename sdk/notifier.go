package sdk

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

// ChannelType is a way to tell somebody something: mail, a robot, a webhook. The daemon keeps the queue, the deadlines
// and the retries; a channel makes one attempt at a time and says truly what became of it.
type ChannelType struct {
	// Name is the type of a notifier block: notifier "email" "ops" { … }.
	Name string
	Doc  string
	// New makes a channel from its configuration: see the function NewChannel.
	New Constructor
	// Limit is how many notices the provider takes in a time, such as 18/1m; nothing if it takes any number.
	Limit string
	// MaxBytes is the longest notice that the provider takes; 0 if it takes any.
	MaxBytes int
	// Pages says that the channel wakes people.
	Pages bool
}

// Channel delivers notices. Its methods may be called by several goroutines at once.
type Channel interface {
	// Check reaches the provider and authenticates. It sends nothing to anybody.
	Check(ctx context.Context) Delivery
	// Notify makes one attempt to deliver the notice and says what became of it. ctx ends at the attempt's deadline.
	Notify(ctx context.Context, notice *Notice) Report
}

// Report is what became of an attempt.
type Report struct {
	// Deliveries has one for each recipient.
	Deliveries []Delivery
	// Thread is what the channel wants back with the next notice of the same thread, as its thread_state.
	Thread map[string]string
}

// Syncer is a Channel that keeps state, such as an Alertmanager: instead of notices it is given the whole set of active
// alerts, again and again.
type Syncer interface {
	Channel
	// Sync replaces what the provider holds. It is called again before validFor is over.
	Sync(ctx context.Context, active []*Alert, validFor time.Duration) Delivery
}

// The words of a notice. Their fields are documented in plugin.proto.
type (
	Notice = wire.NotifyRequest
	Alert  = wire.Alert
)

// Delivery is what became of an attempt for one recipient.
type Delivery struct {
	Outcome   Outcome
	Recipient string
	// Code is the provider's: "450 4.7.1", "429", "errcode 310000".
	Code string
	// Message says it in words, without tokens and without addresses that hold keys.
	Message string
	// RetryAfter is when the provider wants the next attempt, if it said so.
	RetryAfter time.Duration
	// ProviderID is how the provider calls the notice.
	ProviderID string
	// Bytes is the size of what was sent; Truncated says that not all of the text fitted.
	Bytes     int
	Truncated bool
}

// Outcome says what became of a notice, and so what the daemon does next.
type Outcome = wire.Outcome

// The outcomes.
const (
	// Delivered: the provider has accepted it.
	Delivered = wire.Outcome_OUTCOME_DELIVERED
	// Temporary: it was not accepted, and may be later.
	Temporary = wire.Outcome_OUTCOME_TEMPORARY
	// PermanentRecipient: this recipient will never get it; others may.
	PermanentRecipient = wire.Outcome_OUTCOME_PERMANENT_RECIPIENT
	// PermanentConfig: the channel can deliver nothing as it is configured.
	PermanentConfig = wire.Outcome_OUTCOME_PERMANENT_CONFIG
	// Unknown: it may have been accepted or not.
	Unknown = wire.Outcome_OUTCOME_UNKNOWN
)

// NewChannel wraps the function that makes a channel from its configuration.
func NewChannel[C any, P Channel](build func(C, Env) (P, error)) Constructor {
	return constructor(nil, build)
}

func (c *ChannelType) describe() (wire.ChannelType, error) {
	d := wire.ChannelType{Name: c.Name, Doc: c.Doc, Limit: c.Limit, MaxBytes: c.MaxBytes, Pages: c.Pages}
	if c.New.schema == nil {
		return d, errors.New("it has no New")
	}
	var err error
	if d.Config, err = c.New.schema(); err == nil {
		err = d.Config.Check()
	}
	d.Syncs = c.New.made.Implements(reflect.TypeFor[Syncer]())
	return d, err
}

// notifier answers the daemon's calls to channels.
type notifier struct {
	wire.UnimplementedNotifierServer

	types []ChannelType
	// env is what the plugin's own part got; it is known once the plugin is configured.
	env func() (Env, bool)

	mu       sync.Mutex
	channels map[string]Channel
}

// ConfigureChannels implements the contract.
func (n *notifier) ConfigureChannels(_ context.Context, req *wire.ConfigureChannelsRequest) (*wire.ConfigureChannelsResponse, error) {
	env, ok := n.env()
	if !ok {
		return nil, status.Error(codes.FailedPrecondition, "ConfigureChannels was called before Configure")
	}
	channels := map[string]Channel{}
	answer := &wire.ConfigureChannelsResponse{}
	for _, c := range req.Channels {
		channel, err := n.build(c, env)
		if err != nil {
			for _, p := range problemsOf(err) {
				p.Path = append([]string{c.Name}, p.Path...)
				answer.Problems = append(answer.Problems, p)
			}
			continue
		}
		channels[c.Name] = channel
	}
	if len(answer.Problems) == 0 {
		n.mu.Lock()
		n.channels = channels
		n.mu.Unlock()
	}
	return answer, nil
}

func (n *notifier) build(c *wire.Channel, env Env) (Channel, error) {
	for _, t := range n.types {
		if t.Name == c.Type {
			env.Channel, env.Logger = c.Name, env.Logger.With("channel", c.Name)
			built, err := t.New.build(c.Config, env)
			if err != nil {
				return nil, err
			}
			return built.(Channel), nil
		}
	}
	return nil, fmt.Errorf("there is no channel type %q", c.Type)
}

func (n *notifier) channel(name string) (Channel, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if c, ok := n.channels[name]; ok {
		return c, nil
	}
	return nil, status.Errorf(codes.NotFound, "there is no channel %q", name)
}

// Check implements the contract.
func (n *notifier) Check(ctx context.Context, req *wire.CheckRequest) (*wire.Delivery, error) {
	c, err := n.channel(req.Channel)
	if err != nil {
		return nil, err
	}
	ctx, cancel := ahead(ctx)
	defer cancel()
	return c.Check(ctx).wire(), nil
}

// Notify implements the contract.
func (n *notifier) Notify(ctx context.Context, req *wire.NotifyRequest) (*wire.NotifyResponse, error) {
	c, err := n.channel(req.Channel)
	if err != nil {
		return nil, err
	}
	ctx, cancel := ahead(ctx)
	defer cancel()
	report := c.Notify(ctx, req)
	answer := &wire.NotifyResponse{ThreadState: report.Thread}
	for _, d := range report.Deliveries {
		answer.Deliveries = append(answer.Deliveries, d.wire())
	}
	return answer, nil
}

// Sync implements the contract.
func (n *notifier) Sync(ctx context.Context, req *wire.SyncRequest) (*wire.Delivery, error) {
	c, err := n.channel(req.Channel)
	if err != nil {
		return nil, err
	}
	syncer, ok := c.(Syncer)
	if !ok {
		return nil, status.Errorf(codes.InvalidArgument, "channel %q keeps no state", req.Channel)
	}
	ctx, cancel := ahead(ctx)
	defer cancel()
	return syncer.Sync(ctx, req.Active, req.ValidFor.AsDuration()).wire(), nil
}

// ahead is a context that ends a little before the call's: what a channel says at its deadline still reaches the daemon.
func ahead(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	left := time.Until(deadline)
	return context.WithDeadline(ctx, deadline.Add(-min(time.Second, left/10)))
}

func (d Delivery) wire() *wire.Delivery {
	w := &wire.Delivery{
		Outcome:    d.Outcome,
		Recipient:  d.Recipient,
		Code:       d.Code,
		Message:    d.Message,
		ProviderId: d.ProviderID,
		Bytes:      uint32(max(0, d.Bytes)),
		Truncated:  d.Truncated,
	}
	if d.RetryAfter > 0 {
		w.RetryAfter = durationpb.New(d.RetryAfter)
	}
	return w
}
