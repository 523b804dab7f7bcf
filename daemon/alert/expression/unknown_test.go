package expression

import (
	"fmt"
	"math"
	"testing"

	"github.com/hashicorp/hcl/v2"
)

// good is a point that has everything but body_matched.
var good = values{
	"target": "shop", "app": "mall", "isp": "ct", "available": true, "http_code": 200, "up": 1, "total_time": 1.5, "dns": 0.1, "cert_days": 30.0,
	"size": 1 << 20, "duration_us": 2_000_000, "error": "", "outcome": "ok",
}

// truths are conditions over a point, with what they are.
type truths []struct {
	condition string
	want      Truth
}

func (cases truths) check(t *testing.T, l func() *Layout, v values) {
	t.Helper()
	for _, tc := range cases {
		t.Run(tc.condition, func(t *testing.T) {
			l := l()
			c := compile(t, l, tc.condition, nil)
			if got := c.Evaluate(l.NewReader().Read(v.point(t))); got != tc.want {
				t.Errorf("it is %s, want %s", got, tc.want)
			}
		})
	}
}

func TestConditionsOfAPointThatHasAll(t *testing.T) {
	truths{
		{`!available || http_code < 200 || http_code > 299 || total_time > 2.0`, False},
		{`total_time > local.slow`, False}, {`total_time > local.slow - 1`, True},
		{`isp == "ct"`, True}, {`isp == "ct" && target != "shop"`, False},
		{`in(isp, ["ct", "cu"])`, True}, {`in(isp, local.lines)`, True}, {`contains(local.lines, isp)`, True}, {`contains(["cm"], isp)`, False},
		{`in(http_code, [200, 204])`, True}, {`in(available, [false])`, False},
		{`contains(target, "ho")`, True}, {`startswith(target, "sh")`, True}, {`endswith(target, "sh")`, False},
		{`matches(outcome, "^(ok|slow)$")`, True}, {`matches(outcome, local.pattern)`, False}, {`matches(error, "^$")`, True},
		{`error == ""`, True}, {`has(error)`, True}, {`has(isp)`, True}, {`has(host)`, False}, {`has(body_matched)`, False},
		{`abs(dns - 1) > 0.8`, True}, {`floor(total_time) == 1`, True}, {`ceil(total_time) == 2`, True}, {`http_code % 100 == 0`, True}, {`-dns < 0`, True},
		{`(available ? total_time : 9) < 2`, True}, {`available == (up == 1)`, True},
		{`total_time > 0.1 && dns > 0.1`, False}, // 0.1 is 0.1, which it is not to HCL
		{`total_time > "1400ms"`, True}, {`total_time == "1.5s"`, True}, {`"1.4s" < total_time`, True}, {`duration_us >= "2s"`, True}, {`size >= "1MiB"`, True},
		{`cert_days < "21d"`, False}, {`total_time - dns > "1m"`, False}, {`true`, True}, {`1 + 1 == 2`, True},
	}.check(t, layout, good)
}

func TestWhatNeedsAMissingFieldIsUnknown(t *testing.T) {
	v := values{"isp": "ct", "available": true, "http_code": 200, "total_time": math.NaN(), "dns": math.Inf(1), "up": 0, "error": "x"}
	truths{
		{`body_matched`, Unknown}, {`!body_matched`, Unknown}, {`cert_days < 21`, Unknown}, {`cert_days == cert_days`, Unknown}, {`outcome == ""`, Unknown},
		{`outcome != "ok"`, Unknown}, {`host == "a"`, Unknown}, {`matches(outcome, ".*")`, Unknown}, {`contains(outcome, "")`, Unknown},
		{`in(outcome, ["ok"])`, Unknown}, {`cert_days + 1 > 0`, Unknown}, {`abs(cert_days) >= 0`, Unknown},
		// A number that is none is not there.
		{`total_time > 2`, Unknown}, {`total_time != 2`, Unknown}, {`has(total_time)`, False}, {`dns > 1`, Unknown}, {`has(dns)`, False},
		{`http_code / up > 1`, Unknown}, {`http_code % up == 0`, Unknown}, {`1e308 * http_code * 10 > 1`, Unknown},
		// Kleene, whichever side comes first.
		{`true || body_matched`, True}, {`body_matched || true`, True}, {`available || body_matched`, True}, {`body_matched || available`, True},
		{`false || body_matched`, Unknown}, {`body_matched || false`, Unknown}, {`body_matched || body_matched`, Unknown},
		{`false && body_matched`, False}, {`body_matched && false`, False}, {`body_matched && !available`, False},
		{`true && body_matched`, Unknown}, {`body_matched && available`, Unknown}, {`body_matched && body_matched`, Unknown},
		{`body_matched == available`, Unknown},
		// Asking is known.
		{`has(body_matched)`, False}, {`!has(body_matched)`, True}, {`has(error)`, True}, {`has(cert_days) && cert_days < 21`, False},
		{`!has(cert_days) || cert_days < 21`, True},
		{`coalesce(cert_days, 99) > 21`, True}, {`coalesce(body_matched, available)`, True}, {`coalesce(outcome, error) == "x"`, True}, {`coalesce(cert_days, total_time) > 0`, Unknown},
		{`body_matched ? true : true`, Unknown}, {`available ? true : body_matched`, True}, {`(available ? cert_days : 1) > 0`, Unknown},
	}.check(t, layout, v)
}

