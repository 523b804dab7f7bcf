package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/hashicorp/go-hclog"

	"github.com/vedette-monitor/vedette/plugins/shell-audit/coverage"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/drop"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/identity"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/kernel"
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

	shells    map[shellKey]*shell
	count     map[int]int    // of them, by user
	inbox     map[int]*inbox // by user
	limits    map[int]*limit
	sessions  map[sessionKey]*limit // of programs
	repeats   map[repeatKey]*repeat
	troubles  map[string]time.Time // when they were logged
	admitted  map[int]bool         // users who have a file in the spool, or can not have one
	strangers int                  // of them without a name

	more   bool  // there is more to be read
	room   bool  // the journal takes rows
	missed int64 // programs and events that could not be kept since it does not

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
		shells: map[shellKey]*shell{}, count: map[int]int{}, inbox: map[int]*inbox{}, limits: map[int]*limit{}, sessions: map[sessionKey]*limit{}, repeats: map[repeatKey]*repeat{},
		troubles: map[string]time.Time{}, admitted: map[int]bool{},
		room: true, forgot: time.Now(), watch: coverage.New(coverage.NewHost()), running: map[running]origin{}, trusted: map[uint32]bool{},
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
	// The description of the kernel's types, in which fields were looked up, is many times what stays.
	debug.FreeOSMemory()
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

// mostStrangers bounds the users without a name who have a file in the spool. There may be tens of thousands of them, for a user can
// have numbers of others at will (subuid): the records of more are read from files of their own.
const mostStrangers = 64

// admit lets a user leave records.
func (c *collector) admit(uid int) {
	if c.admitted[uid] {
		return
	}
	if c.names.Of(uid) == strconv.Itoa(uid) {
		if c.strangers >= mostStrangers {
			return
		}
		c.strangers++
	}
	c.admitted[uid] = true
	if err := c.drop.Admit(uid); err != nil {
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
