package kernel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"
)

// Mode says how the kernel is asked.
type Mode string

const (
	Off   Mode = "off"
	EBPF  Mode = "ebpf"  // programs of our own in the kernel
	Audit Mode = "audit" // the kernel's audit, as far as its rules say
	Auto  Mode = "auto"  // what is to be had, eBPF first
)

// Options say what to listen to.
type Options struct {
	Mode Mode
	// All also tells of programs without terminal and login.
	All bool
	// AuditRules lets Audit add rules for the start of programs, which it removes again. Otherwise nothing of the kernel's audit
	// is changed.
	AuditRules bool

	ring int // bytes that may wait to be read; for tests
}

// Status says what is listened to.
type Status struct {
	Mode Mode // never Auto
	// Why says in words why it is not a better one; "" if it is the best one, or what was asked for.
	Why string
	// Exits says whether ends are told too.
	Exits bool
}

// mechanism is a way to hear from the kernel. Run is called once at most, and ends with ctx after what had come until then.
type mechanism interface {
	run(ctx context.Context, tell func(Event)) error
	drops() (uint64, error)
	close()
}

// Source is where events come from.
type Source struct {
	status  Status
	how     mechanism // nil if nothing is listened to
	earlier []Event
	started atomic.Bool
}

// Open begins to listen: from now on nothing is missed that is not counted. Run must be called soon, and ends it; or Close.
// A mode that was asked for by its name and is not to be had is an error; Auto does without, and Status says why.
func Open(o Options, logger hclog.Logger) (*Source, error) {
	var why string
	switch o.Mode {
	case Off:
		return &Source{status: Status{Mode: Off}}, nil
	case EBPF, Auto:
		t, err := openTracer(o)
		if err == nil {
			return listening(Status{Mode: EBPF, Exits: true}, t), nil
		}
		if o.Mode == EBPF {
			return nil, fmt.Errorf("listening to the kernel by eBPF: %w", err)
		}
		why = "eBPF: " + err.Error()
	case Audit:
	default:
		return nil, fmt.Errorf("listening to the kernel: there is no mode %q: it is one of off, ebpf, audit, auto", o.Mode)
	}
	a, doubt, err := openAuditor(o, logger)
	switch {
	case err == nil:
		return listening(Status{Mode: Audit, Why: join(why, doubt)}, a), nil
	case o.Mode == Audit:
		return nil, fmt.Errorf("listening to the kernel by its audit: %w", err)
	}
	return &Source{status: Status{Mode: Off, Why: join(why, "audit: "+err.Error())}}, nil
}

// listening is a source that has just begun to listen, and looks at what was there before.
func listening(status Status, how mechanism) *Source {
	s := &Source{status: status, how: how}
	var all poller
	all.scan(func(e Event) { s.earlier = append(s.earlier, e) })
	return s
}

// join puts reasons into one text.
func join(reasons ...string) string {
	return strings.Join(slices.DeleteFunc(reasons, func(s string) bool { return s == "" }), "; ")
}

// Status says what is listened to.
func (s *Source) Status() Status { return s.status }

// Drops is how many events were lost, ever. With Audit these are all events of the kernel's audit, not programs alone; a gap in
// their numbers counts after some seconds, and what the kernel lost before numbering it may have been lost for others alone.
func (s *Source) Drops() (uint64, error) {
	if s.how == nil {
		return 0, nil
	}
	return s.how.drops()
}

// Run tells events, one after the other: first the programs that had been on terminals before, then all until ctx ends, and it
// returns nil. With nothing to listen to it only waits. It can be called once, and the counts stay.
func (s *Source) Run(ctx context.Context, tell func(Event)) error {
	if s.started.Swap(true) {
		return errors.New("listening to the kernel: it was listened to before: open another source")
	}
	if s.how == nil {
		<-ctx.Done()
		return nil
	}
	for _, e := range s.earlier {
		tell(e)
	}
	s.earlier = nil
	return s.how.run(ctx, tell)
}

// Close ends it, and takes away what was put into the kernel. It must not be called while Run or Drops is running.
func (s *Source) Close() {
	if s.how != nil {
		s.how.close()
		s.how = nil
	}
}
