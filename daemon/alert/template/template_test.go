package template

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

var fields = []string{"site", "isp", "vantage", "http_code", "total_time", "cert_days", "available", "cmdline", "state", "local"}

// configuration is what expressions of a configuration have, as far as it matters here.
func configuration() *hcl.EvalContext {
	type mark string
	pass := function.New(&function.Spec{
		Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowMarked: true, AllowUnknown: true, AllowDynamicType: true}},
		Type:   func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
		Impl:   func(args []cty.Value, _ cty.Type) (cty.Value, error) { v, _ := args[0].Unmark(); return v, nil },
	})
	return &hcl.EvalContext{
		Variables: map[string]cty.Value{
			"local": cty.ObjectVal(map[string]cty.Value{
				"team": cty.StringVal("网站组"), "limit": cty.NumberFloatVal(2), "password": cty.StringVal("hunter2").Mark(mark("sensitive")),
				"account": cty.ObjectVal(map[string]cty.Value{"name": cty.StringVal("ops"), "password": cty.StringVal("hunter2").Mark(mark("sensitive"))}),
			}),
		},
		Functions: map[string]function.Function{
			"floor": stdlib.FloorFunc, "ceil": stdlib.CeilFunc, "format": stdlib.FormatFunc, "upper": stdlib.UpperFunc, "join": stdlib.JoinFunc,
			"coalesce": stdlib.CoalesceFunc, "length": stdlib.LengthFunc, "split": stdlib.SplitFunc, "parseint": stdlib.ParseIntFunc,
			"file": pass, "env": pass, "secret": pass, "sensitive": pass, "nonsensitive": pass,
		},
	}
}

