package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/vedette-monitor/vedette/plugins/alert-notifier/markup"
	"github.com/vedette-monitor/vedette/plugins/alert-notifier/notice"
	"github.com/vedette-monitor/vedette/sdk"
)

const (
	// maxOutput is as much of a program's output as is kept.
	maxOutput = 4 << 10
	// maxVariable is the longest variable that a program gets; the whole is on its standard input.
	maxVariable = 8 << 10
	// pipeTime is how long what a program left behind may hold its output open.
	pipeTime = time.Second
)

type execConfig struct {
	Command []string          `hcl:"command" min:"1" doc:"The program, by its absolute path, and its arguments. Nothing of a notice becomes an argument, and no shell is involved."`
	User    string            `hcl:"user,optional" doc:"User that the program runs as. It takes root to choose one."`
	Env     map[string]string `hcl:"environment,optional" sensitive:"true" doc:"Further variables."`
}

type program struct {
	execConfig
	name string
	as   *credential
}

func newExec(c execConfig, env sdk.Env) (*channel, error) {
	if len(c.Command) == 0 {
		return nil, at("command", errNone)
	}
	if !filepath.IsAbs(c.Command[0]) {
		return nil, at("command", errors.New("the program is named by its absolute path"))
	}
	for name, value := range c.Env {
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.Contains(value, "\x00") || strings.HasPrefix(name, "VEDETTE_") {
			return nil, &sdk.Problem{Path: []string{"environment", name}, Err: errors.New("this can be no variable")}
		}
	}
	p := &program{execConfig: c, name: env.Channel}
	if c.User != "" {
		var err error
		if p.as, err = credentialOf(c.User); err != nil {
			return nil, at("user", err)
		}
	}
	return newChannel("exec", p, env), nil
}

func (p *program) recipients() []string { return []string{p.name} }

// Check implements transport: the program is there and may be executed.
func (p *program) Check(context.Context) sdk.Delivery {
	d := sdk.Delivery{Recipient: p.name, Outcome: sdk.Delivered}
	info, err := os.Stat(p.Command[0])
	switch {
	case err != nil:
		d.Outcome, d.Message = sdk.PermanentConfig, err.Error()
	case info.IsDir() || info.Mode()&0o111 == 0:
		d.Outcome, d.Message = sdk.PermanentConfig, p.Command[0]+" can not be executed"
	}
	return d
}

func (p *program) deliver(ctx context.Context, n *notice.Notice, _ []string, done func(sdk.Delivery)) map[string]string {
	d := p.run(ctx, n)
	d.Recipient = p.name
	done(d)
	return nil
}

func (p *program) run(ctx context.Context, n *notice.Notice) sdk.Delivery {
	text := markup.Plain(blocksOf(n))
	f := fieldsOf(n, text, p.name, time.Now())
	input := encode(document(n, f, len(n.Alerts)))
	cmd := exec.CommandContext(ctx, p.Command[0], p.Command[1:]...)
	cmd.Dir = "/"
	cmd.Env = p.environment(f)
	cmd.Stdin = bytes.NewReader(input)
	var output capped
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.SysProcAttr = groupOf(p.as)
	cmd.Cancel = func() error { return killGroup(cmd) }
	cmd.WaitDelay = pipeTime
	err := runTied(cmd)
	d := p.outcome(ctx, err, output.String())
	d.Bytes = len(input)
	return d
}

// runTied runs the program. It is to die with us, and the kernel takes the end of the thread that started it for that: so that thread
// waits for it.
func runTied(cmd *exec.Cmd) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Run()
		if cmd.Process != nil {
			_ = killGroup(cmd) // what it left behind, as far as it stayed in its group
		}
		done <- err
	}()
	return <-done
}

// Exit statuses of sysexits.h, which programs that deliver mail have used for as long.
const (
	exitUsage, exitNoUser, exitNoHost, exitTemporary, exitNoPermission, exitConfig = 64, 67, 68, 75, 77, 78
)

// outcome says what became of the notice.
func (p *program) outcome(ctx context.Context, err error, output string) sdk.Delivery {
	var exit *exec.ExitError
	switch {
	case err == nil || errors.Is(err, exec.ErrWaitDelay) && ctx.Err() == nil:
		return sdk.Delivery{Outcome: sdk.Delivered, Code: "exit 0"}
	case ctx.Err() != nil:
		return sdk.Delivery{Outcome: sdk.Unknown, Code: "timeout", Message: "it had not ended within the time of the attempt, and was killed: " + output}
	case errors.As(err, &exit):
		d := sdk.Delivery{Outcome: sdk.Temporary, Code: "exit " + strconv.Itoa(exit.ExitCode()), Message: output}
		switch exit.ExitCode() {
		case exitUsage, exitNoPermission, exitConfig:
			d.Outcome = sdk.PermanentConfig
		case exitNoUser, exitNoHost:
			d.Outcome = sdk.PermanentRecipient
		case -1:
			d.Outcome, d.Code = sdk.Unknown, "signal"
			d.Message = strings.TrimSpace(exit.String() + " " + output)
		}
		return d
	case errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) || errors.Is(err, syscall.ENOEXEC):
		return sdk.Delivery{Outcome: sdk.PermanentConfig, Code: "start", Message: err.Error()}
	}
	return sdk.Delivery{Outcome: sdk.Temporary, Code: "start", Message: err.Error()}
}

// environment is all that the program gets: few variables of the system's, and those of the notice.
func (p *program) environment(f *fields) []string {
	env := []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"}
	if p.as != nil {
		env = append(env, "HOME="+p.as.home, "USER="+p.as.name)
	}
	for name, value := range p.Env {
		env = append(env, name+"="+value)
	}
	for _, v := range [][2]string{
		{"ID", f.ID}, {"THREAD", f.Thread}, {"KIND", f.Kind}, {"SUBJECT", f.Subject}, {"TITLE", f.Title}, {"TEXT", f.Text}, {"SEVERITY", f.Severity},
		{"INCIDENT", f.Incident}, {"ALERT", f.Alert}, {"SUMMARY", f.Summary}, {"DETAIL", f.Detail}, {"LINK", f.Link}, {"NOTIFIER", f.To}, {"TIME", f.Time},
		{"COUNT", strconv.Itoa(f.Count)}, {"ATTEMPT", strconv.Itoa(f.Attempt)}, {"STEP", strconv.Itoa(f.Step)},
		{"LATE", strconv.FormatBool(f.Late)}, {"MAY_REPEAT", strconv.FormatBool(f.MayRepeat)},
	} {
		value, _ := notice.CutBytes(v[1], maxVariable)
		env = append(env, "VEDETTE_"+v[0]+"="+value)
	}
	return env
}

// blocksOf are all blocks of a notice.
func blocksOf(n *notice.Notice) []notice.Block {
	all, _ := n.Fit(0, nil)
	return all
}

// capped keeps the beginning of what is written to it, and takes the rest. It embeds no buffer, whose other methods would
// take everything.
type capped struct{ kept []byte }

// Write implements io.Writer.
func (c *capped) Write(p []byte) (int, error) {
	c.kept = append(c.kept, p[:min(len(p), maxOutput-len(c.kept))]...)
	return len(p), nil
}

func (c *capped) String() string { return string(c.kept) }

// credential is a user that a program runs as.
type credential struct {
	name, home string
	uid, gid   uint32
	groups     []uint32
}

func (c *credential) String() string { return fmt.Sprintf("%s (%d)", c.name, c.uid) }
