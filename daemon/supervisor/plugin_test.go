package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/sdk"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// TestMain lets the test binary be the plugin that the tests launch.
func TestMain(m *testing.M) {
	if w := os.Getenv(playWay); w != "" && os.Getenv(wire.CookieKey) == "" {
		if err := playDaemon(way(w), os.Getenv(playMode), os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	if os.Getenv(wire.CookieKey) == "" && (len(os.Args) < 2 || os.Args[1] != wire.DescribeCommand) {
		os.Exit(runTests(m))
	}
	if os.Getenv("JUNK") != "" {
		fmt.Println("hello, I am no handshake")
		fmt.Println(strings.Repeat("x", 3*maxLine))
	}
	sdk.Serve(sdk.Plugin{
		Name: "test-plugin", Version: "1.2.3", Doc: "Does what a test wants.",
		New:          sdk.New(newTestPlugin),
		Measurements: []sdk.Measurement{{Name: "test", Doc: "x", Fields: []sdk.FieldSchema{{Name: "v", Type: "int", Doc: "x"}}}},
	})
}

// runTests runs the tests with a standard input that does not end: go-plugin's own runner hands it to plugins.
func runTests(m *testing.M) int {
	stdin, held, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	os.Stdin = stdin
	code := m.Run()
	_ = held.Close()
	return code
}

type testConfig struct {
	Mode   string `hcl:"mode,optional" doc:"What to do."`
	Points int    `hcl:"points" default:"1" doc:"How many a tick."`
	Token  string `hcl:"token,optional" sensitive:"true" doc:"A secret."`
}

type testPlugin struct {
	testConfig
	env sdk.Env
}

func newTestPlugin(c testConfig, env sdk.Env) (*testPlugin, error) {
	if c.Mode == "leak" {
		fmt.Fprintln(os.NewFile(2, "stderr"), "plain:", c.Token)
		env.Logger.Info("said of "+c.Token, "value", c.Token, "list", []string{c.Token})
		return nil, fmt.Errorf("the token %s is wrong", c.Token)
	}
	if c.Mode == "refuse" {
		return nil, &sdk.Problem{Path: []string{"target", "0", "url"}, Err: errors.New("no such \x1b[31mscheme")}
	}
	return &testPlugin{c, env}, nil
}

func (p *testPlugin) Collect(_ context.Context, out sdk.Emitter) error {
	switch p.Mode {
	case "exit":
		os.Exit(7)
	case "panic":
		go func() { panic("out of ideas") }()
		time.Sleep(time.Minute)
	case "hang":
		// Does not look at its context, and has a child that would outlive it.
		if err := exec.Command("sleep", "300").Start(); err != nil {
			return err
		}
		out.Emit(sdk.NewPoint("hanging").Int("v", 1))
		time.Sleep(time.Minute)
	case "holder":
		holder := exec.Command("sleep", "300")
		holder.Stdout, holder.Stderr = os.NewFile(1, "stdout"), os.NewFile(2, "stderr")
		if err := holder.Start(); err != nil {
			return err
		}
		os.Exit(3)
	case "longline":
		stdout := os.NewFile(1, "stdout")
		for range 4 {
			fmt.Fprintln(stdout, strings.Repeat("x", 100<<10))
		}
	case "badlog":
		fmt.Fprintln(os.NewFile(2, "stderr"), `{"@message":1}`)
	case "environment":
		out.Emit(sdk.NewPoint("environment").String("v", strings.Join(os.Environ(), " ")).Int("pid", int64(os.Getpid())))
	case "grow":
		out.Emit(sdk.NewPoint("growing").Int("v", 1))
		var kept [][]byte
		for range 1 << 10 {
			page := make([]byte, 1<<20)
			for i := range page {
				page[i] = byte(i)
			}
			kept = append(kept, page)
			time.Sleep(2 * time.Millisecond)
		}
		runtime.KeepAlive(kept)
	case "pour":
		for i := range p.Points {
			out.Emit(sdk.NewPoint("test").Tag("target", "shop").Tag("app", "mall").
				Float("total_time", 0.123456789).Float("connect_time", 0.0123).Int("http_code", 200).Int("size_download", int64(i)).
				Bool("available", true).String("remote_ip", "203.0.113.17").String("outcome", "ok"))
		}
		return nil
	case "growing child":
		// What tail has read it keeps until the end.
		if err := exec.Command("sh", "-c", "head -c 1000000000 /dev/zero | tail").Run(); err != nil {
			return err
		}
	case "files":
		who := fmt.Sprint(os.Getuid(), os.Getgid(), " ", os.Getenv("HOME"))
		if err := os.WriteFile(filepath.Join(p.env.StateDir, "who"), []byte(who), 0o600); err != nil {
			return err
		}
		if err := os.WriteFile("here", nil, 0o600); err != nil {
			return err
		}
	case "junk":
		// Written to the descriptors themselves, past what go-plugin has put in the place of os.Stdout.
		stdout, stderr := os.NewFile(1, "stdout"), os.NewFile(2, "stderr")
		for _, line := range []string{strings.Repeat("long", 1<<20), "1|1|unix|/nonsense|grpc|", "\x1b[2J\xff\x00"} {
			fmt.Fprintln(stdout, line)
			fmt.Fprintln(stderr, line)
		}
		for _, line := range []string{`{"@message":1}`, `{"@level":3,"@message":"x","@timestamp":{}}`, `{"@message":`, `[]`, `{"@level":"off","@message":"y"}`} {
			fmt.Fprintln(stderr, line)
		}
	}
	for i := range p.Points {
		out.Emit(sdk.NewPoint("test").Int("v", int64(i)))
	}
	return nil
}
