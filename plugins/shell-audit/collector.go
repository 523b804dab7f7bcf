package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/hashicorp/go-hclog"

	"github.com/vedette-monitor/vedette/plugins/shell-audit/chain"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/coverage"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/drop"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/identity"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/kernel"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/record"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/redact"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/socket"
	"github.com/vedette-monitor/vedette/sdk"
)

// collector takes what hooks have written and what the kernel has seen, and makes rows of it. But for what its parts do by
// themselves all of it happens on one goroutine.
type collector struct {
	config config
	logger hclog.Logger

	ledger *ledger
	drop   *drop.Directory
	rules  *redact.Rules
	key    []byte // of the host, for command_mac
	names  *identity.Names
	own    string // address of the host

	shells   map[shellKey]*shell
	count    map[int]int    // of them, by user
	inbox    map[int]*inbox // by user
	limits   map[int]*limit
	sessions map[string]*limit // of programs, by their terminal and login
	repeats  map[repeatKey]*repeat
	denied   map[int]bool // users whose file could not be made

	more bool // there is more to be read

	kernel  *kernel.Source
	watch   *coverage.Watch
	ticked  time.Time // when the watch was told the time
	forgot  time.Time // when it was forgotten what is gone
	counted time.Time // when it was asked what the kernel lost
	lost    uint64
	running map[running]origin // programs that the kernel saw start
	trusted map[uint32]bool    // logins whose user is attested

	execs  chan kernel.Event
	events chan socket.Event
	woken  chan struct{}
}

func newCollector(c config, env sdk.Env) (*collector, error) {
	rules, err := redact.New(c.Redact)
	if err != nil {
		return nil, &sdk.Problem{Path: []string{"redact"}, Err: err}
	}
	if os.Geteuid() != 0 {
		return nil, errors.New("the audit needs root: it makes files that users can only append to, and looks at processes of all users; run the daemon as root, or leave this plugin out")
	}
	return &collector{
		config: c, logger: env.Logger, rules: rules, names: identity.NewNames(), own: ownAddress(),
		shells: map[shellKey]*shell{}, count: map[int]int{}, inbox: map[int]*inbox{}, limits: map[int]*limit{}, sessions: map[string]*limit{}, repeats: map[repeatKey]*repeat{}, denied: map[int]bool{},
		forgot: time.Now(), watch: coverage.New(coverage.NewHost()), running: map[running]origin{}, trusted: map[uint32]bool{},
		execs: make(chan kernel.Event, 8192), events: make(chan socket.Event, 1024), woken: make(chan struct{}, 1),
	}, nil
}

// Stream implements sdk.Streamer.
func (c *collector) Stream(ctx context.Context, out sdk.Stream) (err error) {
	if err := c.open(); err != nil {
		return err
	}
	defer c.drop.Close()
	defer func() { err = errors.Join(err, c.ledger.close()) }()
	watcher, err := c.watchSpool()
	if err != nil {
		return err
	}
	if c.kernel, err = kernel.Open(kernel.Options{Mode: kernel.Mode(c.config.Kernel), All: c.config.Exec == "all", AuditRules: c.config.AuditRules}, c.logger); err != nil {
		return errors.Join(err, watcher.Close())
	}
	// Last, so that who sees the socket is seen.
	var server *socket.Server
	if err = makeWay(filepath.Dir(string(c.config.Socket))); err == nil {
		server, err = socket.Listen(string(c.config.Socket), socket.Usual, c.logger)
	}
	if err != nil {
		c.kernel.Close()
		return errors.Join(err, watcher.Close())
	}
	ctx, stop := context.WithCancelCause(ctx)
	var beside sync.WaitGroup
	defer beside.Wait()
	defer stop(nil)
	beside.Go(func() {
		server.Run(ctx, func(e socket.Event) {
			select {
			case c.events <- e:
			case <-ctx.Done():
			}
		})
	})
	beside.Go(func() { c.wake(ctx, watcher) })
	beside.Go(func() {
		if err := c.listen(ctx); err != nil {
			stop(err)
		}
	})
	beside.Go(func() { stop(c.ledger.deliver(ctx, out)) })
	if err := c.run(ctx); err != nil {
		return err
	}
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// open opens all that is kept.
func (c *collector) open() error {
	var err error
	if c.ledger, err = openLedger(&c.config, c.logger); err != nil {
		return err
	}
	if c.key, err = hostKey(c.config.hostKey()); err == nil {
		err = makeWay(filepath.Dir(string(c.config.Spool)))
	}
	if err == nil {
		c.drop, err = drop.Open(string(c.config.Spool), drop.Usual, c.ledger.memory.Read, c.logger)
	}
	if err != nil {
		return errors.Join(err, c.ledger.close())
	}
	for _, uid := range peopleOf("/etc/passwd") {
		c.admit(uid)
	}
	return nil
}

// admit lets a user leave records.
func (c *collector) admit(uid int) {
	if c.denied[uid] {
		return
	}
	if err := c.drop.Admit(uid); err != nil {
		c.denied[uid] = true
		c.logger.Warn("a user has no file in the spool: records of that user come as files of their own", "uid", uid, "error", err)
	}
}

// watchSpool watches for changes of the spool.
func (c *collector) watchSpool() (*fsnotify.Watcher, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watching the spool: %w", err)
	}
	for _, dir := range c.drop.Watched() {
		if err := w.Add(dir); err != nil {
			_ = w.Close()
			return nil, fmt.Errorf("watching the spool: %w", err)
		}
	}
	return w, nil
}

