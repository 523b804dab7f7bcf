package influx_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/influx"
	"github.com/vedette-monitor/vedette/daemon/influx/embedded"
	"github.com/vedette-monitor/vedette/daemon/influx/embedded/influxdtest"
)

func TestWriterCountsWhatBecameOfEachLine(t *testing.T) {
	now := time.Now().UnixNano()
	old := time.Now().Add(-60 * 24 * time.Hour).UnixNano()
	at := func(format string, times ...int64) string {
		args := make([]any, len(times))
		for i := range times {
			args[i] = times[i]
		}
		return fmt.Sprintf(format, args...)
	}
	float := at("m v=1 %d", now-9)
	for name, c := range map[string]struct {
		before string // a line that is stored first
		lines  []string
		want   influx.Result
		bad    []string // of lines, those that are refused
	}{
		"good": {lines: points(10), want: influx.Result{Stored: 10}},
		"none": {},
		"a type that differs from the stored one": {
			before: float,
			lines:  []string{at("m v=2 %d", now), at(`m v="two" %d`, now+1), at("m v=3 %d", now+2)},
			want:   influx.Result{Stored: 2, Rejected: 1}, bad: []string{at(`m v="two" %d`, now+1)}},
		"a new field with two types": {
			lines: append(points(50), at("m new=1 %d", now), at(`m new="one" %d`, now+1)),
			want:  influx.Result{Stored: 51, Rejected: 1}, bad: []string{at(`m new="one" %d`, now+1)}},
		"two new fields with two types": {
			lines: append(points(50), at("m a=1 %d", now), at(`m a="x" %d`, now+1), at("m b=1i %d", now+2), at("m b=true %d", now+3)),
			want:  influx.Result{Stored: 52, Rejected: 2}, bad: []string{at(`m a="x" %d`, now+1), at("m b=true %d", now+3)}},
		"unparsable lines": {
			lines: []string{"no fields", at("m v=1 %d", now), at("m v=0x10 %d", now), at("m v=NaN %d", now), at("m v=1u %d", now)},
			want:  influx.Result{Stored: 1, Rejected: 4},
			bad:   []string{"no fields", at("m v=0x10 %d", now), at("m v=NaN %d", now), at("m v=1u %d", now)}},
		"a string that swallows what follows": {
			lines: []string{at("m v=1 %d", now), at(`m s="open %d`, now), at("m v=2 %d", now+1), at("m v=3 %d", now+2)},
			want:  influx.Result{Stored: 3, Rejected: 1}, bad: []string{at(`m s="open %d`, now)}},
		"only points beyond retention": {
			lines: []string{at("m v=1 %d", old), at("m v=2 %d", old+1)},
			want:  influx.Result{Expired: 2}},
		"a point beyond retention among good ones": {
			lines: []string{at("m v=1 %d", now), at("m v=2 %d", old), at("m v=3 %d", now+1)},
			want:  influx.Result{Stored: 2, Expired: 1}},
		"beyond retention hides an unparsable line": {
			lines: []string{at("m v=1 %d", now), at("m v=2 %d", old), "no fields"},
			want:  influx.Result{Stored: 1, Expired: 1, Rejected: 1}, bad: []string{"no fields"}},
		"a conflict hides a point beyond retention": {
			before: float,
			lines:  []string{at("m v=2 %d", now), at(`m v="two" %d`, now+1), at("m v=3 %d", old)},
			want:   influx.Result{Stored: 1, Rejected: 1, Expired: 1}, bad: []string{at(`m v="two" %d`, now+1)}},
		"a series key that is too long": {
			lines: []string{at("m v=1 %d", now), "m,t=" + strings.Repeat("x", 70000) + at(" v=1 %d", now)},
			want:  influx.Result{Stored: 1, Rejected: 1}, bad: []string{"m,t=" + strings.Repeat("x", 70000) + at(" v=1 %d", now)}},
		"lines that InfluxDB would swallow": {
			lines: []string{"#m v=1 1", "", at("m v=1 %d", now), " # x"},
			want:  influx.Result{Stored: 1, Rejected: 3}, bad: []string{"#m v=1 1", "", " # x"}},
		"newlines in a string, and after lines": {
			lines: []string{at("m s=\"a\nb\" %d\n", now), at("m v=1 %d\n", now+1)},
			want:  influx.Result{Stored: 2}},
		"more than fits into one request": {
			lines: points(12001), want: influx.Result{Stored: 12001}},
		"more bytes than fit into one request": {
			lines: []string{at(`m s="`+strings.Repeat("x", 3<<20)+`" %d`, now), at(`m s="`+strings.Repeat("y", 3<<20)+`" %d`, now+1),
				at(`m s="`+strings.Repeat("z", 6<<20)+`" %d`, now+2)},
			want: influx.Result{Stored: 3}},
	} {
		t.Run(name, func(t *testing.T) {
			db := database(t)
			w, refused := writerTo(t, influx.WriterOptions{Bucket: db})
			if c.before != "" {
				if _, err := w.Write(limited(t), lines(c.before)); err != nil {
					t.Fatal(err)
				}
			}
			got, err := w.Write(limited(t), lines(c.lines...))
			if err != nil {
				t.Fatal(err)
			}
			wantResult(t, got, c.want)
			slices.Sort(refused.lines)
			slices.Sort(c.bad)
			if fmt.Sprint(refused.lines) != fmt.Sprint(c.bad) {
				t.Errorf("refused: %.200q, want %.200q", refused.lines, c.bad)
			}
			for _, reason := range refused.why {
				if reason == "" {
					t.Error("a line was refused without a reason")
				}
			}
			found := 0
			for _, s := range query(t, db, "SELECT * FROM m") {
				found += len(s.Rows)
			}
			if c.before != "" {
				found--
			}
			if found != c.want.Stored {
				t.Errorf("%d points are in InfluxDB, the result says %d", found, c.want.Stored)
			}
			if s := w.State(); int(s.Rejected) != c.want.Rejected || int(s.Expired) != c.want.Expired || s.Retries != 0 {
				t.Errorf("state: %+v", s)
			}
		})
	}
}

