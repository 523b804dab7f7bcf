package pipeline

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/protobuf/proto"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

// The short form runs with the other tests; a long one is for instance
//
//	go test ./daemon/pipeline -run Kill -args -kills=200
var kills = flag.Int("kills", 5, "how often the daemon's process is killed")

const (
	victimVariable = "VEDETTE_PIPELINE_TEST_DIR"
	// awayVariable lets the victim's store take nothing, as when InfluxDB is away.
	awayVariable = "VEDETTE_PIPELINE_TEST_AWAY"
)

// TestMain lets the test binary play the daemon that gets killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv(victimVariable); dir != "" {
		if points, err := strconv.Atoi(os.Getenv(outageVariable)); err == nil {
			if err := beSufferer(dir, points); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Exit(0)
		}
		if err := beVictim(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// victimPoints is how many points a batch of the victim has.
const victimPoints = 7

// beVictim takes batches and delivers them until it is killed. It writes a line "ack ID" when a batch is acknowledged,
// and its store writes "got N ID" for the point N of that batch before it says that it has it.
func beVictim(dir string) error {
	p, err := Open(dir, Options{MaxBytes: 8 << 20, MinFree: -1}, hclog.NewNullLogger())
	if err != nil {
		return err
	}
	// Small blocks and large ones, packed and not.
	p.samples.packFrom, p.records.packFrom = rand.Int64N(2<<20), 0
	for producer := range 3 {
		source := p.testSource(tag("host", "victim"))
		window := make(chan struct{}, 8)
		go func() {
			for number := 0; ; number++ {
				id := fmt.Sprintf("%d-%d-%d", os.Getpid(), producer, number)
				window <- struct{}{}
				source.Take(victimBatch(id), func([]*wire.Refusal) {
					fmt.Fprintf(os.Stdout, "ack %s\n", id)
					<-window
				})
			}
		}()
	}
	store := storeFunc(func(_ context.Context, lines [][]byte) error {
		if os.Getenv(awayVariable) != "" {
			select {}
		}
		var said strings.Builder
		for _, line := range lines {
			fmt.Fprintf(&said, "got %s\n", victimPoint(string(line)))
		}
		_, err := io.WriteString(os.Stdout, said.String())
		return err
	})
	return p.Run(context.Background(), Stores{Samples: store, Records: store})
}

// victimBatch is a batch with points for both lanes.
func victimBatch(id string) [][]byte {
	var batch [][]byte
	filler := strings.Repeat("filler ", rand.IntN(100))
	for n := range victimPoints {
		point := withText(n, id+" "+filler)
		if n%3 == 0 {
			point.Measurement = "audit"
		}
		raw, err := proto.Marshal(point)
		if err != nil {
			panic(err)
		}
		batch = append(batch, raw)
	}
	return batch
}

// victimPoint is the number and the batch of a line.
func victimPoint(line string) string {
	_, fields, _ := strings.Cut(line, " n=")
	n, text, _ := strings.Cut(fields, `i,s="`)
	id, _, _ := strings.Cut(text, " ")
	return n + " " + id
}

func TestEveryAcknowledgedBatchIsDeliveredAcrossKills(t *testing.T) {
	dir := t.TempDir()
	var acknowledged []string
	got := map[string]bool{}
	for i := range *kills {
		// The last one leaves something to deliver.
		away := (*kills-i)%2 == 1
		for _, line := range runVictim(t, dir, away, 50+rand.N(1000)) {
			if id, ok := strings.CutPrefix(line, "ack "); ok {
				acknowledged = append(acknowledged, id)
			} else if point, ok := strings.CutPrefix(line, "got "); ok {
				got[point] = true
			} else {
				t.Fatalf("the killed process said %q", line)
			}
		}
	}
	if len(acknowledged) == 0 {
		t.Fatal("no batch was acknowledged before a kill")
	}
	beforeLast := len(got)
	for _, line := range delivered(t, openPipeline(t, dir, Options{})) {
		got[victimPoint(line)] = true
	}
	for _, id := range acknowledged {
		for n := range victimPoints {
			if point := fmt.Sprintf("%d %s", n, id); !got[point] {
				t.Errorf("point %s was acknowledged and is lost", point)
			}
		}
	}
	t.Logf("%d batches acknowledged over %d kills; %d points delivered, %d of them at the end",
		len(acknowledged), *kills, len(got), len(got)-beforeLast)
}

// runVictim starts a daemon's process on dir, kills it after that many lines, and returns all whole lines that it wrote.
func runVictim(t *testing.T, dir string, away bool, after int) []string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victimVariable+"="+dir)
	if away {
		cmd.Env = append(cmd.Env, awayVariable+"=yes")
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := sync.OnceFunc(func() { _ = cmd.Process.Kill() })
	late := time.AfterFunc(patience, kill)
	var lines []string
	for r := bufio.NewReader(out); ; {
		line, err := r.ReadString('\n')
		if err != nil {
			break
		}
		if lines = append(lines, strings.TrimSuffix(line, "\n")); len(lines) == after {
			kill()
		}
	}
	_ = cmd.Wait()
	if !late.Stop() || stderr.Len() > 0 {
		t.Fatalf("the process to be killed wrote %d of %d lines, and: %s", len(lines), after, stderr.String())
	}
	return lines
}
