package expression

import (
	"testing"
)

// simple are conditions as rules have them.
var simple = []string{
	`http_code >= 500 || total_time > 2.0 && isp == "ct"`,
	`!available || http_code < 200 || http_code > 299 || total_time > "2s"`,
	`has(cert_days) && cert_days < 21`,
	`in(isp, ["ct", "cu"]) && startswith(target, "sh") && coalesce(total_time, 0) * 1000 > 5`,
	`matches(outcome, "^(dns|connect|tls)$")`,
}

func TestReadingAndEvaluatingAllocateNothing(t *testing.T) {
	for _, text := range simple {
		l := layout()
		c := compile(t, l, text, nil)
		reader, p := l.NewReader(), good.point(t)
		reader.Read(p)
		if n := testing.AllocsPerRun(100, func() { c.Evaluate(reader.Read(p)) }); n != 0 {
			t.Errorf("%s allocates %v times", text, n)
		}
	}
}

func BenchmarkEvaluate(b *testing.B) {
	for _, text := range simple {
		b.Run(text, func(b *testing.B) {
			l := layout()
			c := compile(b, l, text, nil)
			row := l.NewReader().Read(good.point(b))
			b.ReportAllocs()
			for b.Loop() {
				c.Evaluate(row)
			}
		})
	}
	b.Run("the first one in HCL", func(b *testing.B) {
		expr, ctx := parse(b, `i >= 500 || a > 2.0 && t == "ct"`), asCty(values{"i": 200, "a": 2.5, "t": "ct"})
		b.ReportAllocs()
		for b.Loop() {
			expr.Value(ctx)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	l := layout()
	for _, text := range simple {
		compile(b, l, text, nil)
	}
	reader, p := l.NewReader(), good.point(b)
	b.ReportAllocs()
	for b.Loop() {
		reader.Read(p)
	}
}
