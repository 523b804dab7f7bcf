package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/vedette-monitor/vedette/bench/process"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/hook"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/hook/terminal"
)

// variant is a bash with one way of telling what is typed.
type variant struct {
	name   string
	hooked bool
	// prepare makes the collector and disk what they should be.
	prepare func(context.Context, *variant) error
	rc      string
	slow    bool

	root  string
	shell *terminal.Terminal
	ends  []func()
	took  []float64 // µs from the Enter key to the next prompt
	alone []float64 // µs in the hook
}

// client is what an older audit ran at each prompt: a program that sends a line to a server and waits for the answer.
const client = `import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=3)
s.sendall(sys.argv[2].encode())
s.close()
`

func (b *bench) variants() []*variant {
	up := func(ctx context.Context, v *variant) error { _, err := v.collector(ctx); return err }
	python := filepath.Join(b.dir, "client.py")
	return []*variant{
		{name: "none"},
		{name: "hook, collector up", hooked: true, prepare: up},
		{name: "hook, collector stopped", hooked: true, prepare: func(ctx context.Context, v *variant) error {
			p, err := v.collector(ctx)
			if err != nil {
				return err
			}
			v.ends = append([]func(){func() { _ = syscall.Kill(p.PID(), syscall.SIGCONT) }}, v.ends...)
			return syscall.Kill(p.PID(), syscall.SIGSTOP)
		}},
		{name: "hook, collector dead", hooked: true, prepare: func(ctx context.Context, v *variant) error {
			p, err := v.collector(ctx)
			if err != nil {
				return err
			}
			_ = syscall.Kill(p.PID(), syscall.SIGKILL)
			p.End()
			v.ends = nil
			return nil
		}},
		{name: "hook, disk full", hooked: true, prepare: fullDisk},
		{name: "$(history 1)", rc: "PROMPT_COMMAND='x=$(history 1)'\n", slow: true},
		{name: "Python client", rc: fmt.Sprintf("PROMPT_COMMAND='/usr/bin/python3 %s %d \"$(history 1)\"'\n", python, b.port), slow: true},
	}
}

// fullDisk gives the records a disk of their own, with nothing left on it. That takes root.
func fullDisk(ctx context.Context, v *variant) error {
	if _, err := v.collector(ctx); err != nil {
		return err
	}
	dir := v.root + hook.DefaultSpool + "/u"
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k,mode=0711"); err != nil {
		return fmt.Errorf("mounting a small disk: %w", err)
	}
	v.ends = append(v.ends, func() { _ = syscall.Unmount(dir, syscall.MNT_FORCE) })
	if err := os.WriteFile(fmt.Sprintf("%s/%d.log", dir, os.Geteuid()), nil, 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(dir+"/filler", make([]byte, 128<<10), 0o600); err == nil {
		return fmt.Errorf("the small disk at %s is not full", dir)
	}
	return nil
}

// collector starts a reader of what the hook of this variant tells.
func (v *variant) collector(ctx context.Context) (*process.Process, error) {
	socket := v.root + hook.DefaultSocket
	p, err := process.Start(ctx, v.root+"/collector.log", os.Args[0], "listen", socket)
	if err != nil {
		return nil, err
	}
	v.ends = append(v.ends, p.End)
	return p, process.Until(ctx, "the collector listens", func() bool { return process.Exists(socket) })
}

func (v *variant) start(ctx context.Context, b *bench) error {
	v.root = filepath.Join(b.dir, strings.ReplaceAll(v.name, " ", "-"))
	spool := v.root + hook.DefaultSpool
	for _, dir := range []string{v.root + "/etc", v.root + "/run/vedette", spool + "/u", spool + "/new"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if err := os.WriteFile(fmt.Sprintf("%s/u/%d.log", spool, os.Geteuid()), nil, 0o600); err != nil {
		return err
	}
	rc := terminal.BashReady + "HISTFILE=\n" + v.rc
	if v.hooked {
		if err := hook.Install(hook.Options{Root: v.root, Library: filepath.Join(b.bin, hook.Library), Shells: []string{"bash"}}); err != nil {
			return err
		}
		rc = ". " + v.root + "/etc/bash.bashrc\n" + rc
	}
	if v.prepare != nil {
		if err := v.prepare(ctx, v); err != nil {
			return err
		}
	}
	if err := os.WriteFile(v.root+"/rc", []byte(rc), 0o644); err != nil {
		return err
	}
	cmd := exec.Command("bash", "--rcfile", v.root+"/rc", "-i")
	cmd.Env = []string{"HOME=" + v.root, "PATH=/usr/local/bin:/usr/bin:/bin", "TERM=xterm", "LANG=C.UTF-8"}
	cmd.Dir = v.root
	var err error
	if v.shell, err = terminal.Start(cmd); err != nil {
		return err
	}
	_, err = v.shell.Prompt(ctx)
	return err
}

func (v *variant) end() {
	if v.shell != nil {
		v.shell.Close()
	}
	for _, end := range v.ends {
		end()
	}
}

// prompt types one command and measures until the next prompt.
func (v *variant) prompt(ctx context.Context, i int) error {
	start := time.Now()
	if _, err := v.shell.Run(ctx, fmt.Sprintf(": k_%d", i)); err != nil {
		return fmt.Errorf("%s: %w", v.name, err)
	}
	v.took = append(v.took, float64(time.Since(start).Nanoseconds())/1e3)
	return nil
}

// call has the hook tell the end of a command and the start of the next, as between two prompts, and measures that inside of the shell:
// a new entry in the history and a look at the variable in PS0 are a command to it. Without a hook it measures the loop.
func (v *variant) call(ctx context.Context, calls int) error {
	out := v.root + "/calls"
	line := fmt.Sprintf(`for ((i=0;i<%d;i++)); do history -s "k_$i"; a=$EPOCHREALTIME; : "${_vedette_audit-}"; b=$EPOCHREALTIME; echo $((${b/./}-${a/./})); done >%s`, calls, out)
	if _, err := v.shell.Run(ctx, line); err != nil {
		return err
	}
	text, err := os.ReadFile(out)
	if err != nil {
		return err
	}
	for field := range strings.FieldsSeq(string(text)) {
		var us float64
		if _, err := fmt.Sscan(field, &us); err != nil {
			return err
		}
		v.alone = append(v.alone, us)
	}
	if len(v.alone) != calls {
		return fmt.Errorf("%s: %d calls were measured, not %d", v.name, len(v.alone), calls)
	}
	return nil
}
