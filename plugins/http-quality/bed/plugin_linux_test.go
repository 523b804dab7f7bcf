package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/influxdata/line-protocol/v2/lineprotocol"
)

// point is one of the plugin.
type point struct {
	target string
	measured
}

// plugin is the plugin's process under `vedette plugin run`, at the client's end.
type plugin struct {
	cmd    *exec.Cmd
	points chan point
}

// startPlugin runs the plugin with these settings and targets. Certificates of the site's authority are trusted.
func (s *site) startPlugin(t *testing.T, settings string, targets map[string]string) *plugin {
	t.Helper()
	var config strings.Builder
	fmt.Fprintf(&config, "plugin \"http-quality\" {\n%s\n", settings)
	for name, url := range targets {
		fmt.Fprintf(&config, "  target %q {\n    url = %q\n    family = \"ipv4\"\n    ca_file = %q\n    max_body = \"1MiB\"\n  }\n", name, url, s.ca)
	}
	config.WriteString("}\n")
	return s.runPlugin(t, config.String())
}

func (s *site) runPlugin(t *testing.T, config string) *plugin {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.hcl")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program(t, "vedette"), "plugin", "run", program(t, "http-quality"), "--config", path)
	said, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = said.Close()
		if text, _ := os.ReadFile(said.Name()); t.Failed() {
			t.Logf("the plugin's host said:\n%s", text)
		}
	})
	cmd.Stderr = said
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Client.Start(cmd); err != nil {
		t.Fatal(err)
	}
	p := &plugin{cmd: cmd, points: make(chan point, 10*atOnce)}
	read := make(chan struct{})
	t.Cleanup(func() {
		// It is asked, so that it stops the plugin as well.
		_ = cmd.Process.Signal(os.Interrupt)
		<-read
		_ = cmd.Wait()
	})
	go func() {
		defer close(read)
		defer close(p.points)
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			one, err := parse(lines.Bytes())
			if err != nil {
				t.Errorf("the plugin's host printed %q: %v", lines.Text(), err)
				continue
			}
			select {
			case p.points <- one:
			default: // more than any test asks for
			}
		}
	}()
	return p
}

// next is the next point.
func (p *plugin) next(t *testing.T) point {
	t.Helper()
	select {
	case one, ok := <-p.points:
		if !ok {
			t.Fatal("the plugin's host has ended")
		}
		return one
	case <-time.After(patience):
		t.Fatal("no point came")
	}
	panic("unreachable")
}

// parse reads a point in line protocol.
func parse(line []byte) (point, error) {
	one := point{measured: measured{Phases: map[string]float64{}, Times: map[string]float64{}, Sizes: map[string]int64{}}}
	d := lineprotocol.NewDecoderWithBytes(line)
	if !d.Next() {
		return one, fmt.Errorf("no line")
	}
	if _, err := d.Measurement(); err != nil {
		return one, err
	}
	for {
		key, value, err := d.NextTag()
		if err != nil {
			return one, err
		}
		if key == nil {
			break
		}
		if string(key) == "target" {
			one.target = string(value)
		}
	}
	for {
		key, value, err := d.NextField()
		if err != nil {
			return one, err
		}
		if key == nil {
			return one, nil
		}
		switch name, v := string(key), value.Interface(); v := v.(type) {
		case string:
			switch name {
			case "outcome":
				one.Outcome = v
			case "error":
				one.Error = v
			case "tls_version":
				one.TLSVersion = v
			}
		case int64:
			one.Sizes[name] = v
		case float64:
			if at, ok := strings.CutSuffix(name, "_time"); ok {
				one.Times[at] = v
			} else if name == "cert_days" {
				one.CertExpiry = time.Now().Add(time.Duration(v * 24 * float64(time.Hour)))
			} else if slices.ContainsFunc(moments, func(m moment) bool { return m.phase == name }) {
				one.Phases[name] = v
			}
		}
	}
}
