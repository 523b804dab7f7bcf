package point

import (
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

const noon = 1_700_000_000_000_000_000

func tag(key, value string) *wire.Tag { return &wire.Tag{Key: key, Value: value} }

func float(key string, v float64) *wire.Field {
	return &wire.Field{Key: key, Value: &wire.Field_Float{Float: v}}
}

func text(key, v string) *wire.Field {
	return &wire.Field{Key: key, Value: &wire.Field_String_{String_: v}}
}

func marshal(t testing.TB, m proto.Message) []byte {
	t.Helper()
	raw, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// line reads p off the wire, checks it and writes it.
func line(t testing.TB, p *wire.Point) (string, int, error) {
	t.Helper()
	var got Point
	if err := got.Unmarshal(marshal(t, p)); err != nil {
		return "", 0, err
	}
	dropped, err := got.Check()
	if err != nil {
		return "", dropped, err
	}
	return string(got.AppendLine(nil)), dropped, nil
}

func TestWritesSoundPointsAsLineProtocol(t *testing.T) {
	tests := map[string]struct {
		point *wire.Point
		want  string
	}{
		"every type": {
			&wire.Point{Measurement: "m", Time: noon, Tags: []*wire.Tag{tag("b", "2"), tag("a", "1")}, Fields: []*wire.Field{
				float("f", 1.5),
				{Key: "i", Value: &wire.Field_Int{Int: -7}},
				{Key: "u", Value: &wire.Field_Uint{Uint: math.MaxInt64}},
				{Key: "t", Value: &wire.Field_Bool{Bool: true}},
				text("s", "x"),
			}},
			`m,a=1,b=2 f=1.5,i=-7i,u=9223372036854775807i,t=true,s="x" 1700000000000000000`,
		},
		"special characters": {
			&wire.Point{Measurement: "a,b c", Time: 1, Tags: []*wire.Tag{tag("k =,", "v =,\\x 电")}, Fields: []*wire.Field{text("f g", "say \"hi\"\\\n\tdone")}},
			"a\\,b\\ c,k\\ \\=\\,=v\\ \\=\\,\\x\\ 电 f\\ g=\"say \\\"hi\\\"\\\\\n\tdone\" 1",
		},
		"extremes of floats": {
			&wire.Point{Measurement: "m", Time: -1, Fields: []*wire.Field{float("a", 1e308), float("b", 5e-324), float("c", math.Copysign(0, -1))}},
			`m a=1e+308,b=5e-324,c=-0 -1`,
		},
		"a tag without a value is left out": {
			&wire.Point{Measurement: "m", Time: 1, Tags: []*wire.Tag{tag("a", ""), tag("b", "x")}, Fields: []*wire.Field{float("v", 1)}},
			`m,b=x v=1 1`,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, _, err := line(t, tc.point)
			if err != nil {
				t.Fatal(err)
			}
			if got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestRefusesWhatInfluxDBCanNotStoreAndSaysWhy(t *testing.T) {
	v := []*wire.Field{float("v", 1)}
	many := func(n int) (tags []*wire.Tag) {
		for i := range n {
			tags = append(tags, tag(strings.Repeat("k", i+1), "x"))
		}
		return tags
	}
	tests := map[string]struct {
		point *wire.Point
		want  string
	}{
		"no measurement":                    {&wire.Point{Time: 1, Fields: v}, "measurement has no name"},
		"comment":                           {&wire.Point{Measurement: "#m", Time: 1, Fields: v}, "makes it a comment"},
		"control character":                 {&wire.Point{Measurement: "a\nb", Time: 1, Fields: v}, "control character"},
		"trailing backslash":                {&wire.Point{Measurement: "m", Time: 1, Tags: []*wire.Tag{tag("a", `x\`)}, Fields: v}, "ends with a backslash"},
		"backslash before a comma":          {&wire.Point{Measurement: `a\,b`, Time: 1, Fields: v}, "backslash before"},
		"backslash before an equals sign":   {&wire.Point{Measurement: "m", Time: 1, Fields: []*wire.Field{float(`a\=b`, 1)}}, "backslash before"},
		"backslashes before a space":        {&wire.Point{Measurement: `a\\ b`, Time: 1, Fields: v}, "backslash before"},
		"backslash before a quote in a key": {&wire.Point{Measurement: "m", Time: 1, Fields: []*wire.Field{float(`a\"b`, 1)}}, "backslash before"},
		"no time":                           {&wire.Point{Measurement: "m", Fields: v}, "time is not set"},
		"time out of range":                 {&wire.Point{Measurement: "m", Time: math.MinInt64, Fields: v}, "time is not set or out of range"},
		"tag without name":                  {&wire.Point{Measurement: "m", Time: 1, Tags: []*wire.Tag{tag("", "x")}, Fields: v}, "a tag has no name"},
		"tag called time":                   {&wire.Point{Measurement: "m", Time: 1, Tags: []*wire.Tag{tag("time", "x")}, Fields: v}, `called "time"`},
		"tag twice":                         {&wire.Point{Measurement: "m", Time: 1, Tags: []*wire.Tag{tag("a", "x"), tag("a", "y")}, Fields: v}, `tag "a" is there twice`},
		"too many tags":                     {&wire.Point{Measurement: "m", Time: 1, Tags: many(maxTags + 1), Fields: v}, "more than 128 tags"},
		"long series key":                   {&wire.Point{Measurement: "m", Time: 1, Tags: []*wire.Tag{tag("a", strings.Repeat("x", maxSeriesKey))}, Fields: v}, "longer than 65400 bytes"},
		"long by escaping":                  {&wire.Point{Measurement: "m", Time: 1, Tags: []*wire.Tag{tag("a", strings.Repeat(" ", maxSeriesKey-100))}, Fields: v}, "longer than 65400 bytes"},
		"no fields":                         {&wire.Point{Measurement: "m", Time: 1}, "there are no fields"},
		"field without name":                {&wire.Point{Measurement: "m", Time: 1, Fields: []*wire.Field{float("", 1)}}, "a field has no name"},
		"field called time":                 {&wire.Point{Measurement: "m", Time: 1, Fields: []*wire.Field{float("time", 1)}}, `called "time"`},
		"field twice":                       {&wire.Point{Measurement: "m", Time: 1, Fields: []*wire.Field{float("a", 1), float("b", 1), text("a", "x")}}, `field "a" is there twice`},
		"field without value":               {&wire.Point{Measurement: "m", Time: 1, Fields: []*wire.Field{{Key: "v"}}}, `field "v" has no value`},
		"only NaN":                          {&wire.Point{Measurement: "m", Time: 1, Fields: []*wire.Field{float("v", math.NaN())}}, "no field has a finite value"},
		"wide integer":                      {&wire.Point{Measurement: "m", Time: 1, Fields: []*wire.Field{{Key: "v", Value: &wire.Field_Uint{Uint: math.MaxInt64 + 1}}}}, "largest integer"},
		"long text":                         {&wire.Point{Measurement: "m", Time: 1, Fields: []*wire.Field{text("v", strings.Repeat("x", maxText))}}, "longer than 1048576 bytes"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, _, err := line(t, tc.point)
			if err == nil {
				t.Fatalf("accepted as %.80s", got)
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("the reason is %q, want it to contain %q", err, tc.want)
			}
		})
	}
}

func TestDropsAndCountsNumbersThatAreNotFinite(t *testing.T) {
	got, dropped, err := line(t, &wire.Point{Measurement: "m", Time: 1, Fields: []*wire.Field{
		float("a", math.NaN()), float("b", 1), float("c", math.Inf(-1)),
	}})
	if err != nil || got != "m b=1 1" || dropped != 2 {
		t.Fatalf("got %q, %d dropped, error %v", got, dropped, err)
	}
}

// Standard protobuf refuses a message with a string that is not UTF-8 as a whole.
func TestTextThatIsNotUTF8CostsOnlyItsPoint(t *testing.T) {
	good := marshal(t, &wire.Point{Measurement: "m", Time: 1, Fields: []*wire.Field{text("v", "abc")}})
	bad := []byte(strings.Replace(string(good), "abc", "a\xff\xfe", 1))
	var msg []byte
	for _, p := range [][]byte{good, bad, good} {
		msg = append(msg, 0x12, byte(len(p)))
		msg = append(msg, p...)
	}
	b, err := ParseBatch(msg)
	if err != nil || len(b.Points) != 3 {
		t.Fatalf("%d points, error %v", len(b.Points), err)
	}
	for i, want := range []string{"", "not valid UTF-8", ""} {
		var p Point
		err := p.Unmarshal(b.Points[i])
		if err == nil {
			_, err = p.Check()
		}
		if (err == nil) != (want == "") || (err != nil && !strings.Contains(err.Error(), want)) {
			t.Errorf("point %d: error %v, want %q", i, err, want)
		}
	}
}

func TestReadsSequenceAndBeatOfABatch(t *testing.T) {
	b, err := ParseBatch(marshal(t, &wire.Batch{Seq: 9, Beat: &wire.Beat{Ticks: 4, LastTick: noon}}))
	if err != nil || b.Seq != 9 || b.Beat.GetTicks() != 4 || b.Beat.GetLastTick() != noon || len(b.Points) != 0 {
		t.Fatalf("got %+v, error %v", b, err)
	}
	if _, err := ParseBatch([]byte{0xff}); err == nil {
		t.Fatal("garbage was read as a batch")
	}
}

func TestStampDoesNotOverwriteTheTagsOfAPoint(t *testing.T) {
	p := Point{Measurement: []byte("m"), Time: 1, Tags: []Tag{{[]byte("isp"), []byte("own")}, {[]byte("idc"), nil}}}
	p.Fields = []Field{{Key: []byte("v"), Kind: Bool}}
	p.Stamp([]Tag{{[]byte("isp"), []byte("ct")}, {[]byte("idc"), []byte("gz1")}, {[]byte("host"), []byte("h")}})
	if _, err := p.Check(); err != nil {
		t.Fatal(err)
	}
	if got, want := string(p.AppendLine(nil)), "m,host=h,idc=gz1,isp=own v=false 1"; got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
}

func BenchmarkPointFromWireToLine(b *testing.B) {
	raw := marshal(b, &wire.Point{Measurement: "http_quality", Time: noon,
		Tags:   []*wire.Tag{tag("target", "shop"), tag("app", "webshop"), tag("isp", "ct")},
		Fields: []*wire.Field{float("total_time", 0.25), float("dns", 0.01), {Key: "http_code", Value: &wire.Field_Int{Int: 200}}}})
	vantage := []Tag{{[]byte("host"), []byte("bj-1")}, {[]byte("idc"), []byte("gz1")}}
	var p Point
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Unmarshal(raw); err != nil {
			b.Fatal(err)
		}
		p.Stamp(vantage)
		if _, err := p.Check(); err != nil {
			b.Fatal(err)
		}
		buf = p.AppendLine(buf[:0])
	}
}
