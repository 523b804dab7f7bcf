package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/vedette-monitor/vedette/bench/process"
)

// running is a contestant at work.
type running struct {
	measured func() int // the process whose cost counts
	stop     func()
}

// starter starts a contestant that probes each URL at each interval.
type starter func(ctx context.Context, urls []string, interval time.Duration) (*running, error)

// contestants are in the order in which their rows are printed.
var contestants = []string{"Vedette", "Telegraf 1.37.2", "blackbox_exporter 0.23"}

func (b *bench) starters() map[string]starter {
	return map[string]starter{contestants[0]: b.vedette, contestants[1]: b.telegraf, contestants[2]: b.blackbox}
}

func (b *bench) config(name, text string) (string, error) {
	path := filepath.Join(b.dir, name)
	return path, os.WriteFile(path, []byte(text), 0o600)
}

// vedette runs the plugin under `vedette plugin run`; the plugin's process is what is measured.
func (b *bench) vedette(ctx context.Context, urls []string, interval time.Duration) (*running, error) {
	var c strings.Builder
	fmt.Fprintf(&c, "plugin \"http-quality\" {\n  interval = %q\n  concurrency = 512\n", interval)
	for i, u := range urls {
		fmt.Fprintf(&c, "  target \"t%d\" {\n    url = %q\n    ca_file = %q\n    timeout = %q\n  }\n", i, u, b.site.ca, max(interval, 5*time.Second))
	}
	path, err := b.config("vedette.hcl", c.String()+"}\n")
	if err != nil {
		return nil, err
	}
	p, err := process.Start(ctx, filepath.Join(b.dir, "vedette.log"), filepath.Join(b.bin, "vedette"), "plugin", "run", filepath.Join(b.bin, "http-quality"), "--config", path)
	if err != nil {
		return nil, err
	}
	r := &running{stop: p.End, measured: func() int { return childOf(p.PID()) }}
	if err := process.Until(ctx, "the plugin runs", func() bool { return r.measured() > 0 }); err != nil {
		p.End()
		return nil, p.Fail(err)
	}
	return r, nil
}

// childOf is the process that another one has started; 0 if there is none.
func childOf(pid int) int {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	child := 0
	for _, path := range lists {
		if text, err := os.ReadFile(path); err == nil {
			_, _ = fmt.Sscan(string(text), &child)
		}
	}
	return child
}

// telegraf has ten blocks, because it probes the URLs of one block one after the other.
func (b *bench) telegraf(ctx context.Context, urls []string, interval time.Duration) (*running, error) {
	var c strings.Builder
	fmt.Fprintf(&c, "[agent]\n  interval = %q\n  flush_interval = \"1s\"\n  metric_buffer_limit = 100000\n  omit_hostname = true\n", interval)
	const blocks = 10
	for i := range blocks {
		var own []string
		for n := i; n < len(urls); n += blocks {
			own = append(own, fmt.Sprintf("%q", urls[n]))
		}
		fmt.Fprintf(&c, "[[inputs.http_response]]\n  urls = [%s]\n  response_timeout = \"5s\"\n  tls_ca = %q\n", strings.Join(own, ", "), b.site.ca)
	}
	c.WriteString("[[outputs.file]]\n  files = [\"/dev/null\"]\n  data_format = \"influx\"\n")
	path, err := b.config("telegraf.conf", c.String())
	if err != nil {
		return nil, err
	}
	p, err := process.Start(ctx, filepath.Join(b.dir, "telegraf.log"), filepath.Join(b.tools, "telegraf"), "--config", path)
	if err != nil {
		return nil, err
	}
	return &running{stop: p.End, measured: p.PID}, nil
}

// blackbox has no schedule of its own: a loop here asks it, evenly spread, as a Prometheus does.
func (b *bench) blackbox(ctx context.Context, urls []string, interval time.Duration) (*running, error) {
	path, err := b.config("blackbox.yml", fmt.Sprintf("modules:\n  bench:\n    prober: http\n    timeout: 5s\n    http:\n      preferred_ip_protocol: ip4\n      tls_config:\n        ca_file: %s\n", b.site.ca))
	if err != nil {
		return nil, err
	}
	const address = "127.0.0.1:18115"
	p, err := process.Start(ctx, filepath.Join(b.dir, "blackbox.log"), "prometheus-blackbox-exporter", "--config.file="+path, "--web.listen-address="+address)
	if err != nil {
		return nil, err
	}
	client := http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	ask := func(target string) bool {
		r, err := client.Get("http://" + address + "/probe?module=bench&target=" + url.QueryEscape(target))
		if err != nil {
			return false
		}
		_ = r.Body.Close()
		return r.StatusCode == http.StatusOK
	}
	if err := process.Until(ctx, "blackbox_exporter answers", func() bool { return ask(urls[0]) }); err != nil {
		p.End()
		return nil, p.Fail(err)
	}
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	all.Go(func() {
		began, slots := time.Now(), make(chan struct{}, 64)
		for i := 0; ctx.Err() == nil; i++ {
			time.Sleep(time.Until(began.Add(interval * time.Duration(i) / time.Duration(len(urls)))))
			slots <- struct{}{}
			all.Go(func() {
				ask(urls[i%len(urls)])
				<-slots
			})
		}
	})
	return &running{measured: p.PID, stop: func() {
		cancel()
		all.Wait()
		client.CloseIdleConnections()
		p.End()
	}}, nil
}
