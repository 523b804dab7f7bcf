package sdktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

// Finding is what an examination of one promise has found.
type Finding struct {
	// Promise is what the contract wants of a plugin.
	Promise string `json:"promise"`
	// Problem says how it is broken; empty if it is kept.
	Problem string `json:"problem,omitempty"`
	// Measured is what was seen, for those who want to know.
	Measured string        `json:"measured,omitempty"`
	Took     time.Duration `json:"took_ns"`
}

// Conform examines the plugin's program and fails the test for every promise that it breaks. config is a configuration
// as JSON with which it can work; defaults are filled in.
func Conform(t *testing.T, binary, config string) {
	t.Helper()
	for f := range Examine(t.Context(), binary, config) {
		t.Run(f.Promise, func(t *testing.T) {
			if f.Problem != "" {
				t.Error(f.Problem)
			}
			if f.Measured != "" {
				t.Log(f.Measured)
			}
		})
	}
}

// The bounds that the promises name.
const (
	describeTime = time.Second
	startTime    = 10 * time.Second
	cancelTime   = time.Second
	deathTime    = 2 * time.Second
	beatTime     = 5 * time.Second
	restarts     = 20
	maxGrowth    = 64 << 20
	// slack is what is granted on top of a bound, for a busy machine.
	slack = 4 * time.Second
)

// examination is what the promises are examined on.
type examination struct {
	ctx      context.Context
	binary   string
	config   []byte
	manifest *wire.Manifest
}

// promise is one thing that the contract wants of a plugin. examine returns what was measured and what is wrong.
type promise struct {
	name    string
	examine func(*examination) (string, error)
}

// promises in the order in which they are examined.
var promises = []promise{
	{"describes itself the same every time, within a second", (*examination).describesItself},
	{"has a name, a version, a role and documentation for everything", (*examination).isDocumented},
	{"has a README of the shape that all have, if one lies beside it", (*examination).hasReadme},
	{"leaves the daemon's arguments to the daemon", (*examination).leavesReserved},
	{"shakes hands, takes its configuration and works", (*examination).works},
	{"emits what it has declared and nothing else", (*examination).emitsDeclared},
	{"gives a sign of life every five seconds", (*examination).beats},
	{"stops within a second when it is asked to, and sends what it holds before", (*examination).drains},
	{"keeps its memory bounded while nothing is acknowledged", (*examination).holdsBack},
	{"ignores SIGTERM and SIGINT while its daemon lives", (*examination).ignoresSignals},
	{"is gone two seconds after its daemon has died, with all that it has started", (*examination).diesWithDaemon},
	{"writes nothing but its handshake to standard output", (*examination).keepsStdout},
	{"starts and stops twenty times without leaving anything behind", (*examination).restarts},
}

// Examine yields a finding for every promise.
func Examine(ctx context.Context, binary, config string) func(yield func(Finding) bool) {
	return func(yield func(Finding) bool) {
		e := &examination{ctx: ctx}
		prepared := e.prepare(binary, config)
		for _, p := range promises {
			if !yield(p.find(e, prepared)) || prepared != nil {
				return
			}
		}
	}
}

// find examines one promise, unless the examination can not even begin.
func (p *promise) find(e *examination, err error) Finding {
	f := Finding{Promise: p.name}
	begun := time.Now()
	if err == nil {
		f.Measured, err = p.examine(e)
	}
	if err != nil {
		f.Problem = err.Error()
	}
	f.Took = time.Since(begun)
	return f
}

func (e *examination) prepare(binary, config string) (err error) {
	if e.binary, err = filepath.Abs(binary); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(e.ctx, describeTime+slack)
	defer cancel()
	if e.manifest, _, err = describe(ctx, e.binary); err != nil {
		return err
	}
	e.config, err = withDefaults(config, e.manifest.Config)
	return err
}

func (e *examination) describesItself() (string, error) {
	var first []byte
	var longest time.Duration
	for i := range 3 {
		begun := time.Now()
		_, text, err := describe(e.ctx, e.binary)
		if err != nil {
			return "", err
		}
		longest = max(longest, time.Since(begun))
		if i == 0 {
			first = text
		} else if !bytes.Equal(first, text) {
			return "", errors.New("two descriptions differ")
		}
	}
	if longest > describeTime+slack {
		return "", fmt.Errorf("it took %s", longest)
	}
	return longest.Round(time.Millisecond).String(), nil
}