// wake wakes the collector when something has changed in the spool.
func (c *collector) wake(ctx context.Context, w *fsnotify.Watcher) {
	defer w.Close()
	for {
		select {
		case <-ctx.Done():
			return
		case _, ok := <-w.Events:
			if !ok {
				return
			}
		case err, ok := <-w.Errors:
			if !ok {
				return
			}
			// What was not seen is found by the next scan.
			c.logger.Debug("watching the spool", "error", err)
		}
		select {
		case c.woken <- struct{}{}:
		default:
		}
	}
}

const (
	// scanned is how often the spool is read whether or not anything has changed, and what else is due is done.
	scanned = 500 * time.Millisecond
	// gathered is how long changes are gathered: reading and syncing for each would cost more than it brings.
	gathered = 10 * time.Millisecond
)

// run collects until ctx ends.
func (c *collector) run(ctx context.Context) error {
	if err := replace(c.config.heard(), []byte(c.heard()+"\n")); err != nil {
		c.trouble("keeping for status what is heard from the kernel", err)
	}
	if err := c.event(event{kind: "start", detail: "the collector begins, version " + version + "; " + c.heard()}); err != nil {
		return err
	}
	scan := time.NewTicker(scanned)
	defer scan.Stop()
	for {
		if err := c.collect(time.Now()); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return c.leave()
		case e := <-c.events:
			if err := c.take(e); err != nil {
				return err
			}
		case e := <-c.execs:
			if err := c.exec(e, time.Now()); err != nil {
				return err
			}
		case <-c.woken:
		case <-scan.C:
		case <-c.nextRelease():
		}
		pause := time.NewTimer(gathered)
	gather:
		for {
			select {
			case <-ctx.Done():
				break gather
			case e := <-c.events:
				if err := c.take(e); err != nil {
					pause.Stop()
					return err
				}
			case e := <-c.execs:
				if err := c.exec(e, time.Now()); err != nil {
					pause.Stop()
					return err
				}
			case <-pause.C:
				break gather
			}
		}
		pause.Stop()
	}
}

// collect reads what is new, makes rows of it, and brings them to disk.
func (c *collector) collect(now time.Time) error {
	room, err := c.ledger.hasRoom()
	if err != nil {
		return err
	}
	if room {
		if err := c.read(now); err != nil {
			return err
		}
		if err := c.release(now); err != nil {
			return err
		}
		if err := c.look(now); err != nil {
			return err
		}
		if err := c.tellRepeats(now); err != nil {
			return err
		}
		c.forget(now)
	}
	if err := c.ledger.sync(); err != nil {
		return err
	}
	if room && c.settled() {
		gone, err := c.drop.Settle()
		if err != nil {
			c.trouble("tidying the spool", err)
		}
		for _, place := range gone {
			delete(c.ledger.memory.Read, place)
		}
	}
	if err := c.ledger.keep(now); err != nil {
		c.trouble("keeping the memory", err)
	}
	if err := c.ledger.journal.Prune(now); err != nil {
		c.trouble("tidying the journal", err)
	}
	return nil
}

// leave makes rows of what is there, and says that nothing more comes.
func (c *collector) leave() error {
	if err := c.collect(time.Now().Add(patience)); err != nil {
		return err
	}
	if err := c.event(event{kind: "stop", detail: "the collector ends"}); err != nil {
		return err
	}
	return c.ledger.sync()
}