func TestOneBadPointAmong5000CostsAtMost30Requests(t *testing.T) {
	db := database(t)
	w, _ := writerTo(t, influx.WriterOptions{Bucket: db})
	if _, err := w.Write(limited(t), lines(points(1)...)); err != nil {
		t.Fatal(err)
	}
	most := 0
	for _, place := range []int{0, 2499, 4998, rand.IntN(4999)} {
		now := time.Now().UnixNano()
		fresh := fmt.Sprintf("fresh%d", rand.Int64())
		// Of a new field with two types the second is the bad one, and at first it costs the whole batch.
		for bad, last := range map[string]string{
			fmt.Sprintf(`m,host=a v="text" %d`, now): points(1)[0],
			fmt.Sprintf(`m,host=a v= %d`, now):       points(1)[0],
			fmt.Sprintf(`%s v=1 %d`, fresh, now):     fmt.Sprintf(`%s v=true %d`, fresh, now),
		} {
			batch := points(5000)
			batch[place], batch[4999] = bad, last
			got, err := w.Write(limited(t), lines(batch...))
			if err != nil {
				t.Fatal(err)
			}
			wantResult(t, got, influx.Result{Stored: 4999, Rejected: 1})
			most = max(most, got.Requests)
		}
	}
	t.Logf("at most %d requests", most)
	if most > 30 {
		t.Errorf("%d requests", most)
	}
}

func TestPlainAndCompressedBodiesStoreTheSame(t *testing.T) {
	db := database(t)
	for _, compression := range []influx.Compression{influx.Plain, influx.Compressed} {
		w, _ := writerTo(t, influx.WriterOptions{Bucket: db + "/autogen", Compression: compression})
		got, err := w.Write(limited(t), lines(points(100)...))
		if err != nil {
			t.Fatal(err)
		}
		wantResult(t, got, influx.Result{Stored: 100})
	}
}

