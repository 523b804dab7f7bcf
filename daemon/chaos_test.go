package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/console"
	"github.com/vedette-monitor/vedette/daemon/influx"
	"github.com/vedette-monitor/vedette/daemon/soak"
)

// chaos is how often each thing goes wrong.
type chaos struct {
	daemonKills, influxKills, pluginKills, fullSpool, fullInflux, cuts int
}

func (c chaos) events() []string {
	var all []string
	for what, n := range map[string]int{
		killDaemon: c.daemonKills, killInflux: c.influxKills, killPlugin: c.pluginKills, fillSpool: c.fullSpool,
		fillInflux: c.fullInflux, cutLink: c.cuts,
	} {
		for range n {
			all = append(all, what)
		}
	}
	slices.Sort(all)
	return all
}

const (
	killDaemon = "daemon killed"
	killInflux = "InfluxDB killed"
	killPlugin = "plugin killed"
	fillSpool  = "the spool's disk full"
	fillInflux = "InfluxDB's disk full"
	cutLink    = "link cut"
)

// Two plugins number their points and know which are acknowledged; every so often one is poisoned. Whatever is killed,
// full or cut meanwhile: in the end exactly what was acknowledged is in InfluxDB, and exactly the poisoned points are
// dead letters.
func TestSoakChaosLosesNothingThatWasAcknowledged(t *testing.T) {
	plan := chaos{
		daemonKills: soak.Rounds(10, 100), influxKills: soak.Rounds(2, 6), pluginKills: soak.Rounds(4, 20),
		fullSpool: soak.Rounds(1, 5), fullInflux: soak.Rounds(1, 5), cuts: soak.Rounds(2, 10),
	}
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, seed))
	t.Logf("the seed is %d", seed)

	// Both sides have disks of their own, which can be full.
	server := newRemoteInfluxDB(t)
	mountTmpfs(t, server.dir, "512m", server.writeConf)
	server.start()
	server.do("CREATE USER root WITH PASSWORD 'secret-of-root' WITH ALL PRIVILEGES")
	line := newLink(t, strings.TrimPrefix(server.url, "http://"))

	s := newSite(t, "")
	mountTmpfs(t, s.path("data"), "256m", nil)
	const poison = 3000
	epoch := time.Now().UTC().Truncate(24 * time.Hour).Unix()
	s.secrets = []string{"secret-of-root"}
	s.configure(fmt.Sprintf(`
daemon {
  listen = "127.0.0.1:0"
}
influxdb {
  url    = "http://%s"
  token  = "root:secret-of-root"
  bucket = "chaos"
}
`, line.address()) + numbersBlock("left", 3000, epoch, poison) + numbersBlock("right", 1500, epoch, poison))
	server.do("CREATE DATABASE chaos")
	reader, err := influx.NewReader(influx.ReaderOptions{URL: server.url, Token: "root:secret-of-root", Database: "chaos"})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()

	d := s.startReady()
	count := func() int {
		all := 0
		for _, numbers := range stored(t, reader) {
			all += len(numbers)
		}
		return all
	}
	waitUntil(t, "the first points are stored", patience, func() bool { return count() > 0 })

	events := plan.events()
	random.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	for i, event := range events {
		pause(random, 100*time.Millisecond, 900*time.Millisecond)
		t.Logf("%d of %d: %s, after %s and %s", i+1, len(events), event, s.acked("left"), s.acked("right"))
		switch event {
		case killDaemon:
			d.kill()
			s.waitGone(patience)
			d = s.start()
			if random.IntN(4) > 0 { // at times it does not even come up before the next
				d.waitReady()
			}
		case killPlugin:
			name := []string{"left", "right"}[random.IntN(2)]
			st := d.waitStatus("the plugin runs", func(st console.Status) bool { return pidOf(st, name) != 0 })
			_ = syscall.Kill(pidOf(st, name), syscall.SIGKILL)
		case killInflux:
			server.stop()
			pause(random, 0, 2*time.Second)
			server.start()
		case fillSpool:
			fillDisk(t, s.path("data"), random)
		case fillInflux:
			fillDisk(t, server.dir, random)
			// InfluxDB 1.8 goes on saying that its disk is full, until it is restarted.
			server.stop()
			server.start()
		case cutLink:
			line.cut(random.IntN(2) == 0)
			pause(random, 0, 3*time.Second)
			line.mend()
		}
	}

	writeFile(t, s.path("stop"), nil)
	acknowledged := map[string]int64{}
	for _, name := range []string{"left", "right"} {
		waitUntil(t, "the last points of "+name+" are acknowledged", 5*patience, func() bool {
			text, err := os.ReadFile(s.path("final-" + name))
			if err != nil {
				return false
			}
			acknowledged[name], err = strconv.ParseInt(string(text), 10, 64)
			return err == nil
		})
	}
	waitUntil(t, "all that waited is delivered", 5*patience, func() bool {
		st, err := d.status()
		return err == nil && st.Queue.Points == 0
	})
	if st, err := d.status(); err != nil || st.Queue.Lost != 0 || st.InfluxDB.Expired != 0 {
		t.Errorf("points were lost: %+v %+v %v", st.Queue, st.InfluxDB, err)
	}
	inInflux, setAside := stored(t, reader), letters(t, s.path("data", "deadletters"))
	total, good, bad := int64(0), 0, 0
	for name, last := range acknowledged {
		wrong, first, final := 0, int64(0), int64(0)
		total += last
		good, bad = good+len(inInflux[name]), bad+len(setAside[name])
		for n := int64(1); n <= last; n++ {
			if poisoned := n%poison == 0; poisoned != setAside[name][n] || poisoned == inInflux[name][n] {
				if wrong++; wrong == 1 {
					first = n
				}
				final = n
			}
		}
		if wrong > 0 {
			t.Errorf("%s: of %d points %d are not where they belong, from %d to %d", name, last, wrong, first, final)
		}
		if beyond := int64(len(inInflux[name])+len(setAside[name])) - last; beyond != 0 {
			t.Errorf("%s: there are %d points more than were ever acknowledged", name, beyond)
		}
	}
	fmt.Printf("chaos: %+v\nchaos: %d points acknowledged = %d in InfluxDB + %d dead letters\n", plan, total, good, bad)
}