func (e *examination) isDocumented() (string, error) {
	m := e.manifest
	var missing []string
	for what, text := range map[string]string{"name": m.Name, "version": m.Version, "doc": m.Doc} {
		if text == "" {
			missing = append(missing, what)
		}
	}
	if len(m.Roles) == 0 {
		missing = append(missing, "roles")
	}
	missing = append(missing, undocumented("", m.Config)...)
	for _, measurement := range m.Measurements {
		if measurement.Doc == "" {
			missing = append(missing, "doc of measurement "+measurement.Name)
		}
		for _, tag := range measurement.Tags {
			if tag.Doc == "" {
				missing = append(missing, "doc of tag "+measurement.Name+"."+tag.Name)
			}
		}
		for _, field := range measurement.Fields {
			if field.Doc == "" || field.Type == "" {
				missing = append(missing, "doc or type of field "+measurement.Name+"."+field.Name)
			}
		}
	}
	for _, c := range m.Channels {
		missing = append(missing, undocumented(c.Name+".", c.Config)...)
	}
	for _, c := range m.Commands {
		if c.Doc == "" {
			missing = append(missing, "doc of command "+c.Name)
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		return "", fmt.Errorf("missing: %s", strings.Join(missing, ", "))
	}
	return "", nil
}

func undocumented(path string, s wire.Schema) (missing []string) {
	for _, a := range s.Attributes {
		if a.Doc == "" {
			missing = append(missing, "doc of argument "+path+a.Name)
		}
	}
	for _, b := range s.Blocks {
		if b.Doc == "" {
			missing = append(missing, "doc of block "+path+b.Name)
		}
		missing = append(missing, undocumented(path+b.Name+".", b.Schema)...)
	}
	return missing
}

func (e *examination) leavesReserved() (string, error) {
	for _, a := range e.manifest.Config.Attributes {
		if slices.Contains(wire.Reserved, a.Name) {
			return "", fmt.Errorf("its argument %q is one of the daemon's: %s", a.Name, strings.Join(wire.Reserved, ", "))
		}
	}
	return "", nil
}

// run starts the plugin, opens a session that ticks at the interval, and hands both to f.
func (e *examination) run(interval time.Duration, hold bool, f func(ctx context.Context, p *process, s *session) error) error {
	ctx, cancel := context.WithTimeout(e.ctx, time.Minute)
	defer cancel()
	p, err := startProcess(ctx, e.binary)
	if err != nil {
		return err
	}
	defer p.kill()
	req := configureRequest(e.config, Options{})
	req.Interval, req.Timeout = durationpb.New(interval), durationpb.New(max(interval, 10*time.Second))
	req.StateDir = filepath.Join(p.dir, "state")
	if err := os.Mkdir(req.StateDir, 0o700); err != nil {
		return err
	}
	s, err := p.open(ctx, req, hold)
	if err != nil {
		return err
	}
	err = f(ctx, p, s)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, breach := range s.breaches {
		err = errors.Join(err, errors.New(breach))
	}
	return err
}

// emits says whether the plugin is one that emits points without being asked for anything.
func (e *examination) emits() bool { return e.manifest.HasRole(wire.RoleCollector) }

func (e *examination) works() (string, error) {
	var took time.Duration
	begun := time.Now()
	err := e.run(time.Second, false, func(ctx context.Context, _ *process, s *session) error {
		took = time.Since(begun)
		if !e.emits() {
			return nil
		}
		waiting, cancel := context.WithTimeout(ctx, 20*time.Second)
		defer cancel()
		if s.until(waiting, func() bool { return len(s.points) > 0 || s.ended }) != nil {
			return errors.New("no point came within 20 s at an interval of a second")
		}
		return s.err
	})
	if took > startTime+slack {
		err = errors.Join(err, fmt.Errorf("it took %s to start", took))
	}
	return "started in " + took.Round(time.Millisecond).String(), err
}

func (e *examination) emitsDeclared() (string, error) {
	declared := map[string]wire.Measurement{}
	for _, m := range e.manifest.Measurements {
		declared[m.Name] = m
	}
	seen := map[string]bool{}
	err := e.run(500*time.Millisecond, false, func(ctx context.Context, _ *process, s *session) error {
		waiting, cancel := context.WithTimeout(ctx, 3*time.Second)
		defer cancel()
		_ = s.until(waiting, func() bool { return s.ended })
		s.mu.Lock()
		defer s.mu.Unlock()
		var wrong []string
		for _, p := range s.points {
			for _, problem := range undeclared(declared, p) {
				if !slices.Contains(wrong, problem) {
					wrong = append(wrong, problem)
				}
			}
			seen[p.Measurement] = true
		}
		if len(wrong) > 0 {
			return fmt.Errorf("not as declared: %s", strings.Join(wrong[:min(len(wrong), 10)], ", "))
		}
		return nil
	})
	return strings.Join(slices.Sorted(maps.Keys(seen)), ", "), err
}

func undeclared(declared map[string]wire.Measurement, p *wire.Point) (wrong []string) {
	m, ok := declared[p.Measurement]
	if !ok {
		m, ok = declared[wire.AnyMeasurement]
	}
	if !ok {
		return []string{"measurement " + p.Measurement}
	}
	if p.Time == 0 {
		wrong = append(wrong, p.Measurement+" has no time")
	}
	if len(p.Fields) == 0 {
		wrong = append(wrong, p.Measurement+" has no fields")
	}
	for _, f := range p.Fields {
		i := slices.IndexFunc(m.Fields, func(d wire.FieldSchema) bool { return d.Name == f.Key })
		switch {
		case i < 0 && m.Open:
		case i < 0:
			wrong = append(wrong, "field "+p.Measurement+"."+f.Key)
		case m.Fields[i].Type != typeOf(f):
			wrong = append(wrong, fmt.Sprintf("field %s.%s is %s and declared as %s", p.Measurement, f.Key, typeOf(f), m.Fields[i].Type))
		}
	}
	return wrong
}

func typeOf(f *wire.Field) wire.Type {
	switch f.Value.(type) {
	case *wire.Field_Float:
		return wire.TypeFloat
	case *wire.Field_Int, *wire.Field_Uint:
		return wire.TypeInt
	case *wire.Field_Bool:
		return wire.TypeBool
	}
	return wire.TypeString
}

func (e *examination) beats() (string, error) {
	return "", e.run(time.Hour, false, func(ctx context.Context, _ *process, s *session) error {
		waiting, cancel := context.WithTimeout(ctx, beatTime+slack)
		defer cancel()
		if s.until(waiting, func() bool { return s.beats > 0 || s.ended }) != nil {
			return fmt.Errorf("none came within %s", beatTime+slack)
		}
		return s.err
	})
}

func (e *examination) drains() (string, error) {
	var took time.Duration
	err := e.run(50*time.Millisecond, false, func(ctx context.Context, p *process, s *session) error {
		waiting, cancel := context.WithTimeout(ctx, 20*time.Second)
		defer cancel()
		if e.emits() {
			_ = s.until(waiting, func() bool { return len(s.points) > 0 || s.ended })
		}
		begun := time.Now()
		s.stop()
		ending, cancelEnding := context.WithTimeout(ctx, cancelTime+slack)
		defer cancelEnding()
		if s.until(ending, func() bool { return s.ended }) != nil {
			return fmt.Errorf("the session goes on after %s", cancelTime+slack)
		}
		took = time.Since(begun)
		if s.err != nil {
			return fmt.Errorf("the session ended with %w", s.err)
		}
		return nil
	})
	return "stopped in " + took.Round(time.Millisecond).String(), err
}

func (e *examination) holdsBack() (string, error) {
	var growth int64
	err := e.run(20*time.Millisecond, true, func(ctx context.Context, p *process, s *session) error {
		before, known := p.memory()
		if !known {
			return nil
		}
		waiting, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		_ = s.until(waiting, func() bool { return s.ended })
		after, _ := p.memory()
		growth = after - before
		if growth > maxGrowth {
			return fmt.Errorf("it has grown by %d MiB in 5 s, at an interval of 20 ms", growth>>20)
		}
		if s.ended {
			return fmt.Errorf("the session ended: %v", s.err)
		}
		s.release()
		return nil
	})
	return fmt.Sprintf("grew by %d MiB", growth>>20), err
}

func (e *examination) ignoresSignals() (string, error) {
	return "", e.run(100*time.Millisecond, false, func(ctx context.Context, p *process, s *session) error {
		for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGTERM} {
			if err := syscall.Kill(p.cmd.Process.Pid, sig); err != nil {
				return err
			}
		}
		// It lives on if it answers: a beat comes within five seconds.
		waiting, cancel := context.WithTimeout(ctx, beatTime+slack)
		defer cancel()
		s.mu.Lock()
		beats := s.beats
		s.mu.Unlock()
		if s.until(waiting, func() bool { return s.beats > beats || s.ended }) != nil || s.ended {
			return errors.New("it ended, or says nothing any more")
		}
		return nil
	})
}