func parse(t testing.TB, text string) hcl.Expression {
	t.Helper()
	expr, diags := hclsyntax.ParseExpression([]byte(text), "alerts.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return expr
}

func compile(t testing.TB, text string) *Template {
	t.Helper()
	tmpl, diags := Compile(parse(t, text), configuration(), fields)
	if diags.HasErrors() {
		t.Fatalf("%s: %s", text, diags)
	}
	return tmpl
}

func TestATextSaysWhatTheSampleHolds(t *testing.T) {
	values := Values{
		"site": "shop.example.com", "isp": "ct", "vantage": "bj-ct-1", "http_code": int64(502), "total_time": 2.4999999, "available": false,
		"alert": "slow", "severity": "critical", "bad": 3, "of": int64(3), "value": 2.5, "since": "10m", "level": "critical", "spark": "▁▂█",
		"quorum": map[string]any{"bad": 2, "voting": 3, "who": []string{"ct", "cu"}}, "cmdline": "mysql -phunter2 -h db",
	}
	tests := []struct{ template, want string }{
		{`"电信线路：${site} 异常（${vantage}）"`, "电信线路：shop.example.com 异常（bj-ct-1）"},
		{`"状态码 ${http_code}，总耗时 ${total_time} 秒，连续 ${bad} 次"`, "状态码 502，总耗时 2.5 秒，连续 3 次"},
		{`"${site} 不可用：${quorum.bad}/${quorum.voting} 条线路失败"`, "shop.example.com 不可用：2/3 条线路失败"},
		{`"failed: ${quorum.who}"`, "failed: ct, cu"},
		{`"failed: ${join("+", quorum.who)}, ${length(quorum.who)}"`, "failed: ct+cu, 2"},
		{`"https://grafana.example/d?site=${urlencode("a b&c")}"`, "https://grafana.example/d?site=a+b%26c"},
		{`"${available ? "up" : "down"} ${alert} ${severity} ${since}"`, "down slow critical 10m"},
		{`"%{ if total_time > local.limit }slower than ${local.limit}%{ else }quick%{ endif }"`, "slower than 2"},
		{`"%{ for isp in quorum.who }[${isp}]%{ endfor }"`, "[ct][cu]"},
		{`redact(cmdline)`, "mysql -p*** -h db"},
		{`site`, "shop.example.com"},
		{`total_time * 2`, "5"},
		{`"${total_time}"`, "2.5"},
		{`quorum.who`, "ct, cu"},
		{`local.team`, "网站组"},
		{`local.account.name`, "ops"},
		{`nonsensitive(local.password)`, "hunter2"},
		{`"${spark}"`, "▁▂█"},

		{`"${cert_days} days"`, "? days"},
		{`"${floor(cert_days)} days of ${site}"`, "? days of shop.example.com"},
		{`"${upper("${cert_days}x")} of ${site}"`, "? of shop.example.com"},
		{`"%{ if cert_days > 3 }${site}%{ else }${isp}%{ endif }, ${isp}"`, "?, ct"},
		{`coalesce(cert_days, "none")`, "none"},
		{`"${cert_days == null ? "no certificate" : floor(cert_days)}"`, "no certificate"},
		{`"${has(cert_days) ? floor(cert_days) : "no certificate"}"`, "no certificate"},
		{`"${has(site) ? site : "none"}"`, "shop.example.com"},
		{`"${folded} times"`, "? times"},
		{`"${matches(site, "^shop[.]") && in(isp, ["ct", "cu"])}"`, "true"},
	}
	for _, tc := range tests {
		got, err := compile(t, tc.template).Render(values)
		if err != nil || got != tc.want {
			t.Errorf("%s is %q (%v), want %q", tc.template, got, err, tc.want)
		}
	}
}

func TestWithoutAnyValueEveryPlaceIsAQuestionMark(t *testing.T) {
	got, err := compile(t, `"${site}: ${total_time} ${quorum.bad}/${quorum.voting} ${quorum.who} ${value} ${available} ${redact(cmdline)}"`).
		Render(Values{"value": math.NaN(), "total_time": math.Inf(1)})
	if want := "?: ? ?/? ? ? ? ?"; err != nil || got != want {
		t.Errorf("it is %q (%v), want %q", got, err, want)
	}
}

func TestAMistakeIsFoundWhenATemplateIsCompiled(t *testing.T) {
	tests := []struct{ template, at, says string }{
		{`"${totl_time}"`, "1,4-13", `Neither a sample nor an alert has "totl_time". Did you mean "total_time"?`},
		{`"${sevrity}"`, "1,4-11", `Did you mean "severity"?`},
		{`"${zzzzzzzz}"`, "1,4-12", "There is: alert, available, bad, cert_days, cmdline"},
		{`"${quorum.badd}"`, "1,4-15", `quorum has no "badd": there is bad, voting, who. Did you mean "bad"?`},
		{`"${site.name}"`, "1,4-13", "A field or tag is named by itself"},
		{`"${locl.team}"`, "1,4-13", `Did you mean "local"?`},
		{`"${local.tem}"`, "1,9-13", "tem"},
		{`"${flor(cert_days)}"`, "1,4-8", `Did you mean "floor"?`},
		{`"${floor()}"`, "1,10-11", "Function \"floor\" expects 1 argument(s)"},
		{`"${floor(alert) + join(",", 3)}"`, "1,29-30", "list of string required"},
		{`"${join(",", site)}"`, "1,14-18", "list of string required"},
		{`"${total_time > "x"}"`, "1,17-20", "a number is required"},
		{`"${quorum}"`, "1,4-10", "A text is required, and not a value of the type object."},
		{`"${quorum} of ${site}"`, "1,4-10", "A text is required"},
		{`{a = site}`, "1,1-11", "A text is required"},
		{`"${local.password}"`, "1,4-18", "there can be no secret in one"},
		{`"${local.account[site]}"`, "1,4-17", "there can be no secret in one"},
		{`"${site == "x" ? local.password : ""}"`, "1,18-32", "there can be no secret in one"},
		{`secret("smtp")`, "1,1-15", "there can be no secret in one"},
		{`"${sensitive(site)}"`, "1,4-19", "there can be no secret in one"},
		{`file("x")`, "1,1-5", "Call it in a locals block."},
		{`format(cmdline, 1)`, "1,8-15", "could ask for any width"},
		{`humanize(3, "parsecs")`, "1,14-21", `units are "s"`},
		{`round(1.5, 99)`, "1,12-14", "between -15 and 15 digits"},
	}
	for _, tc := range tests {
		_, diags := Compile(parse(t, tc.template), configuration(), fields)
		if !diags.HasErrors() {
			t.Errorf("%s is compiled", tc.template)
			continue
		}
		at := diags[0].Subject
		place := fmt.Sprintf("%d,%d-%d", at.Start.Line, at.Start.Column, at.End.Column)
		if says := diags[0].Detail; place != tc.at || !strings.Contains(says, tc.says) {
			t.Errorf("%s: at %s: %s\nwant at %s: …%s…", tc.template, place, says, tc.at, tc.says)
		}
		if strings.Contains(diags.Error(), "hunter2") {
			t.Errorf("%s: the secret is in %s", tc.template, diags)
		}
	}
}

func TestWhatOnlyTheValuesTellIsAnErrorWithItsPlace(t *testing.T) {
	_, err := compile(t, `"${floor(site)}"`).Render(Values{"site": "shop"})
	if err == nil || !strings.Contains(err.Error(), "alerts.hcl:1,1-17") || !strings.Contains(err.Error(), "a number is required") {
		t.Errorf("it is %v", err)
	}
}

func TestNumbersAreWrittenAsPeopleDo(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", math.Copysign(0, -1): "0", 2.5: "2.5", 2.4999999: "2.5", 0.1 + 0.2: "0.3", 1.0 / 3: "0.333333", 200: "200", -7: "-7", 86400: "86400",
		1234567: "1234567", 1234567.89: "1234568", 99999.96: "100000", 0.000123456789: "0.000123457", 1e-9: "1e-09", 1e14: "100000000000000",
		9007199254740993: "9007199254740992", 1.5e300: "1.5e+300",
	} {
		if got, err := compile(t, `"${value}"`).Render(Values{"value": v}); got != want || err != nil {
			t.Errorf("%v is %q (%v), want %q", v, got, err, want)
		}
	}
	if got, _ := compile(t, `"${value}"`).Render(Values{"value": int64(math.MaxInt64)}); got != "9223372036854775807" {
		t.Errorf("the largest whole number is %s", got)
	}
}