// acked is the number up to which the points of an instance are acknowledged, as it has noted.
func (s *site) acked(instance string) string {
	text, err := os.ReadFile(s.path("data", "plugins", instance, "acked"))
	if err != nil {
		return "none"
	}
	return string(text)
}

func numbersBlock(name string, rate int, epoch int64, poison int) string {
	return fmt.Sprintf(`
plugin %[1]q {
  source = %[5]q
  tags   = { instance = %[1]q }
  rate   = %[2]d
  epoch  = %[3]d
  poison = %[4]d
  stop   = "stop"
  final  = "final-%[1]s"
}
`, name, rate, epoch, poison, filepath.Join(programs, "tests", "numbers"))
}

func pidOf(st console.Status, plugin string) int {
	for _, p := range st.Plugins {
		if p.Name == plugin {
			return p.Pid
		}
	}
	return 0
}

func pause(random *rand.Rand, least, most time.Duration) {
	time.Sleep(least + time.Duration(random.Int64N(int64(most-least))))
}

// found are the numbers of the points of each instance.
type found map[string]map[int64]bool

func (f found) add(instance string, number int64) {
	if f[instance] == nil {
		f[instance] = map[int64]bool{}
	}
	f[instance][number] = true
}

// stored reads the numbers that are in InfluxDB, each of which must be that of its time; nothing while it is away.
func stored(t *testing.T, reader *influx.Reader) found {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	series, err := reader.Query(ctx, "SELECT n, v FROM numbers GROUP BY instance")
	if err != nil {
		t.Logf("InfluxDB does not answer: %v", err)
		return nil
	}
	all := found{}
	for _, one := range series {
		for _, row := range one.Rows {
			at, _ := row[0].Int()
			n, _ := row[1].Int()
			if v, ok := row[2].Float(); !ok || v != float64(n)/4 || at/1000%86_400_000_000 != n {
				t.Fatalf("a point is not as it was emitted: %v", row)
			}
			all.add(one.Tags["instance"], n)
		}
	}
	return all
}

