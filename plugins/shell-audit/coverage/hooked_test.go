package coverage

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/vedette-monitor/vedette/plugins/shell-audit/hook"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/hook/terminal"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/socket"
)

// install installs the hooks below a root of the test's, and watches what they say.
func install(t *testing.T, w *watched) (root string) {
	t.Helper()
	top, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("make", "-s", "-C", top, "bin/"+hook.Library).CombinedOutput(); err != nil {
		t.Fatalf("building the builtin for bash: %v: %s", err, out)
	}
	root = t.TempDir()
	for _, dir := range []string{"/etc", filepath.Dir(hook.DefaultSocket), hook.DefaultSpool + "/u", hook.DefaultSpool + "/new"} {
		if err := os.MkdirAll(root+dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(root+"/etc/bash.bashrc", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	options := hook.Options{Root: root, Library: filepath.Join(top, "bin", hook.Library), Version: "test", Shells: []string{"bash"}}
	if err := hook.Install(options); err != nil {
		t.Fatal(err)
	}
	server, err := socket.Listen(root+hook.DefaultSocket, socket.Usual, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		server.Run(ctx, func(e socket.Event) {
			switch {
			case e.Kind == socket.Message:
				w.tell(w.Heard(e.UID, e.Record, w.now()))
			case e.Kind == socket.Closed && e.Alive:
				w.tell(w.Closed(e.Peer.PID, e.Peer.Birth, w.now()))
			}
		})
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	// The shells say when they are ready.
	rc := ". " + root + "/etc/bash.bashrc\n" + terminal.BashReady
	if err := os.WriteFile(root+"/bashrc", []byte(rc), 0o644); err != nil {
		t.Fatal(err)
	}
	return root
}

// kinds are what was told of a process.
func (w *watched) kinds(pid int) (found []Kind) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		if e.PID == pid {
			found = append(found, e.Kind)
		}
	}
	return found
}

func TestAShellWithItsHookRaisesNothingUntilItIsSwitchedOff(t *testing.T) {
	w := watch(t, false)
	root := install(t, w)
	hooked := func(lines ...string) *terminal.Terminal {
		s := start(t, "/bin/bash", "--rcfile", root+"/bashrc", "-i")
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		defer cancel()
		if _, err := s.Prompt(ctx); err != nil {
			t.Fatal(err)
		}
		for _, line := range lines {
			if _, err := s.Run(ctx, line); err != nil {
				t.Fatal(err)
			}
		}
		return s
	}
	lines := []string{"/bin/true", "for i in 1 2 3; do /bin/true; done", "/bin/true | /bin/true", "(/bin/true; :)", "bash -c 'sleep 0.1; :'", "x=$(/bin/true)"}
	quiet, again, closes, bare, other := hooked(lines...), hooked(lines...), hooked(lines...), hooked(lines...), hooked(lines...)
	if err := again.Type("exec bash --rcfile " + root + "/bashrc -i\r"); err != nil {
		t.Fatal(err)
	}
	if err := bare.Type("exec bash --norc\r"); err != nil {
		t.Fatal(err)
	}
	until(t, "one has no hook by now", func() bool { return slices.Equal(w.kinds(bare.PID()), []Kind{Bye, NoHook}) })
	if err := other.Type("exec sleep 600\r"); err != nil {
		t.Fatal(err)
	}
	// Its connection is one of the high descriptors.
	if err := closes.Type("unset PROMPT_COMMAND; PS0=; for f in /proc/$$/fd/*; do f=${f##*/}; ((f >= 10 && f != 255)) && eval \"exec $f>&-\"; done\r"); err != nil {
		t.Fatal(err)
	}
	until(t, "one has closed its connection", func() bool { return slices.Equal(w.kinds(closes.PID()), []Kind{HookGone}) })
	until(t, "one is another program", func() bool { return slices.Equal(w.kinds(other.PID()), []Kind{Bye}) })
	if got := w.kinds(quiet.PID()); len(got) > 0 {
		t.Errorf("a shell with its hook raised %q", got)
	}
	if got := w.kinds(again.PID()); !slices.Equal(got, []Kind{Bye}) {
		t.Errorf("a shell that became another one with its hook raised %q", got)
	}
	quiet.Close()
	until(t, "its end", func() bool { return slices.Equal(w.kinds(quiet.PID()), []Kind{Bye}) })
}
