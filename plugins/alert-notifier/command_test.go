package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/sdk"
)

// tried is what became of a call of a command.
type tried struct {
	out    string
	status int
	err    string // as it is printed
}

// try calls a command, which reads the channel from its standard input.
func try(t *testing.T, run func(*testing.T, sdk.Call) error, channel any, args ...string) tried {
	t.Helper()
	raw, err := json.Marshal(channel)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err = run(t, sdk.Call{Args: args, Stdin: bytes.NewReader(raw), Stdout: &out})
	got := tried{out: out.String()}
	var exit *sdk.ExitError
	switch {
	case errors.As(err, &exit):
		if got.status = exit.Status; exit.Err != nil {
			got.err = err.Error()
		}
	case err != nil:
		got.status, got.err = 1, err.Error()
	}
	return got
}

func check(t *testing.T, call sdk.Call) error { return checkChannel(t.Context(), call) }
func send(t *testing.T, call sdk.Call) error  { return sendTest(t.Context(), call) }

func TestACheckIsALineAndAStatus(t *testing.T) {
	s := (&mailServer{}).start(t)
	channel := object{"name": "email.ops", "type": "email", "config": mailTo(s.address)}
	if got := try(t, check, channel); got.status != 0 || got.out != "email.ops: works (250)\n" || got.err != "" {
		t.Errorf("it is %+v", got)
	}
	for _, line := range s.lines() {
		if strings.HasPrefix(line, "MAIL") {
			t.Errorf("the check sent %q", line)
		}
	}
	s = (&mailServer{greeting: "421 4.3.2 too busy"}).start(t)
	channel["config"] = mailTo(s.address)
	if got := try(t, check, channel); got.status != 1 || got.out != "email.ops: temporary (421 4.3.2): 4.3.2 too busy\n" {
		t.Errorf("it is %+v", got)
	}
	got := try(t, check, channel, "-o", "json")
	var r result
	if err := json.Unmarshal([]byte(got.out), &r); err != nil || r.Notifier != "email.ops" || r.Outcome != "temporary" || r.Code != "421 4.3.2" || r.Message == "" || got.status != 1 {
		t.Errorf("it is %+v", got)
	}
	channel["config"] = mailTo(listen(t, hang))
	begun := time.Now()
	if got := try(t, check, channel, "--timeout", "200ms"); got.status != 1 || !strings.Contains(got.out, "not within the time") || time.Since(begun) > 5*time.Second {
		t.Errorf("of a silent server it is %+v", got)
	}
}

func TestATestIsSentAndEachRecipientHasALine(t *testing.T) {
	s := (&mailServer{answers: map[string]func(string) string{"RCPT": func(line string) string {
		if strings.Contains(line, "nobody") {
			return "550 5.1.1 no such user"
		}
		return "250 ok"
	}}}).start(t)
	channel := object{"name": "email.ops", "type": "email", "config": mailTo(s.address, "ops@example.com")}
	if got := try(t, send, channel, "-m", "hello 你好"); got.status != 0 || got.out != "email.ops to ops@example.com: delivered (250)\n" {
		t.Errorf("it is %+v", got)
	}
	if mails := s.received(); len(mails) != 1 || headerOf(mails[0], "Subject") != "=?UTF-8?b?W1RFU1RdIGhlbGxvIOS9oOWlvQ==?=" {
		t.Errorf("what came is %q", mails)
	}
	channel["config"] = mailTo(s.address, "ops@example.com", "nobody@example.com")
	want := "email.ops to ops@example.com: delivered (250)\nemail.ops to nobody@example.com: permanent recipient (550 5.1.1): to RCPT: 5.1.1 no such user\n"
	if got := try(t, send, channel, "--message", "[TEST] hello", "--language", "zh", "--time-zone", "Asia/Shanghai"); got.status != 1 || got.out != want {
		t.Errorf("it is %+v", got)
	}
	if got := headerOf(s.received()[1], "Subject"); got != "[TEST] hello" {
		t.Errorf("the subject is %q", got)
	}
	got := try(t, send, channel, "-m", "x", "-o", "json")
	if lines := strings.Split(strings.TrimSpace(got.out), "\n"); len(lines) != 2 || !json.Valid([]byte(lines[0])) || !json.Valid([]byte(lines[1])) {
		t.Errorf("it is %+v", got)
	}
}

func TestAChannelMayComeBesideTheConfigurationOfThePlugin(t *testing.T) {
	s := (&mailServer{}).start(t)
	run := func(t *testing.T, call sdk.Call) error {
		call.Config = []byte("{}")
		return check(t, call)
	}
	if got := try(t, run, object{"name": "email.ops", "type": "email", "config": mailTo(s.address)}); got.status != 0 {
		t.Errorf("it is %+v", got)
	}
}

func TestWrongUseOfACommandIsToldApart(t *testing.T) {
	good := object{"name": "webhook.x", "type": "webhook", "config": object{"url": "http://127.0.0.1:1/"}}
	for what, tc := range map[string]struct {
		channel any
		args    []string
		err     string
	}{
		"no message":        {good, nil, "--message"},
		"arguments":         {good, []string{"-m", "x", "y"}, "no arguments"},
		"a flag":            {good, []string{"-m", "x", "--bogus"}, "unknown flag"},
		"output":            {good, []string{"-m", "x", "-o", "xml"}, `--output "xml"`},
		"language":          {good, []string{"-m", "x", "--language", "fr"}, "neither en nor zh"},
		"zone":              {good, []string{"-m", "x", "--time-zone", "Mars"}, "is no zone"},
		"timeout":           {good, []string{"-m", "x", "--timeout", "0s"}, "above 0"},
		"no channel":        {nil, []string{"-m", "x"}, "no channel"},
		"no type":           {object{"name": "x"}, []string{"-m", "x"}, "no channel"},
		"an unknown type":   {object{"type": "pigeon"}, []string{"-m", "x"}, `no channel type "pigeon"`},
		"what is not taken": {object{"name": "webhook.x", "type": "webhook", "config": object{"url": key}}, []string{"-m", "x"}, "notifier webhook.x: url: an address begins with"},
	} {
		got := try(t, send, tc.channel, tc.args...)
		if got.status != 2 || !strings.Contains(got.err, tc.err) || got.out != "" || strings.Contains(got.err, key) {
			t.Errorf("%s: it is %+v", what, got)
		}
	}
	if got := try(t, send, good, "--help"); got.status != 0 || !strings.Contains(got.out, "--message") {
		t.Errorf("the help is %+v", got)
	}
}

func TestTheProgramItselfTakesAChannelOnItsDescriptor(t *testing.T) {
	program := built(t)
	s := (&mailServer{}).start(t)
	raw, err := json.Marshal(object{"name": "email.ops", "type": "email", "config": mailTo(s.address)})
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(raw); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	cmd := exec.Command(program, "command", "send", "-m", "hello")
	cmd.ExtraFiles = []*os.File{r}
	cmd.Env = append(os.Environ(), "VEDETTE_CONFIG_FD=3")
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "email.ops to ops@example.com: delivered (250)\n" {
		t.Errorf("it says %s, %v", out, err)
	}
	cmd = exec.Command(program, "command", "check")
	cmd.Stdin = bytes.NewReader(raw)
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "email.ops: works (250)\n" {
		t.Errorf("it says %s, %v", out, err)
	}
	_, port, _ := net.SplitHostPort(s.address)
	cmd = exec.Command(program, "command", "check")
	cmd.Stdin = strings.NewReader(strings.Replace(string(raw), port, "1", 1))
	out, err = cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(string(out), "refused") {
		t.Errorf("it says %s, %v", out, err)
	}
}