func TestHumanize(t *testing.T) {
	for call, want := range map[string]string{
		`humanize(0)`: "0", `humanize(999)`: "999", `humanize(1234567)`: "1.23M", `humanize(-1500)`: "-1.5k", `humanize(999999)`: "1M", `humanize(0.123456)`: "0.123",
		`humanize(2.5, "s")`: "2.5 s", `humanize(0.0123, "s")`: "12.3 ms", `humanize(75, "s")`: "1m 15s", `humanize(3700, "s")`: "1h 1m", `humanize(3600, "s")`: "1h",
		`humanize(90061, "s")`: "1d 1h", `humanize(59.99, "s")`: "1m", `humanize(1500, "ms")`: "1.5 s", `humanize(250, "us")`: "250 µs", `humanize(-75, "s")`: "-1m 15s",
		`humanize(12, "d")`: "12d", `humanize(0, "s")`: "0 s", `humanize(1e300, "s")`: "1.15741e+295d", `humanize(3e-9, "s")`: "3 ns",
		`humanize(1536, "bytes")`: "1.5 KiB", `humanize(1023.9, "bytes")`: "1 KiB",
		`round(2.345)`: "2", `round(2.345, 2)`: "2.35", `round(1250, -2)`: "1300",
	} {
		if got, err := compile(t, call).Render(nil); got != want || err != nil {
			t.Errorf("%s is %q (%v), want %q", call, got, err, want)
		}
	}
}

func TestRedactMasksSecretsAndLeavesTheRest(t *testing.T) {
	for line, want := range map[string]string{
		`mysql -uroot -phunter2 -h db`:                                 `mysql -uroot -p*** -h db`,
		`mysql -p'hunter 2' db`:                                        `mysql -p*** db`,
		`mysqldump --password=hunter2 shop`:                            `mysqldump --password=*** shop`,
		`psql --password hunter2 shop`:                                 `psql --password *** shop`,
		`curl https://x/?token=abc123&page=2`:                          `curl https://x/?token=***&page=2`,
		`curl -H "Authorization: Bearer abc.def" https://x`:            `curl -H "Authorization: ***" https://x`,
		`curl https://ops:hunter2@x/y`:                                 `curl https://ops:***@x/y`,
		`{"password": "hunter2", "user": "x"}`:                         `{"password": ***, "user": "x"}`,
		`AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEK`: `AWS_SECRET_ACCESS_KEY=***`,
		`aws configure set AKIAIOSFODNN7EXAMPLE`:                       `aws configure set ***`,
		`echo wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY`:                `echo ***`,
		`MYSQL_PWD=x mysql`:                                            `MYSQL_PWD=*** mysql`,
		`vault login --token s.abc`:                                    `vault login --token ***`,
		`rm -rf / --no-preserve-root`:                                  `rm -rf / --no-preserve-root`,
		`find / -print -delete`:                                        `find / -print -delete`,
		`git show 83f1d6c8a4a5b7f0e1d2c3b4a5968778695a4b3c`:            `git show 83f1d6c8a4a5b7f0e1d2c3b4a5968778695a4b3c`,
		`cat /etc/passwd | grep root`:                                  `cat /etc/passwd | grep root`,
	} {
		if got := redact(line); got != want {
			t.Errorf("%s\n  is %s\nwant %s", line, got, want)
		}
	}
}