// read reads the spool.
func (c *collector) read(now time.Time) error {
	var failed error
	more, err := c.drop.Read(func(uid int) int { return c.allowed(uid, now) }, func(f drop.Found) {
		if failed == nil {
			failed = c.found(f, now)
		}
	})
	if err != nil {
		c.trouble("reading the spool", err)
	}
	c.more = more
	if failed == nil {
		failed = c.tellHeldBack(now)
	}
	return failed
}

// trouble logs what goes on by itself, once a minute.
func (c *collector) trouble(doing string, err error) {
	k := repeatKey{kind: "trouble", detail: doing}
	if r := c.repeats[k]; r != nil && time.Since(r.told) < time.Minute {
		return
	}
	c.repeats[k] = &repeat{told: time.Now()}
	c.logger.Error("what the audit does beside its work fails", "doing", doing, "error", err)
}

// take takes what has happened at the socket.
func (c *collector) take(e socket.Event) error {
	switch e.Kind {
	case socket.Message:
		key := shellKey{e.UID, e.Record.PID, e.Record.Birth}
		s := c.shellOf(key, e.Record)
		if !s.known && e.Peer.Birth != 0 {
			s.process, s.known = e.Peer.Process, true
		}
		s.connected = true
		c.admit(e.UID)
		c.inboxOf(e.UID).attest(e.Record)
	case socket.Closed:
		for _, s := range c.shells {
			if s.key.PID == e.Peer.PID && s.key.Birth == e.Peer.Birth {
				s.connected = false
			}
		}
		if e.Alive {
			return c.tell(c.watch.Closed(e.Peer.PID, e.Peer.Birth, time.Now()))
		}
	case socket.Violation:
		kind := "drop"
		if errors.Is(e.Err, socket.ErrMismatch) {
			kind = "credential_mismatch"
		}
		return c.repeated(repeatKey{kind: kind, uid: e.Peer.UID, detail: e.Err.Error()}, 1, time.Now())
	}
	return nil
}

// hooked are the shells that have hooks. Any other name is somebody's invention, of which there may be many, and each would be a
// series.
var hooked = map[string]bool{"bash": true, "zsh": true, "fish": true}

// mostShells bounds the shells of a user that are known.
const mostShells = 1000

// shellOf is the shell that wrote a record.
func (c *collector) shellOf(key shellKey, r record.Record) *shell {
	s := c.shells[key]
	if s != nil {
		return s
	}
	s = &shell{key: key, name: r.Shell}
	if !hooked[s.name] {
		s.name = "other"
	}
	if c.count[key.UID] >= mostShells {
		for other := range c.shells {
			if other.UID == key.UID {
				c.leaves(other)
				break
			}
		}
	}
	c.shells[key] = s
	c.count[key.UID]++
	return s
}

// leaves forgets a shell.
func (c *collector) leaves(key shellKey) {
	if c.shells[key] == nil {
		return
	}
	delete(c.shells, key)
	if c.count[key.UID]--; c.count[key.UID] == 0 {
		delete(c.count, key.UID)
	}
}

// forget forgets, now and then, what is known of processes that are gone.
func (c *collector) forget(now time.Time) {
	const often = 10 * time.Minute
	if now.Sub(c.forgot) < often || len(c.inbox) > 0 {
		return
	}
	c.forgot = now
	gone := func(key shellKey) bool {
		_, err := identity.Of(key.PID, key.Birth)
		return err != nil && c.drop.Drained(key.UID)
	}
	for key := range c.shells {
		if gone(key) {
			c.leaves(key)
		}
	}
	for key := range c.ledger.memory.Open {
		if gone(key) {
			c.ledger.memory.drop(key)
		}
	}
	for r := range c.running {
		if !kernel.Running(r.pid, r.birth) {
			delete(c.running, r)
		}
	}
	for uid := range c.limits {
		if c.drop.Drained(uid) {
			delete(c.limits, uid)
		}
	}
	clear(c.sessions)
}

// row is one of a measurement, with its tags.
func (c *collector) row(measurement, user, shell, source string, at time.Time, more ...chain.Value) chain.Row {
	r := chain.Row{Measurement: measurement, Tags: append([]chain.Value{
		chain.String("shell", shell), chain.String("source", source), chain.String("user", user),
	}, more...)}
	r.Sort()
	r.Time = c.ledger.timeOf(r, at)
	return r
}