func TestValuesOfAnotherTypeAreUnknown(t *testing.T) {
	l := func() *Layout { return NewLayout(open) }
	truths{
		{`text > 400`, Unknown}, {`text == "500"`, True}, {`text == 500`, Unknown}, {`text != 500`, Unknown}, {`number == text`, Unknown}, {`yes == number`, Unknown},
		{`number > 400`, True}, {`number == 500`, True}, {`yes`, True}, {`number`, Unknown}, {`text`, Unknown}, {`!yes`, False}, {`yes == true`, True},
		{`number == number`, True}, {`text == text`, True}, {`yes == yes`, True}, {`gone == gone`, Unknown}, {`has(gone)`, False}, {`has(text)`, True},
		{`in(number, ["500"])`, False}, {`in(text, ["500", 500])`, True}, {`in(gone, [1])`, Unknown}, {`in(number, [true, 500])`, True}, {`in(yes, [true])`, True},
		{`coalesce(gone, number) == 500`, True}, {`coalesce(gone, text) == "500"`, True}, {`coalesce(gone, yes)`, True},
		{`(yes ? number : text) == 500`, True}, {`(yes ? text : number) == 500`, Unknown}, {`startswith(number, "5")`, Unknown}, {`number + 1 == 501`, True}, {`text + 1 == 501`, Unknown},
		{`host == "a"`, True}, {`yes && text`, Unknown}, {`yes || text`, True},
	}.check(t, l, values{"text": "500", "number": 500, "yes": true, "host": "a"})
}

func TestANameThatNobodyDeclaredIsAFieldOrATag(t *testing.T) {
	v := values{"line": "ct", "load": 3, "both": "tag"}
	p := v.point(t, "line", "both")
	p.Fields = append(p.Fields, values{"both": 7}.point(t).Fields...)
	l := NewLayout(open)
	for text, want := range map[string]Truth{`line == "ct"`: True, `load > 2`: True, `both == 7`: True, `both == "tag"`: Unknown} {
		if got := compile(t, l, text, nil).Evaluate(l.NewReader().Read(p)); got != want {
			t.Errorf("%s is %s", text, got)
		}
	}
	tag, diags := l.Tag("line", hcl.Range{})
	if got := string(l.NewReader().Read(p).Tag(tag)); diags.HasErrors() || got != "ct" {
		t.Errorf("the tag is %q, %v", got, diags)
	}
}

func TestATagMayBeOneThatNobodyCouldName(t *testing.T) {
	l := NewLayout(quality, AnyTag)
	tag, diags := l.Tag("line", hcl.Range{})
	row := l.NewReader
	p := values{"line": "ct", "http_code": 500}.point(t, "line")
	if got := string(row().Read(p).Tag(tag)); diags.HasErrors() || got != "ct" {
		t.Errorf("the tag is %q, %v", got, diags)
	}
	if c := compile(t, l, `line == "ct" && http_code == 500`, nil); c.Evaluate(row().Read(p)) != True {
		t.Error("the condition does not hold")
	}
	if _, diags := l.Tag("http_code", hcl.Range{}); !diags.HasErrors() {
		t.Error("a field is taken for a tag")
	}
	if _, diags := l.Compile(parse(t, "line > 3"), nil, nil); !diags.HasErrors() {
		t.Error("a tag is taken for a number")
	}
}

func TestAFieldWinsOverATagOfItsName(t *testing.T) {
	m := quality
	l := NewLayout(m, "outcome")
	c := compile(t, l, `outcome == "field"`, nil)
	reader := l.NewReader()
	p := values{"outcome": "tag"}.point(t, "outcome")
	if got := c.Evaluate(reader.Read(p)); got != Unknown {
		t.Errorf("a point with the tag alone: %s", got)
	}
	p.Fields = values{"outcome": "field"}.point(t).Fields
	if got := c.Evaluate(reader.Read(p)); got != True {
		t.Errorf("a point with both: %s", got)
	}
}

func TestAReaderDoesNotMindTheOrderOfFields(t *testing.T) {
	l := layout()
	c := compile(t, l, `available && http_code == 200 && isp == "ct" && up == 1 && error == ""`, nil)
	reader := l.NewReader()
	// Maps are walked in another order each time, and every other point has names that were not there before.
	for i := range 600 {
		v := values{fmt.Sprint("x", i): 1}
		for name, value := range good {
			v[name] = value
		}
		if i%3 == 0 {
			delete(v, "dns")
		}
		if got := c.Evaluate(reader.Read(v.point(t))); got != True {
			t.Fatalf("point %d: %s", i, got)
		}
		if got := c.Evaluate(reader.Read(values{"available": true}.point(t))); got != Unknown {
			t.Fatalf("after point %d one without fields: %s", i, got)
		}
	}
}

func TestAConditionKnowsWhatItIsAbout(t *testing.T) {
	for condition, want := range map[string]float64{
		`!available || total_time > 2`: 1.5, `2 < total_time`: 1.5, `http_code == 200 && total_time > 2`: 200, `available`: math.NaN(),
		`total_time - dns > 1`: 1.4, `isp == "ct"`: math.NaN(),
	} {
		l := layout()
		c := compile(t, l, condition, nil)
		got := c.Value(l.NewReader().Read(good.point(t)))
		if got != want && !(math.IsNaN(got) && math.IsNaN(want)) {
			t.Errorf("%s is about %v, want %v", condition, got, want)
		}
	}
}