func TestWrongTokenAndMissingDatabaseHoldTheBatchUntilMended(t *testing.T) {
	db := database(t)
	late := db + "_late"
	c := server.Credentials()
	for name, o := range map[string]influx.WriterOptions{
		"401": {URL: c.URL, Token: "vedette_admin:wrong-password", Bucket: db},
		"403": {URL: c.URL, Token: c.Reader.Token(), Bucket: db},
		"404": {URL: c.URL, Token: c.Admin.Token(), Bucket: late},
	} {
		t.Run(name, func(t *testing.T) {
			w, refused := writerTo(t, o)
			influx.SetWaits(w, 10*time.Millisecond)
			ctx, cancel := context.WithCancel(limited(t))
			done := make(chan error, 1)
			go func() {
				got, err := w.Write(ctx, lines(points(5)...))
				if err == nil && got.Stored != 5 {
					err = fmt.Errorf("result %+v", got)
				}
				done <- err
			}()
			waitFor(t, func() bool { return w.State().Retries >= 3 })
			s := w.State()
			if s.Condition != influx.Misconfigured || !strings.Contains(s.LastError, name) ||
				strings.Contains(s.LastError, "wrong-password") {
				t.Errorf("state: %+v", s)
			}
			switch name {
			case "404":
				if err := setup(t).Database(ctx, late); err != nil {
					t.Fatal(err)
				}
				if err := <-done; err != nil {
					t.Error(err)
				}
				if s := w.State(); s.Condition != influx.Connected || s.LastSuccess.IsZero() || s.Latency == 0 {
					t.Errorf("state after the mend: %+v", s)
				}
			default:
				cancel()
				if err := <-done; !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			}
			cancel()
			if len(refused.lines) != 0 {
				t.Errorf("refused: %q", refused.lines)
			}
		})
	}
}

func waitFor(t testing.TB, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if condition() {
			return
		}
	}
	t.Fatal("it does not come")
}

func TestNothingIsLostWhenInfluxDBIsKilledInMidStream(t *testing.T) {
	s := embedded.New(embedded.Options{Binary: influxdtest.Binary(t), Dir: filepath.Join(t.TempDir(), "influxdb")})
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = s.Run(ctx) })
	defer running.Wait()
	defer stop()
	if err := s.WaitReady(limited(t)); err != nil {
		t.Fatal(err)
	}
	c := s.Credentials()
	w, _ := writerTo(t, influx.WriterOptions{URL: c.URL, Token: c.Writer.Token(), Bucket: c.Database})

	const batches, size, kills = 60, 1000, 3
	start := time.Now().Add(-time.Hour)
	var stored int
	done := make(chan error, 1)
	progress := make(chan int, batches)
	go func() {
		for b := range batches {
			batch := make([]string, size)
			for i := range batch {
				batch[i] = fmt.Sprintf("m v=%di %d", b*size+i, start.Add(time.Duration(b*size+i)*time.Millisecond).UnixNano())
			}
			got, err := w.Write(limited(t), lines(batch...))
			stored += got.Stored
			if err != nil {
				done <- err
				return
			}
			progress <- b
		}
		done <- nil
	}()
	for kill := range kills {
		waitFor(t, func() bool { return len(progress) > kill*batches/(kills+1) && s.State().PID != 0 })
		if err := syscall.Kill(s.State().PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		waitFor(t, func() bool { return s.State().Restarts > kill && s.State().Phase == embedded.Ready })
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	r, err := influx.NewReader(influx.ReaderOptions{URL: c.URL, Token: c.Reader.Token(), Database: c.Database})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	series, err := r.Query(limited(t), "SELECT v FROM m")
	if err != nil || len(series) != 1 || len(series[0].Rows) != batches*size || stored != batches*size {
		t.Fatalf("%d said stored, want %d; %v", stored, batches*size, err)
	}
	if w.State().Retries == 0 {
		t.Error("no kill met a write")
	}
}
