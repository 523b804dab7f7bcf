package main

import (
	"context"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/vedette-monitor/vedette/plugins/shell-audit/chain"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/coverage"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/kernel"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/text"
)

// running tells a process from others since the host was booted.
type running struct {
	pid   int
	birth int64
}

const (
	// polled is how often terminals are looked at where the kernel tells nothing by itself.
	polled = 2 * time.Second
	// Programs of one terminal or login are recorded at this rate, and so many at once; all others are counted.
	execRate, execBurst = 200, 1000
	// mostRunning bounds the programs whose end is awaited.
	mostRunning = 20_000
)

// listen hears from the kernel, or looks itself, until ctx ends.
func (c *collector) listen(ctx context.Context) error {
	tell := func(e kernel.Event) {
		select {
		case c.execs <- e:
		case <-ctx.Done():
		}
	}
	if c.kernel.Status().Mode == kernel.Off {
		if c.config.Kernel != "off" {
			kernel.Poll(ctx, polled, tell)
		}
		c.kernel.Close()
		return nil
	}
	if c.kernel.Status().Exits {
		return c.kernel.Run(ctx, tell)
	}
	// Ends are found by looking. Starts must not be taken from there: they would be told twice.
	var looking sync.WaitGroup
	defer looking.Wait()
	looking.Go(func() {
		kernel.Poll(ctx, polled, func(e kernel.Event) {
			if _, isExit := e.(kernel.Exit); isExit {
				tell(e)
			}
		})
	})
	return c.kernel.Run(ctx, tell)
}

// heard says in words what is heard from the kernel.
func (c *collector) heard() string {
	s := c.kernel.Status()
	said := "the kernel is asked by " + string(s.Mode)
	if s.Mode == kernel.Off {
		said = "the kernel is not asked what is run"
	}
	if s.Why != "" {
		said += ": " + s.Why
	}
	return text.Clean(said)
}

// exec takes what the kernel has told.
func (c *collector) exec(e kernel.Event, now time.Time) error {
	if err := c.tell(c.watch.Kernel(e, now)); err != nil {
		return err
	}
	switch e := e.(type) {
	case kernel.Exec:
		if c.config.Exec == "none" || e.Earlier || c.kernel.Status().Mode == kernel.Off {
			return nil
		}
		return c.program(e, now)
	case kernel.Exit:
		return c.exit(e)
	}
	return nil
}

// program makes the row of a program.
func (c *collector) program(e kernel.Exec, now time.Time) error {
	if !c.room {
		c.missed++
		return nil
	}
	if !c.mayRecord(e, now) {
		return c.repeated(repeatKey{kind: "throttle", uid: e.UID, detail: "a session starts programs faster than they are recorded"}, 1, now)
	}
	user, attested := c.names.Of(e.UID), e.LoginUID != kernel.NoLogin && c.trusted[e.Session]
	if attested {
		user = c.names.Of(int(e.LoginUID))
	}
	source := "exec"
	if c.kernel.Status().Mode == kernel.Audit {
		source = "audit"
	}
	row := c.row(chain.Commands, user, "", source, e.At)
	key := shellKey{e.UID, e.PID, e.Birth}
	row.Fields = append(c.typed(commandLine(e.Args), e.Truncated),
		chain.Int("uid", int64(e.UID)), chain.Int("pid", int64(e.PID)), chain.Int("ppid", int64(e.Parent)),
		chain.String("exe", text.Clean(e.Path)), chain.String("session", session(key)),
		chain.Int("attestation", int64(ofProcess)), chain.Int("timestamp", row.Time))
	add := func(v chain.Value) { row.Fields = append(row.Fields, v) }
	if e.LoginUID != kernel.NoLogin {
		add(chain.Int("auid", int64(e.LoginUID)))
		add(chain.Bool("login_attested", attested))
	}
	for name, value := range map[string]string{"tty": e.Terminal, "cwd": text.Clean(e.Cwd), "address": c.own} {
		if value != "" {
			add(chain.String(name, value))
		}
	}
	var o origin
	if e.Birth != 0 && c.kernel.Status().Exits {
		// The process may have been another program before: then the row of that one gets no end.
		o = origin{Shell: &key, Opens: true, Started: e.At.UnixMicro()}
		if len(c.running) < mostRunning { // the ends of some may have been lost
			c.running[running{e.PID, e.Birth}] = o
		}
	}
	return c.ledger.add(chain.Start, row, false, o)
}

// exit completes the row of a program.
func (c *collector) exit(e kernel.Exit) error {
	o, ok := c.running[running{e.PID, e.Birth}]
	if !ok {
		return nil
	}
	delete(c.running, running{e.PID, e.Birth})
	if !c.room {
		return nil // its row stays without an end
	}
	begun, ok := c.ledger.memory.Open[*o.Shell][o.Started]
	if !ok {
		return nil
	}
	row := begun
	row.Fields = append(row.Fields[:len(row.Fields):len(row.Fields)], chain.Int("exit_code", int64(e.Code)),
		chain.Int("duration_us", max(0, e.At.UnixMicro()-o.Started)))
	return c.ledger.add(chain.End, row, true, origin{Shell: o.Shell, Closes: true, Started: o.Started})
}

// mayRecord says whether a program of a session is recorded.
func (c *collector) mayRecord(e kernel.Exec, now time.Time) bool {
	key := sessionKey{terminal: e.Terminal}
	if e.Terminal == "" {
		key.uid = e.UID
	}
	l := c.sessions[key]
	if l == nil {
		l = newLimit(execBurst, now)
		c.sessions[key] = l
	}
	l.refill(execRate, execBurst, now)
	if l.has < 1 {
		return false
	}
	l.has--
	return true
}

// sessionKey tells what shares a limit: a terminal, or what a user has running without one.
type sessionKey struct {
	terminal string
	uid      int
}

// look tells what is due by time alone.
func (c *collector) look(now time.Time) error {
	if now.Sub(c.ticked) >= time.Second {
		c.ticked = now
		if err := c.tell(c.watch.Tick(now)); err != nil {
			return err
		}
	}
	const often = 10 * time.Second
	if now.Sub(c.counted) < often || c.kernel.Status().Mode == kernel.Off {
		return nil
	}
	c.counted = now
	lost, err := c.kernel.Drops()
	if err != nil {
		c.trouble("counting what the kernel lost", err)
		return nil
	}
	if lost <= c.lost {
		return nil
	}
	count := lost - c.lost
	c.lost = lost
	return c.event(event{kind: "drop", detail: "programs were started faster than the kernel could tell", count: int64(count)})
}

// tell makes rows of what the watch has found.
func (c *collector) tell(found []coverage.Event) error {
	for _, e := range found {
		key := shellKey{e.UID, e.PID, e.Birth}
		one := event{kind: string(e.Kind), detail: text.Clean(e.Detail), uid: e.UID, name: e.Shell, count: e.Count}
		if s := c.shells[key]; s != nil {
			one.shell = s
		} else {
			one.fields = []chain.Value{chain.Int("pid", int64(e.PID)), chain.String("session", session(key))}
			if e.Exec.Terminal != "" {
				one.fields = append(one.fields, chain.String("tty", e.Exec.Terminal))
			}
		}
		if err := c.event(one); err != nil {
			return err
		}
		if e.Kind == coverage.Bye {
			c.leaves(key)
		}
	}
	return nil
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

// commandLine is what would be typed to run a program with these arguments.
func commandLine(args []string) string {
	words := make([]string, len(args))
	for i, a := range args {
		if words[i] = a; !plainWord.MatchString(a) {
			words[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}
