package vitals

import (
	"os"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/vedette-monitor/vedette/sdk"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

var everything = Vitals{
	Plugins: []Plugin{{Name: "web", Source: "http-quality", State: "ready", Ready: true, Restarts: 2}, {Name: "audit", Source: "shell-audit", State: "backoff"}},
	Spools:  []Spool{{Lane: "samples", Points: 7, Held: true}, {Lane: "records"}},
	Writes:  []Write{{Lane: "samples", State: "connected", Connected: true, Latency: 3 * time.Millisecond}, {Lane: "records", State: "idle"}},
	Runtime: Runtime{Version: "1.2.3", CPU: 1500 * time.Millisecond},
}

// read is the point as the daemon gets it.
func read(t *testing.T, p *sdk.Point) *wire.Point {
	t.Helper()
	raw, err := p.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	var w wire.Point
	if err := proto.Unmarshal(raw, &w); err != nil {
		t.Fatal(err)
	}
	return &w
}

func TestEveryPointIsAsDeclared(t *testing.T) {
	declared := map[string]sdk.Measurement{}
	for _, m := range Measurements() {
		declared[m.Name] = m
	}
	emitted := map[string]int{}
	for _, p := range everything.Points(time.Unix(1, 0)) {
		w := read(t, p)
		emitted[w.Measurement]++
		m := declared[w.Measurement]
		if len(w.Tags) != len(m.Tags) || len(w.Fields) != len(m.Fields) {
			t.Fatalf("%s has %d tags and %d fields, %d and %d are declared", w.Measurement, len(w.Tags), len(w.Fields), len(m.Tags), len(m.Fields))
		}
		for i, f := range w.Fields {
			if f.Key != m.Fields[i].Name || m.Fields[i].Doc == "" {
				t.Errorf("%s: field %d is %s, declared is %+v", w.Measurement, i, f.Key, m.Fields[i])
			}
			if kind := kindOf(f); kind != string(m.Fields[i].Type) {
				t.Errorf("%s: %s is of type %s, declared is %s", w.Measurement, f.Key, kind, m.Fields[i].Type)
			}
		}
	}
	for name := range declared {
		if emitted[name] == 0 {
			t.Errorf("%s is declared and was not emitted", name)
		}
	}
	if emitted["vedette_plugin"] != 2 || emitted["vedette_spool"] != 2 {
		t.Errorf("emitted %v", emitted)
	}
}

func kindOf(f *wire.Field) string {
	switch f.Value.(type) {
	case *wire.Field_Float:
		return "float"
	case *wire.Field_Int:
		return "int"
	case *wire.Field_String_:
		return "string"
	}
	return "other"
}

func TestPointsSayWhatTheVitalsAre(t *testing.T) {
	for _, p := range everything.Points(time.Unix(1, 0)) {
		w := read(t, p)
		fields := map[string]*wire.Field{}
		for _, f := range w.Fields {
			fields[f.Key] = f
		}
		switch {
		case w.Measurement == "vedette_plugin" && w.Tags[0].Value == "web":
			if fields["up"].GetInt() != 1 || fields["restarts"].GetInt() != 2 || fields["state"].GetString_() != "ready" {
				t.Errorf("%v", w)
			}
		case w.Measurement == "vedette_write" && w.Tags[0].Value == "samples":
			if fields["latency"].GetFloat() != 0.003 || fields["connected"].GetInt() != 1 {
				t.Errorf("%v", w)
			}
		case w.Measurement == "vedette_runtime":
			if fields["cpu_time"].GetFloat() != 1.5 {
				t.Errorf("%v", w)
			}
		}
		if w.Time != time.Second.Nanoseconds() {
			t.Errorf("%s is of %d", w.Measurement, w.Time)
		}
	}
}

func TestTheProcessIsMeasured(t *testing.T) {
	r := ReadRuntime("1", time.Now().Add(-time.Hour))
	if r.Uptime < time.Hour || r.CPU <= 0 || r.Memory < 1<<20 || r.Heap <= 0 || r.Goroutines < 1 || r.FileDescriptors < 3 {
		t.Errorf("measured %+v", r)
	}
	before := r.FileDescriptors
	f, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if after := ReadRuntime("1", time.Now()).FileDescriptors; after != before+1 {
		t.Errorf("%d descriptors became %d with one more", before, after)
	}
	if n := Resident(1 << 30); n != 0 {
		t.Errorf("a process that is not there has %d bytes", n)
	}
}
