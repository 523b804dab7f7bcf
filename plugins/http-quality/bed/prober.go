package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/vedette-monitor/vedette/plugins/http-quality/probe"
)

// order is what a prober is told to do: probes of URLs, all at once.
type order struct {
	By      string // vedette or httptrace
	URLs    []string
	CA      string // file
	Family  probe.Family
	Version probe.Version
	Timeout time.Duration
	// Settle waits until nothing is left of the probes, or says what is.
	Settle bool
}

// report is a prober's answer.
type report struct {
	Error   string
	Results []measured
	Left    left
}

// measured is what a probe said. Times are in seconds, and absent if they were not reached.
type measured struct {
	Outcome, Error string
	Phases, Times  map[string]float64
	Sizes          map[string]int64
	CertExpiry     time.Time
	TLSVersion     string
	Retrans        int     // -1 if it is not known
	Lag            float64 // s
}

// left is what there is in a prober between orders.
type left struct {
	Goroutines, Descriptors int
	Heap                    uint64
}

// obey carries out orders, a JSON object each, until there are no more.
func obey(in io.Reader, out io.Writer) error {
	orders, reports := json.NewDecoder(in), json.NewEncoder(out)
	p := newTracer()
	for {
		var o order
		err := orders.Decode(&o)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		r, err := o.carryOut(p)
		if err != nil {
			r.Error = err.Error()
		}
		if o.Settle {
			r.Left = remains()
		}
		if err := reports.Encode(r); err != nil {
			return err
		}
	}
}

func (o *order) carryOut(t *tracer) (report, error) {
	var roots *x509.CertPool
	if o.CA != "" {
		text, err := os.ReadFile(o.CA)
		if err != nil {
			return report{}, err
		}
		roots = x509.NewCertPool()
		roots.AppendCertsFromPEM(text)
	}
	probes := make([]func() measured, len(o.URLs))
	for i, text := range o.URLs {
		u, err := url.Parse(text)
		if err != nil {
			return report{}, err
		}
		switch o.By {
		case "vedette":
			p, err := probe.New(probe.Target{
				URL: u, RootCAs: roots, Family: o.Family, Version: o.Version, Timeout: o.Timeout, MaxRedirects: 10, MaxBody: 1 << 20,
			})
			if err != nil {
				return report{}, fmt.Errorf("%s: %w", text, err)
			}
			probes[i] = func() measured {
				r := p.Run(context.Background())
				return describe(&r)
			}
		case "httptrace":
			t.trust(roots)
			probes[i] = func() measured { return t.run(text, o.Timeout) }
		default:
			return report{}, fmt.Errorf("no prober is called %q", o.By)
		}
	}
	if o.By == "vedette" {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // as in the plugin with a few hundred targets
	}
	r := report{Results: make([]measured, len(probes))}
	start := make(chan struct{})
	var all sync.WaitGroup
	for i, one := range probes {
		all.Go(func() {
			<-start
			r.Results[i] = one()
		})
	}
	close(start)
	all.Wait()
	return r, nil
}

func describe(r *probe.Result) measured {
	m := measured{Outcome: string(r.Outcome), Retrans: r.Retrans(), Lag: r.Lag().Time.Seconds(), Phases: map[string]float64{}, Times: map[string]float64{}}
	if r.Err != nil {
		m.Error = r.Err.Error()
	}
	last, curl := r.Last(), r.Curl()
	phases := last.Phases()
	m.CertExpiry, m.TLSVersion = last.CertExpiry, last.TLSVersion
	put := func(into map[string]float64, name string, s probe.Span) {
		if s.Reached {
			into[name] = s.Time.Seconds()
		}
	}
	put(m.Phases, "dns", phases.DNS)
	put(m.Phases, "tcp", phases.TCP)
	put(m.Phases, "tls", phases.TLS)
	put(m.Phases, "request", phases.Request)
	put(m.Phases, "wait", phases.Wait)
	put(m.Phases, "transfer", phases.Transfer)
	put(m.Times, "namelookup", curl.NameLookup)
	put(m.Times, "connect", curl.Connect)
	put(m.Times, "appconnect", curl.AppConnect)
	put(m.Times, "pretransfer", curl.PreTransfer)
	put(m.Times, "starttransfer", curl.StartTransfer)
	put(m.Times, "redirect", curl.Redirect)
	put(m.Times, "total", probe.Span{Time: curl.Total, Reached: true})
	m.Sizes = map[string]int64{
		"http_code": int64(curl.HTTPCode), "size_download": curl.SizeDownload, "size_header": curl.SizeHeader, "size_request": curl.SizeRequest,
		"num_redirects": int64(curl.NumRedirects), "num_connects": int64(curl.NumConnects),
	}
	return m
}

// remains is what is left once it no longer shrinks.
func remains() left {
	var now left
	for same := 0; same < 20; time.Sleep(5 * time.Millisecond) {
		debug.FreeOSMemory()
		var memory runtime.MemStats
		runtime.ReadMemStats(&memory)
		// There is an error only outside of Linux, and nothing to count.
		files, _ := os.ReadDir("/proc/self/fd")
		next := left{runtime.NumGoroutine(), len(files), memory.HeapAlloc}
		if next.Goroutines == now.Goroutines && next.Descriptors == now.Descriptors {
			same++
		} else {
			same = 0
		}
		now = next
	}
	return now
}