// letters reads the numbers of the dead letters.
func letters(t *testing.T, dir string) found {
	t.Helper()
	all := found{}
	for letter, err := range influx.ReadDeadLetters(dir) {
		if err != nil {
			t.Fatal(err)
		}
		series, fields, _ := bytes.Cut(letter.Line, []byte(" "))
		_, instance, _ := strings.Cut(string(series), "instance=")
		instance, _, _ = strings.Cut(instance, ",")
		text, _, ok := strings.Cut(strings.TrimPrefix(string(fields), "n="), "i,")
		n, err := strconv.ParseInt(text, 10, 64)
		if !ok || err != nil || !strings.Contains(letter.Reason, "field type conflict") {
			t.Fatalf("the dead letter %s, because %s, is none of ours", letter.Line, letter.Reason)
		}
		all.add(instance, n)
	}
	return all
}

// mountTmpfs puts a directory on a disk of its own; fill, if any, is called to write what was there before.
func mountTmpfs(t *testing.T, dir, size string, fill func()) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "mode=0700,size="+size, "tmpfs", dir).CombinedOutput(); err != nil {
		t.Fatalf("mount: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	if fill != nil {
		fill()
	}
}

// mountAgain gives a disk of mountTmpfs another size.
func mountAgain(dir, size string) ([]byte, error) {
	return exec.Command("mount", "-o", "remount,size="+size, dir).CombinedOutput()
}

// fillDisk takes all space of a disk for a while.
func fillDisk(t *testing.T, dir string, random *rand.Rand) {
	t.Helper()
	filler := filepath.Join(dir, "filler")
	f, err := os.Create(filler)
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 1<<20)
	for end := time.Now().Add(time.Duration(1+random.IntN(3)) * time.Second); time.Now().Before(end); {
		// What others free meanwhile is taken as well.
		if n, err := f.Write(block); err != nil && n == 0 {
			block = block[:max(1, len(block)/2)]
			time.Sleep(10 * time.Millisecond)
		}
	}
	_ = f.Close()
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
}

// link is the way to a server, which can be cut.
type link struct {
	t        *testing.T
	to       string
	listener net.Listener

	mu    sync.Mutex
	isCut bool
	mute  bool // what is cut says nothing, rather than that it is
	conns []net.Conn
}

func newLink(t *testing.T, to string) *link {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &link{t: t, to: to, listener: listener}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { l.serve(c) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		l.closeAll()
		serving.Wait()
	})
	return l
}

func (l *link) address() string { return l.listener.Addr().String() }

func (l *link) serve(from net.Conn) {
	defer func() { _ = from.Close() }()
	to, err := net.Dial("tcp", l.to)
	if err != nil {
		return
	}
	defer func() { _ = to.Close() }()
	l.mu.Lock()
	l.conns = append(l.conns, from, to)
	closed := l.isCut && !l.mute
	l.mu.Unlock()
	if closed {
		return
	}
	done := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{from, to}, {to, from}} {
		go func() {
			buffer := make([]byte, 64<<10)
			for {
				n, err := way[0].Read(buffer)
				for l.silent() {
					time.Sleep(10 * time.Millisecond)
				}
				if n > 0 {
					if _, err := way[1].Write(buffer[:n]); err != nil {
						break
					}
				}
				if err != nil {
					break
				}
			}
			done <- struct{}{}
		}()
	}
	<-done
}

func (l *link) silent() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.isCut && l.mute
}

func (l *link) cut(mute bool) {
	l.mu.Lock()
	l.isCut, l.mute = true, mute
	l.mu.Unlock()
	if !mute {
		l.closeAll()
	}
}

// mend lets what comes pass again. What was on its way when it was muted is lost with its connections.
func (l *link) mend() {
	l.closeAll()
	l.mu.Lock()
	l.isCut = false
	l.mu.Unlock()
}

func (l *link) closeAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.conns {
		_ = c.Close()
	}
	l.conns = nil
}