func (e *examination) diesWithDaemon() (string, error) {
	var took time.Duration
	err := e.run(100*time.Millisecond, false, func(ctx context.Context, p *process, s *session) error {
		begun := time.Now()
		// What a daemon's death looks like from within: the connection and the lifeline are cut.
		_ = p.conn.Close()
		_ = p.lifeline.Close()
		waiting, cancel := context.WithTimeout(ctx, deathTime+slack)
		defer cancel()
		err := p.gone(waiting)
		took = time.Since(begun)
		return err
	})
	return "gone in " + took.Round(time.Millisecond).String(), err
}

func (e *examination) keepsStdout() (string, error) {
	return "", e.run(100*time.Millisecond, false, func(ctx context.Context, p *process, s *session) error {
		waiting, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_ = s.until(waiting, func() bool { return s.ended })
		if stray := p.stray.String(); stray != "" {
			return fmt.Errorf("it wrote: %.200s", stray)
		}
		return nil
	})
}

func (e *examination) restarts() (string, error) {
	for i := range restarts {
		err := e.run(100*time.Millisecond, false, func(ctx context.Context, p *process, s *session) error {
			s.stop()
			ending, cancel := context.WithTimeout(ctx, cancelTime+slack)
			defer cancel()
			if s.until(ending, func() bool { return s.ended }) != nil {
				return errors.New("the session does not end")
			}
			_ = p.conn.Close()
			_ = p.lifeline.Close()
			dying, cancelDying := context.WithTimeout(ctx, deathTime+slack)
			defer cancelDying()
			return p.gone(dying)
		})
		if err != nil {
			return "", fmt.Errorf("at start %d: %w", i+1, err)
		}
	}
	return "", nil
}
