package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vedette-monitor/vedette/sdk"
	"github.com/vedette-monitor/vedette/sdk/sdktest"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// patience bounds every wait for something that should happen.
const patience = 20 * time.Second

// opened is a channel of a test, with the points that it has made.
type opened struct {
	sdk.Channel
	points *sdktest.Recorder
	log    *bytes.Buffer
}

// open makes the channel NAME of a type, as the daemon would: typ.test.
func open(t testing.TB, typ string, config object) opened {
	t.Helper()
	c, err := tryOpen(typ, config)
	if err != nil {
		t.Fatalf("%s: %v", typ, err)
	}
	return c
}

func tryOpen(typ string, config object) (opened, error) {
	o := opened{points: &sdktest.Recorder{}, log: &bytes.Buffer{}}
	logger := hclog.New(&hclog.LoggerOptions{Output: o.log, Level: hclog.Trace})
	for _, k := range kinds {
		if k.Name == typ {
			raw, err := json.Marshal(config)
			if err != nil {
				return o, err
			}
			o.Channel, err = k.open(raw, sdk.Env{Channel: typ + ".test", Logger: logger, Out: o.points})
			return o, err
		}
	}
	return o, fmt.Errorf("there is no type %q", typ)
}

// within is a context of a test that ends after a time.
func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// one makes an attempt for which there is one delivery.
func (o opened) one(t testing.TB, n *sdk.Notice) sdk.Delivery {
	t.Helper()
	report := o.Notify(within(t, patience), n)
	if len(report.Deliveries) != 1 {
		t.Fatalf("there are %d deliveries: %+v", len(report.Deliveries), report.Deliveries)
	}
	return report.Deliveries[0]
}

// night is when things happen.
var night = time.Date(2026, 11, 26, 2, 10, 5, 0, time.UTC)

func stamp(after time.Duration) *timestamppb.Timestamp { return timestamppb.New(night.Add(after)) }

// firing is a notice of an alert.
func firing() *sdk.Notice {
	value := 2.5
	return &sdk.Notice{
		Id: "n-1", Thread: "t-1", Kind: wire.Kind_KIND_FIRING, Attempt: 1, Title: "shop is slow", TimeZone: "Asia/Shanghai", Language: "en",
		Alerts: []*sdk.Alert{{
			Incident: "INC1", Name: "site_slow", Severity: "critical", State: wire.Kind_KIND_FIRING, Labels: map[string]string{"team": "web"},
			Tags: map[string]string{"target": "shop", "isp": "ct"}, Summary: "shop answers slowly over ct", Detail: "curl https://shop.example.com/",
			Link: "https://chronograf.example.com/d?site=shop", FiredAt: stamp(0), LastSampleAt: stamp(3 * time.Minute), Value: &value,
			Recent: []float64{0.4, 0.4, 2.5, 2.4, 2.5}, Bad: 3, Of: 3,
		}},
	}
}

// request is what a scripted server was asked.
type asked struct {
	method, path, query string
	header              http.Header
	body                []byte
}

// json is the body as an object.
func (a asked) json(t testing.TB) object {
	t.Helper()
	var o object
	if err := json.Unmarshal(a.body, &o); err != nil {
		t.Fatalf("the body is no JSON: %v\n%s", err, a.body)
	}
	return o
}

// provider is a scripted server.
type provider struct {
	*httptest.Server
	mu   sync.Mutex
	list []asked
}

// provide starts a server that answers as it is told and remembers what it was asked.
func provide(t testing.TB, answer http.HandlerFunc) *provider {
	t.Helper()
	p := &provider{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		p.mu.Lock()
		p.list = append(p.list, asked{r.Method, r.URL.EscapedPath(), r.URL.RawQuery, r.Header.Clone(), body})
		p.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *provider) asked() []asked {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]asked(nil), p.list...)
}

// last is what was asked last.
func (p *provider) last(t testing.TB) asked {
	t.Helper()
	all := p.asked()
	if len(all) == 0 {
		t.Fatal("nothing was asked")
	}
	return all[len(all)-1]
}

// says answers with a status and a body.
func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// key is a text that stands for every secret of a test: wherever it turns up, one has been told.
const key = "hush0123456789abcdefSECRET"

// basicKey is within what user v or u says to log in with it: base64 of its middle.
var basicKey = base64.StdEncoding.EncodeToString([]byte("u:" + key))[4:30]

// robots are the channels over HTTP with one address: what they are configured with and what they take for a yes.
var robots = map[string]struct {
	config func(url string) object
	yes    string
}{
	"dingtalk": {func(u string) object {
		return object{"url": u + "/robot/send?access_token=" + key, "secret": "SEC" + key}
	}, `{"errcode":0,"errmsg":"ok"}`},
	"wecom":  {func(u string) object { return object{"url": u + "/cgi-bin/webhook/send?key=" + key} }, `{"errcode":0,"errmsg":"ok"}`},
	"feishu": {func(u string) object { return object{"url": u + "/open-apis/bot/v2/hook/" + key, "secret": key} }, `{"code":0,"msg":"success"}`},
	"slack":  {func(u string) object { return object{"url": u + "/services/T0/B0/" + key} }, "ok"},
	"slack bot": {func(u string) object { return object{"api_url": u + "/api", "token": key, "channels": []string{"C1"}} },
		`{"ok":true,"ts":"1700000000.000100","channel":"C1"}`},
	"telegram": {func(u string) object {
		return object{"api_url": u, "token": "123:" + key, "chats": []string{"-100123"}}
	}, `{"ok":true,"result":{"message_id":7}}`},
	"pagerduty": {func(u string) object { return object{"url": u + "/v2/enqueue", "routing_key": key} }, `{"status":"success","dedup_key":"INC1"}`},
	"webhook": {func(u string) object {
		return object{"url": u + "/hook/" + key, "secret": key, "headers": object{"X-Token": key}, "username": "u", "password": key}
	}, ""},
	"sms": {func(u string) object {
		return object{"url": u + "/send?key=" + key, "to": []string{"13800000000"}, "bearer_token": key, "answer": object{"path": "$.code", "good": []string{"OK"}, "message": "$.msg",
			"temporary": []string{"BUSY"}, "recipient": []string{"BAD_NUMBER"}, "config": []string{"BAD_SIGN"}}}
	}, `{"code":"OK"}`},
	"alertmanager": {func(u string) object { return object{"urls": []string{u}, "bearer_token": key} }, ""},
}

// typeOf is the type of a robot of the table.
func typeOf(name string) string {
	typ, _, _ := strings.Cut(name, " ")
	return typ
}

// tellsNothing fails the test if a secret has come out.
func (o opened) tellsNothing(t testing.TB, deliveries ...sdk.Delivery) {
	t.Helper()
	for _, d := range deliveries {
		if text := fmt.Sprintf("%+v", d); strings.Contains(text, key) || strings.Contains(text, basicKey) {
			t.Errorf("a delivery tells a secret: %s", text)
		}
	}
	for _, p := range o.points.Points() {
		if line := sdktest.Line(p); strings.Contains(line, key) {
			t.Errorf("a point tells a secret: %s", line)
		}
	}
	if strings.Contains(o.log.String(), key) {
		t.Errorf("the log tells a secret: %s", o.log)
	}
}

// listen accepts connections and has each served by a script.
func listen(t testing.TB, script func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
			running.Go(func() {
				defer func() { _ = conn.Close() }()
				script(conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, c := range conns {
			_ = c.Close()
		}
		mu.Unlock()
		running.Wait()
	})
	return l.Addr().String()
}
