package probe

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"
)

func gzipped(t testing.TB, text []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func jsonPath(t testing.TB, path, value string) JSONPath {
	t.Helper()
	p, err := ParseJSONPath(path, value)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestExpectationsOfTheBody(t *testing.T) {
	const document = `{"status":"ok","count":3,"price":1.50,"open":true,"none":null,"items":[{"id":1},{"id":2,"name":"b"}]}`
	long := "first\r\n" + strings.Repeat("x", 3000) + "last"
	for _, c := range []struct {
		name   string
		body   string
		header string
		expect Expectation
		failed []string
		text   string
	}{
		{"first line", "OK\r\nrest", "", Expectation{FirstLine: "OK"}, nil, ""},
		{"first line alone", "OK", "", Expectation{FirstLine: "OK"}, nil, ""},
		{"another first line", "OK \nrest", "", Expectation{FirstLine: "OK"}, []string{"first_line"}, `first line is not "OK"`},
		{"no first line", "", "", Expectation{FirstLine: "OK"}, []string{"first_line"}, ""},
		{"regex", "build 1.23.4", "", Expectation{BodyMatches: regexp.MustCompile(`\b1\.\d+\b`)}, nil, ""},
		{"no regex", "build 2", "", Expectation{BodyMatches: regexp.MustCompile(`^1`)}, []string{"body_regex"}, `nothing matches "^1" in the body of 7 bytes`},
		{"regex beyond the limit", long, "", Expectation{BodyMatches: regexp.MustCompile(`last`), BodyLimit: 100}, []string{"body_regex"},
			"in the first 100 bytes of the body"},
		{"text beyond the limit", long, "", Expectation{BodyContains: "last", FirstLine: "first", BodyLimit: 100}, nil, ""},
		{"json", document, "", Expectation{JSON: []JSONPath{jsonPath(t, "$.status", "ok"), jsonPath(t, "$.count", "3"), jsonPath(t, "$.price", "1.5"),
			jsonPath(t, "$.open", "true"), jsonPath(t, "$.none", "null"), jsonPath(t, "$.items[?@.id == 2].name", "b"), jsonPath(t, "$..id", "2"),
			jsonPath(t, "$.items", ""), jsonPath(t, "$.items[0]", `{"id":1}`)}}, nil, ""},
		{"json of another value", document, "", Expectation{JSON: []JSONPath{jsonPath(t, "$.status", "down")}}, []string{"json"},
			`"$.status" in the body is not "down"`},
		{"json without it", document, "", Expectation{JSON: []JSONPath{jsonPath(t, "$.other", "")}}, []string{"json"}, `nothing in the body is at "$.other"`},
		{"json of a number that is close", `{"id":12345678901234567890123,"n":1.0,"far":1e-999999999}`, "", Expectation{JSON: []JSONPath{
			jsonPath(t, "$.id", "12345678901234567890123"), jsonPath(t, "$.n", "1"), jsonPath(t, "$.n", "10e-1"), jsonPath(t, "$.far", "1e-999999999"),
			jsonPath(t, "$.id", "12345678901234567890124")}}, []string{"json"}, `"$.id" in the body is not "12345678901234567890124"`},
		{"json of a number in another form", `{"n":1.0}`, "", Expectation{JSON: []JSONPath{jsonPath(t, "$.n", "0x1p0")}}, []string{"json"}, "is not"},
		{"no json", "<html>", "", Expectation{JSON: []JSONPath{jsonPath(t, "$.status", "")}}, []string{"json"}, "body is not JSON"},
		{"more than json", document + "x", "", Expectation{JSON: []JSONPath{jsonPath(t, "$.status", "")}}, []string{"json"}, "body is not JSON"},
		{"json beyond the limit", document, "", Expectation{JSON: []JSONPath{jsonPath(t, "$.status", "")}, BodyLimit: 50}, []string{"json"},
			"longer than 50 bytes"},
		{"deep json", strings.Repeat("[", 50000), "", Expectation{JSON: []JSONPath{jsonPath(t, "$..x", "")}}, []string{"json"}, "body is not JSON"},
		{"headers", "x", "X-Version: 1.2\r\nX-Version: 7.1\r\n", Expectation{HeaderMatches: []FieldMatch{{"x-version", regexp.MustCompile(`^7\.`)}}}, nil, ""},
		{"header of another value", "x", "X-Version: 1.2\r\n", Expectation{HeaderMatches: []FieldMatch{{"X-Version", regexp.MustCompile(`^7\.`)}}},
			[]string{"header_regex"}, `header X-Version does not match "^7\\."`},
		{"no header", "x", "", Expectation{HeaderMatches: []FieldMatch{{"X-Version", regexp.MustCompile(`.`)}}}, []string{"header_regex"}, "no header X-Version"},
		{"all", "down", "", Expectation{Status: []StatusRange{{404, 404}}, Header: []Field{{"A", ""}, {"B", ""}},
			HeaderMatches: []FieldMatch{{"C", regexp.MustCompile(`.`)}}, BodyContains: "up", FirstLine: "up", BodyMatches: regexp.MustCompile("up"),
			JSON: []JSONPath{jsonPath(t, "$.status", "")}, Within: 1},
			[]string{"status", "header", "header_regex", "body", "first_line", "body_regex", "json", "slow"}, "status 200, expected 404"},
	} {
		for _, encoded := range []bool{false, true} {
			if encoded && c.name == "text beyond the limit" {
				continue // of what is decoded nothing beyond the limit is looked at
			}
			t.Run(fmt.Sprintf("%s/%t", c.name, encoded), func(t *testing.T) {
				leavesNothing(t)
				body := []byte(c.body)
				header := c.header
				if encoded {
					body, header = gzipped(t, body), header+"Content-Encoding: gzip\r\n"
				}
				at := says(t, fmt.Sprintf("HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s", header, len(body), body))
				res := runTarget(t, Target{URL: parseURL(t, "http://"+at.String()), Compression: encoded, Expect: c.expect})
				if fmt.Sprint(res.Failed) != fmt.Sprint(c.failed) {
					t.Errorf("failed %v, want %v", res.Failed, c.failed)
				}
				text := c.text
				if encoded {
					text = strings.Replace(text, "the body of 7 bytes", fmt.Sprintf("the body of %d bytes", len(body)), 1)
				}
				if (res.Err == nil) != (len(c.failed) == 0) || res.Err != nil && !strings.Contains(res.Err.Error(), text) {
					t.Errorf("error is %v, want one with %q", res.Err, text)
				}
				ofBody := c.expect.ofBody()
				good := ofBody && !strings.Contains(strings.ReplaceAll(fmt.Sprint(c.failed), "header", ""), "body") &&
					!strings.Contains(fmt.Sprint(c.failed), "first_line") && !strings.Contains(fmt.Sprint(c.failed), "json")
				if res.BodyChecked != ofBody || res.BodyMatched != good {
					t.Errorf("body checked %t, matched %t", res.BodyChecked, res.BodyMatched)
				}
				if res.Last().BodySize != int64(len(body)) {
					t.Errorf("%d bytes, want those on the wire, %d", res.Last().BodySize, len(body))
				}
			})
		}
	}
}

func TestCompressionIsAskedForAndHostileBodiesAreBounded(t *testing.T) {
	leavesNothing(t)
	log := &asked{}
	bomb := gzipped(t, make([]byte, 100<<20))
	broken := gzipped(t, bytes.Repeat([]byte("cart "), 1000))
	random := make([]byte, 3000)
	source := rand.New(rand.NewPCG(1, 2))
	for i := range random {
		random[i] = byte(source.Uint32())
	}
	for _, c := range []struct {
		name   string
		coding string
		body   []byte
		expect Expectation
		text   string
	}{
		{"bomb", "gzip", bomb, Expectation{BodyContains: "cart", BodyLimit: 1 << 20}, `"cart" is not in the first 1048576 bytes of the body`},
		{"bomb as json", "gzip", bomb, Expectation{JSON: []JSONPath{jsonPath(t, "$", "")}}, "too long to be read as JSON"},
		{"cut", "gzip", broken[:len(broken)/2], Expectation{BodyContains: "basket"}, "which can not be decoded: unexpected EOF"},
		{"no gzip", "gzip", []byte("<html>cart</html>"), Expectation{BodyContains: "cart"}, "which can not be decoded: gzip: invalid header"},
		{"another coding", "br", []byte("cart"), Expectation{BodyContains: "basket"}, `encoded as "br" and is not decoded`},
		{"wire longer than the limit", "gzip", gzipped(t, append(random, "cart"...)), Expectation{BodyContains: "cart", BodyLimit: 1000},
			`"cart" is not in the first `},
		{"two members", "x-gzip", append(gzipped(t, []byte("a ca")), gzipped(t, []byte("rt"))...), Expectation{BodyContains: "cart"}, ""},
		{"nothing", "gzip", nil, Expectation{BodyContains: "cart"}, "which can not be decoded: EOF"},
		{"nothing is expected", "gzip", bomb, Expectation{}, ""},
	} {
		at := server(t, func(head string) []byte {
			log.add(head, "")
			return fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n%s", c.coding, len(c.body), c.body)
		})
		res := runTarget(t, Target{URL: parseURL(t, "http://"+at.String()), Compression: true, Expect: c.expect})
		if (c.text == "") != (res.Err == nil) || res.Err != nil && !strings.Contains(res.Err.Error(), c.text) {
			t.Errorf("%s: %v, want an error with %q", c.name, res.Err, c.text)
		}
		if !strings.Contains(log.last(t), "\r\nAccept-Encoding: gzip\r\n") {
			t.Errorf("asked %q", log.last(t))
		}
	}
}

func TestCertificateMustBeValidForLong(t *testing.T) {
	leavesNothing(t)
	ca := newAuthority(t) // for 1000 hours; the server's own for 240
	at := "https://" + goServer(t, serverConfig(t, ca, nil), pages(nil, nil))[len("https://"):]
	for _, c := range []struct {
		valid time.Duration
		text  string
	}{
		{9 * 24 * time.Hour, ""}, {11 * 24 * time.Hour, "less than 11 days from now"},
	} {
		res := runTarget(t, Target{URL: parseURL(t, at+"/echo"), RootCAs: ca.pool, Expect: Expectation{CertValid: c.valid}})
		if c.text == "" {
			wantOutcome(t, res, OutcomeOK, PhaseTransfer, "")
			continue
		}
		wantOutcome(t, res, OutcomeCertificate, PhaseTransfer, c.text)
		if fmt.Sprint(res.Failed) != "[cert_days]" {
			t.Errorf("failed %v", res.Failed)
		}
	}
	plain := goServer(t, nil, pages(nil, nil))
	away := goServer(t, serverConfig(t, ca, nil), pages(func() string { return plain }, nil))
	res := runTarget(t, Target{URL: parseURL(t, away+"/plain"), RootCAs: ca.pool, MaxRedirects: 1, Expect: Expectation{CertValid: time.Hour}})
	wantOutcome(t, res, OutcomeCertificate, PhaseTransfer, "no certificate: the answer came over plain http")
}

func TestJSONPathsThatAreNoneAreRefused(t *testing.T) {
	for _, path := range []string{"", "status", "$.", "$[", "$..", "$[?(@.x]", "\x00"} {
		if _, err := ParseJSONPath(path, ""); err == nil || !strings.Contains(err.Error(), "JSON path") {
			t.Errorf("%q: %v", path, err)
		}
	}
}

func FuzzJudgeJSON(f *testing.F) {
	f.Add([]byte(`{"a":[1,2.0,"x",null]}`), "$.a[1]", "2")
	f.Add([]byte(`[`), "$..*", "")
	f.Fuzz(func(t *testing.T, body []byte, path, value string) {
		if len(body) > 1000 || len(path) > 60 {
			return
		}
		p, err := ParseJSONPath(path, value)
		if err != nil {
			return
		}
		if err := judgeJSON([]JSONPath{p}, body); err != nil {
			if text := newError(OutcomeBody, PhaseTransfer, nil, "%v", err).Error(); len(text) > 2*maxErrorText || printable(text, len(text)) != text {
				t.Errorf("text of the error is %q", text)
			}
		}
	})
}

func FuzzExamined(f *testing.F) {
	f.Add([]byte("hello"), "gzip", int64(3))
	f.Add(gzipped(f, []byte("hello")), "gzip", int64(100))
	f.Fuzz(func(t *testing.T, body []byte, coding string, limit int64) {
		if limit < 1 || limit > 1<<16 || strings.ContainsAny(coding, "\r\n:") {
			return
		}
		var a answer
		a.reset(&Target{MaxBody: 1 << 20, Compression: true, Expect: Expectation{FirstLine: "x", BodyLimit: limit}})
		a.head = append(a.head, "Content-Encoding: "+coding+"\r\n"...)
		for piece := range bytes.SplitAfterSeq(body, []byte{0}) {
			if _, err := a.write(piece); err != nil {
				return
			}
		}
		got, whole, _ := a.examined(true)
		if int64(len(got)) > limit || int64(len(a.kept)) > limit || whole && a.coding() == "" && !bytes.Equal(got, body) {
			t.Errorf("%d of %d bytes, limit %d, whole %t", len(got), len(body), limit, whole)
		}
	})
}