func TestWhatIsRenderedIsSafeToShow(t *testing.T) {
	hostile := "a\x1b[31mred\x00\u202egnp.exe\u200b\ufeff\u2066x\u0085y\u009bz\r\n\tend\ue000\U000e0041\xff\u3000。"
	for lines, want := range map[bool]string{false: "a[31mredgnp.exex yz  end\ufffd 。", true: "a[31mredgnp.exex\nyz\n end\ufffd 。"} {
		tmpl := compile(t, `"${cmdline}"`)
		got, err := tmpl.Render(Values{"cmdline": hostile})
		if lines {
			got, err = tmpl.RenderLines(Values{"cmdline": hostile})
		}
		if err != nil || got != want {
			t.Errorf("with lines %t it is %q (%v), want %q", lines, got, err, want)
		}
	}
	long := compile(t, `"${cmdline}"`)
	for text, want := range map[string]string{
		strings.Repeat("线", 500): strings.Repeat("线", 500), strings.Repeat("线", 501): strings.Repeat("线", 499) + "…",
		strings.Repeat("线", 20_000): strings.Repeat("线", 499) + "…",
	} {
		if got, err := long.Render(Values{"cmdline": text}); err != nil || got != want {
			t.Errorf("of %d characters %d are left (%v)", len([]rune(text)), len([]rune(got)), err)
		}
	}
	if got, err := long.RenderLines(Values{"cmdline": strings.Repeat("x\n", 1500)}); err != nil || len([]rune(got)) > MaxLines || !strings.HasSuffix(got, "x…") {
		t.Errorf("of 3,000 characters in lines %d are left (%v)", len([]rune(got)), err)
	}
}

func FuzzTemplate(f *testing.F) {
	f.Add(`"${site}: ${floor(total_time)} %{ if available }x%{ endif }"`, "shop\x1b", 2.5, true)
	f.Add(`redact(cmdline)`, "mysql -pX --password=y Authorization: z", 0.0, false)
	f.Add(`"${humanize(total_time, "s")} ${round(value, 3)} ${quorum.who} ${coalesce(cert_days, "x")}"`, "\u202e\u200d", math.NaN(), true)
	f.Add(`format("%5.1f %s", total_time, quorum)`, "", math.Inf(-1), true)
	f.Add(`"%{ for x in quorum.who }${x}%{ endfor }${in(isp, [site])}"`, "a", 1e300, true)
	f.Fuzz(func(t *testing.T, template, text string, number float64, truth bool) {
		expr, diags := hclsyntax.ParseExpression([]byte(template), "alerts.hcl", hcl.InitialPos)
		if diags.HasErrors() {
			return
		}
		tmpl, diags := Compile(expr, configuration(), fields)
		if diags.HasErrors() {
			return
		}
		values := Values{
			"site": text, "isp": text, "vantage": text, "cmdline": text, "http_code": int64(number), "total_time": number, "available": truth, "value": number,
			"alert": text, "state": text, "quorum": map[string]any{"bad": number, "who": []string{text, text}},
		}
		if !truth {
			delete(values, "site")
			delete(values, "quorum")
		}
		for limit, render := range map[int]func(Values) (string, error){MaxLine: tmpl.Render, MaxLines: tmpl.RenderLines} {
			got, err := render(values)
			if err != nil {
				continue
			}
			if n := len([]rune(got)); n > limit {
				t.Errorf("%d characters", n)
			}
			if again := Clean(got, limit, limit == MaxLines); again != got {
				t.Errorf("%q is not clean, but %q", got, again)
			}
			for _, r := range got {
				if r < ' ' && (r != '\n' || limit == MaxLine) || r >= 0x7f && r < 0xa0 || r >= '\u200b' && r <= '\u200f' || r >= '\u2028' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' {
					t.Errorf("%U is in %q", r, got)
				}
			}
		}
	})
}

func FuzzRedact(f *testing.F) {
	f.Add("mysql -uroot ", "hunter2", " -h db")
	f.Fuzz(func(t *testing.T, before, secret, after string) {
		redact(before + secret + after)
		// What stands by itself behind such an option never stays.
		if strings.ContainsAny(secret, "\"' \t\n\r\v\f&;,") || len(secret) < 4 || strings.Contains(before+after+mask+" -p --token=", secret) {
			return
		}
		for _, option := range []string{" --password=", " --token=", " MYSQL_PWD="} {
			if got := redact("x" + option + secret); strings.Contains(got, secret) {
				t.Errorf("%s%s: %s", option, secret, got)
			}
		}
	})
}
