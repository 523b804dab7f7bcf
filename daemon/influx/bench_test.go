package influx_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/influx"
)

// processorTime is what this process has used.
func processorTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// sink is a server that takes everything. It stands for an InfluxDB that costs nothing, so that only the writer's own cost
// is left.
func sink(b *testing.B) (socket string) {
	b.Helper()
	socket = filepath.Join(b.TempDir(), "sink.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		b.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusNoContent)
	})}
	go srv.Serve(listener)
	b.Cleanup(func() { srv.Close() })
	return socket
}

// bareLoop posts ready bodies over one connection, with nothing around it.
func bareLoop(b *testing.B, socket, target, token string) func(body []byte) {
	b.Helper()
	transport := &http.Transport{}
	if socket != "" {
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}
	}
	client := &http.Client{Transport: transport}
	b.Cleanup(client.CloseIdleConnections)
	return func(body []byte) {
		request, err := http.NewRequest(http.MethodPost, target, bytes.NewReader(body))
		if err != nil {
			b.Error(err)
			return
		}
		request.Header.Set("Authorization", "Token "+token)
		resp, err := client.Do(request)
		if err != nil {
			b.Error(err)
			return
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusNoContent {
			b.Error(resp.Status)
		}
	}
}

// BenchmarkWriterAlone gives the writer's own cost: everything but InfluxDB.
func BenchmarkWriterAlone(b *testing.B) {
	batch := lines(points(5000)...)
	body := append(bytes.Join(batch, []byte("\n")), '\n')
	socket := sink(b)
	for _, c := range []struct {
		name        string
		compression influx.Compression
	}{{"plain", influx.Plain}, {"gzip", influx.Compressed}} {
		b.Run(c.name, func(b *testing.B) {
			w, _ := writerTo(b, influx.WriterOptions{URL: "http://sink", Socket: socket, Bucket: "b", Compression: c.compression})
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := w.Write(context.Background(), batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/5000, "ns/point")
		})
	}
	b.Run("bare", func(b *testing.B) {
		post := bareLoop(b, socket, "http://sink/api/v2/write", "")
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			post(body)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/5000, "ns/point")
	})
}

// BenchmarkWriterIntoInfluxDB compares, in turns, a bare loop over one connection, the writer over one, and two deliveries
// at a time.
func BenchmarkWriterIntoInfluxDB(b *testing.B) {
	const batches, size = 20, 5000
	db := database(b)
	c := server.Credentials()
	w, _ := writerTo(b, influx.WriterOptions{Bucket: db})
	var ready [][][]byte
	var bodies [][]byte
	now := time.Now().UnixNano()
	for i := range batches {
		var batch [][]byte
		for j := range size {
			batch = append(batch, fmt.Appendf(nil, "load,host=host%02d,isp=ct,target=t%02d total_time=%d.25,speed=%d.5,code=200i %d",
				j%10, j%100, j%7, j, now+int64(i*size+j)))
		}
		ready, bodies = append(ready, batch), append(bodies, append(bytes.Join(batch, []byte("\n")), '\n'))
	}
	write := func(batch [][]byte) {
		if got, err := w.Write(context.Background(), batch); err != nil || got.Stored != size {
			b.Error(got, err)
		}
	}
	post := bareLoop(b, "", c.URL+"/api/v2/write?bucket="+db+"&precision=ns", c.Admin.Token())
	var took [3][]time.Duration
	var used time.Duration
	run := func(kind int, f func()) {
		start := time.Now()
		f()
		took[kind] = append(took[kind], time.Since(start))
	}
	for b.Loop() {
		run(0, func() {
			for _, body := range bodies {
				post(body)
			}
		})
		run(1, func() {
			for _, batch := range ready {
				write(batch)
			}
		})
		run(2, func() {
			before := processorTime()
			var two sync.WaitGroup
			for lane := range 2 {
				two.Go(func() {
					for i := lane; i < batches; i += 2 {
						write(ready[i])
					}
				})
			}
			two.Wait()
			used += processorTime() - before
		})
	}
	median := func(kind int) float64 {
		slices.Sort(took[kind])
		return took[kind][len(took[kind])/2].Seconds()
	}
	b.ReportMetric(batches*size/median(0)/1000, "kpoints/s-bare")
	b.ReportMetric(median(0)/median(1), "x-bare-1")
	b.ReportMetric(median(0)/median(2), "x-bare-2")
	b.ReportMetric(float64(used.Nanoseconds())/float64(b.N)/batches/size, "own-cpu-ns/point")
}
