package scaffold_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vedette-monitor/vedette/daemon/scaffold"
	"github.com/vedette-monitor/vedette/daemon/supervisor"
	"github.com/vedette-monitor/vedette/examples/plugins/trial"
)

// run runs a command and returns what it prints.
func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// repository is the root of this module.
func repository(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func TestEachKindBuildsPassesItsTestsAndRuns(t *testing.T) {
	vedette := trial.Build(t, "../../daemon", "vedette")
	address := freeAddress(t)
	runs := map[string]func(*testing.T, *trial.Trial){
		"collector": func(t *testing.T, r *trial.Trial) {
			r.Until("two ticks", func() bool { return len(r.Points()) >= 2 })
			if p := r.Points()[0]; !strings.HasPrefix(p, "my_collector,path=/proc/version size=0i,age=") {
				t.Errorf("a point is %s", p)
			}
		},
		"streamer": func(t *testing.T, r *trial.Trial) {
			sender, err := net.Dial("udp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer sender.Close()
			r.Until("a point", func() bool {
				_, _ = sender.Write([]byte("hello")) // refused until it listens
				return len(r.Points()) >= 1
			})
			if p := r.Points()[0]; !strings.HasPrefix(p, `my_streamer text="hello",bytes=5i,from="127.0.0.1:`) {
				t.Errorf("a point is %s", p)
			}
		},
		"notifier": func(*testing.T, *trial.Trial) {},
	}
	arguments := map[string]string{
		"collector": "interval = \"1s\"\npath = \"/proc/version\"",
		"streamer":  "listen = \"" + address + "\"",
	}
	for _, kind := range scaffold.Kinds {
		t.Run(kind, func(t *testing.T) {
			name := "my-" + kind
			parent := t.TempDir()
			said := run(t, parent, vedette, "plugin", "new", kind, name, "--sdk", repository(t))
			// What it says to type next is typed, but for the last line, which runs a daemon.
			_, next, _ := strings.Cut(said, "in this order:\n")
			next, last, _ := strings.Cut(next, "  "+vedette+" run")
			if last != " --config config.hcl\n" || !strings.Contains(next, "go test ./...") {
				t.Fatalf("it said %s", said)
			}
			out := run(t, parent, "sh", "-euc", next)
			for _, want := range []string{"ok  \texample.com/" + name, `"name": "` + name + `"`, "config.hcl is valid"} {
				if !strings.Contains(out, want) {
					t.Errorf("what was typed printed no %q:\n%s", want, out)
				}
			}
			dir := filepath.Join(parent, name)
			run(t, dir, "go", "vet", "./...")
			if unformatted := run(t, dir, "gofmt", "-l", "."); unformatted != "" {
				t.Errorf("not formatted: %s", unformatted)
			}
			checkReadme(t, vedette, filepath.Join(dir, "README.md"), filepath.Join(dir, name))
			if ignored := run(t, dir, "cat", ".gitignore"); ignored != "/"+name+"\n/data/\n" {
				t.Errorf(".gitignore is %q", ignored)
			}

			r := trial.Start(t, filepath.Join(dir, name), "plugin \""+name+"\" {\n"+arguments[kind]+"\n}\n")
			r.Until("ready", func() bool { return r.State().Phase == supervisor.Ready })
			runs[kind](t, r)
			r.StopDrained()
		})
	}
}

// freeAddress is a UDP address that nothing listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.LocalAddr().String()
}

func TestNothingIsOverwritten(t *testing.T) {
	dir := t.TempDir()
	note := filepath.Join(dir, "main.go")
	if err := os.WriteFile(note, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := scaffold.Plugin{Kind: "collector", Name: "p"}.Write(dir)
	if err == nil || !strings.Contains(err.Error(), "name another directory with --dir") {
		t.Errorf("the error is %v", err)
	}
	if content, err := os.ReadFile(note); err != nil || string(content) != "mine" {
		t.Errorf("the file is %q, %v", content, err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("the directory holds %v, %v", entries, err)
	}
}

func TestWhatCanNotBeAPluginIsRefusedWithTheMend(t *testing.T) {
	tests := map[string]struct {
		plugin scaffold.Plugin
		want   string
	}{
		"kind":        {scaffold.Plugin{Kind: "watcher", Name: "p"}, "one of collector, streamer, notifier"},
		"no name":     {scaffold.Plugin{Kind: "collector"}, "begins with a small letter"},
		"upper case":  {scaffold.Plugin{Kind: "collector", Name: "Disk"}, "such as disk-free"},
		"underscore":  {scaffold.Plugin{Kind: "collector", Name: "disk_free"}, "such as disk-free"},
		"a path":      {scaffold.Plugin{Kind: "collector", Name: "../disk"}, "such as disk-free"},
		"dash at end": {scaffold.Plugin{Kind: "collector", Name: "disk-"}, "such as disk-free"},
		"long":        {scaffold.Plugin{Kind: "collector", Name: strings.Repeat("d", 41)}, "at most 40"},
		"the daemon":  {scaffold.Plugin{Kind: "collector", Name: "vedette"}, "a program of the daemon's own"},
		"module":      {scaffold.Plugin{Kind: "collector", Name: "p", Module: "example.com/a b"}, "such as example.com/p"},
		"sdk":         {scaffold.Plugin{Kind: "collector", Name: "p", SDK: t.TempDir()}, "is no checkout of Vedette"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "p")
			if _, err := tc.plugin.Write(dir); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("the error is %v, want it to contain %q", err, tc.want)
			}
			if _, err := os.Stat(dir); err == nil {
				t.Error("the directory was made")
			}
		})
	}
}

func TestWithoutACheckoutThePublishedSDKIsLeftToGo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	files, err := scaffold.Plugin{Kind: "notifier", Name: "p", Module: "git.example.com/team/p"}.Write(dir)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{".gitignore", "README.md", "config.hcl", "go.mod", "main.go", "plugin.go", "plugin_test.go"}; !slices.Equal(files, want) {
		t.Errorf("it wrote %v, want %v", files, want)
	}
	if got := run(t, dir, "cat", "go.mod"); got != "module git.example.com/team/p\n\ngo 1.26.0\n" {
		t.Errorf("go.mod is %q", got)
	}
}
