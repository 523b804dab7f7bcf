package record

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// readAll returns the commands and the bad stretches of a stream, as text, and checks that they lie side by side.
func readAll(t testing.TB, stream string, r *Reader) (got []string) {
	t.Helper()
	at, _ := r.Pending()
	first := at
	for {
		item, err := r.Next()
		if err == io.EOF {
			return got
		}
		if err != nil {
			t.Fatal(err)
		}
		if item.Offset != at || item.End <= at || item.End > first+int64(len(stream)) {
			t.Fatalf("an item from %d to %d came after %d", item.Offset, item.End, at)
		}
		at = item.End
		if offset, _ := r.Pending(); offset != at {
			t.Fatalf("%d bytes were returned, and %d are pending", at, offset)
		}
		if item.Bad != nil {
			got = append(got, "bad")
			continue
		}
		got = append(got, item.Record.Command)
		if text := stream[item.Offset-first : item.End-first]; text != encode(t, item.Record) {
			t.Fatalf("%+v lies where %q is", item.Record, text)
		}
	}
}

func TestOnlyWhatIsNoRecordIsPassed(t *testing.T) {
	rec := func(command string) string {
		r := typed()
		r.Command, r.Full = command, int64(len(command))
		return encode(t, r)
	}
	a, b, long := rec("a"), rec("b"), rec(strings.Repeat("l", MaxCommand))
	for name, tt := range map[string]struct {
		stream string
		want   string
	}{
		"records":                    {a + long + b, "a long b"},
		"noise with an end":          {a + "noise\x00" + b, "a bad b"},
		"noise without an end":       {a + "noise" + b, "a bad b"},
		"half a record":              {a + a[:30] + b, "a bad b"},
		"a record without its end":   {a + a[:len(a)-1] + b, "a bad b"},
		"half a long record":         {a + long[:MaxCommand] + b, "a bad b"},
		"half a record and a long":   {a + long[:MaxCommand] + long + b, "a bad bad long b"},
		"zeros":                      {a + strings.Repeat("\x00", 5000) + b, "a bad b"},
		"more zeros than are read":   {a + strings.Repeat("\x00", 2*readSize) + b, "a bad bad bad b"},
		"much noise":                 {a + strings.Repeat("1 S ", 50_000) + b, "a bad bad bad bad bad bad bad bad bad bad bad b"},
		"a record in a record":       {rec("x" + strings.TrimSuffix(a, "\x00")), "x" + strings.TrimSuffix(a, "\x00")},
		"the beginning of one":       {a + b[:20], "a"},
		"a wrong length and its end": {strings.Replace(a, " 1 1\n", " 9 9\n", 1) + b, "bad b"},
	} {
		for _, source := range []io.Reader{strings.NewReader(tt.stream), iotest.HalfReader(strings.NewReader(tt.stream))} {
			got := strings.Join(readAll(t, tt.stream, NewReader(source, 1000)), " ")
			got = strings.ReplaceAll(got, strings.Repeat("l", MaxCommand), "long")
			// How noise is parted depends on how much is read at once.
			if squeeze(got) != squeeze(tt.want) {
				t.Errorf("%s: got %.200q, want %q", name, got, tt.want)
			}
		}
	}
}

func squeeze(s string) string {
	for strings.Contains(s, "bad bad") {
		s = strings.ReplaceAll(s, "bad bad", "bad")
	}
	return s
}

// growing is a file that somebody writes while it is read.
type growing struct {
	strings.Builder
	at int
}

func (g *growing) Read(p []byte) (int, error) {
	n := copy(p, g.String()[g.at:])
	g.at += n
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func TestAReaderGoesOnWhenItsFileHasGrown(t *testing.T) {
	var g growing
	r := NewReader(&g, 0)
	text := encode(t, typed())
	for i := range text {
		g.WriteByte(text[i])
		item, err := r.Next()
		if i < len(text)-1 {
			if err != io.EOF {
				t.Fatalf("after %d bytes: %+v, %v", i+1, item, err)
			}
			if offset, n := r.Pending(); offset != 0 || n != i+1 {
				t.Fatalf("after %d bytes %d are pending from %d on", i+1, n, offset)
			}
		} else if err != nil || item.Record != typed() || item.End != int64(len(text)) {
			t.Fatalf("%+v, %v", item, err)
		}
	}
}

func TestAnErrorOfTheStreamIsReturnedAndLosesNothing(t *testing.T) {
	broken := errors.New("broken")
	text := encode(t, typed())
	r := NewReader(io.MultiReader(strings.NewReader(text[:10]), iotest.TimeoutReader(iotest.ErrReader(broken))), 0)
	if _, err := r.Next(); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	r.r = strings.NewReader(text[10:])
	if item, err := r.Next(); err != nil || item.Record != typed() {
		t.Fatalf("%+v, %v", item, err)
	}
}

func FuzzReaderFindsEveryRecordBehindAnEnd(f *testing.F) {
	good := encode(f, typed())
	f.Add("", "", 0)
	f.Add("noise", "1 S raw bash 1 1 1 1", 50)
	f.Add(good[:40], strings.Repeat("\x00", 40), 2)
	f.Fuzz(func(t *testing.T, before, between string, repeat int) {
		noise := strings.Repeat(between, min(max(repeat, 0), 1000))
		stream := before + "\x00" + good + noise + "\x00" + good
		found := 0
		for _, command := range readAll(t, stream, NewReader(strings.NewReader(stream), 0)) {
			if command == typed().Command {
				found++
			}
		}
		// The noise may hold records of its own, even the same one, but none of ours may be missing.
		if found < 2 {
			t.Fatalf("%d records of 2 were found", found)
		}
	})
}

func BenchmarkReader(b *testing.B) {
	text := encode(b, typed())
	stream := strings.Repeat(text, 1000)
	b.SetBytes(int64(len(stream)))
	for b.Loop() {
		r := NewReader(strings.NewReader(stream), 0)
		for {
			if _, err := r.Next(); err == io.EOF {
				break
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/record")
}
