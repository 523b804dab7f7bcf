package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/alert/incident"
)

// shop is the site that is watched, over several lines. Each line has a path of its own.
type shop struct {
	*httptest.Server
	mu     sync.Mutex
	delay  map[string]time.Duration
	status map[string]int
}

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{delay: map[string]time.Duration{}, status: map[string]int{}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		line := strings.Trim(r.URL.Path, "/")
		s.mu.Lock()
		delay, status := s.delay[line], s.status[line]
		s.mu.Unlock()
		select {
		case <-time.After(delay):
		case <-r.Context().Done():
		}
		if status != 0 {
			w.WriteHeader(status)
		}
		_, _ = fmt.Fprintln(w, "购物车")
	}))
	t.Cleanup(s.Close)
	return s
}

// turn changes how the site answers over a line; 0 is as it should.
func (s *shop) turn(line string, delay time.Duration, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delay[line], s.status[line] = delay, status
}

// The scale of the stories: what takes two seconds and a quarter of an hour for a site takes so long here.
const (
	slowness    = 1300 * time.Millisecond
	escalation  = 10 * time.Second
	storyRoutes = `
alerting {
  timezone = "Asia/Shanghai"
  language = "zh"
  hold     = "1s"
  # A gateway that does not answer at all costs the others nothing, and here nothing is lost by it.
  fallback_after = "5m"
}
receiver "ops" {
  step {
    to = notifier.email.ops
  }
}
receiver "web" {
  step {
    to = [notifier.dingtalk.web, notifier.email.ops]
  }
  step {
    after = "10s"
    to    = notifier.sms.duty
  }
}
route {
  to       = receiver.ops
  group_by = ["alert", "target"]
  wait     = "1s"
  interval = "1s"
  repeat   = "4h"
  urgent   = true

  route {
    match = team == "web" && severity == "critical"
    to    = receiver.web
  }
}
inhibit "a site that is down is slow over each line too" {
  source = alert == "site_down"
  target = alert == "site_bad_over_telecom"
  equal  = ["target"]
}
`
	siteIsBad  = `!available || http_code < 200 || http_code > 299 || total_time > "1s"`
	storyAlert = `
  by = ["target"]
  fire {
    bad = 3
  }
  recover {
    when = total_time < "750ms"
    good = 2
  }
  severity = "critical"
  labels   = { team = "web" }
  summary  = "电信线路：${app} 异常"
  detail   = "状态码 ${http_code}，总耗时 ${round(total_time, 1)} 秒，连续 ${bad} 次"
  link     = "https://grafana.example.com/d/site?var-target=${urlencode(app)}"
`
	storyQuorum = `
  by = ["target"]
  fire {
    bad = 2
    of  = 3
  }
  quorum "isp" {
    need  = 2
    of    = ["ct", "cu", "cm"]
    fresh = "1m"
  }
  severity = "critical"
  labels   = { team = "web" }
  summary  = "${target} 不可用：${quorum.bad}/${quorum.voting} 条线路失败"
`
)

// linePlugin is the block of a plugin that watches the shop over a line.
func linePlugin(name, isp, address string) string {
	tags := ""
	if isp != "" {
		tags = fmt.Sprintf("tags = {\n    isp = %q\n  }\n", isp)
	}
	return fmt.Sprintf(`
plugin %q {
  source   = "http-quality"
  interval = "1500ms"
  timeout  = "10s"
  env      = { GORACE = "atexit_sleep_ms=0" }
  %s
  target "shop" {
    app = "网上商城"
    url = %q
  }
}
`, name, tags, address)
}

// incidents are those of an alert, the newest last.
func (s *site) incidents(name string) []*incident.Incident {
	s.t.Helper()
	a := &alarmed{site: s}
	l, _ := a.alerts()
	found := slices.DeleteFunc(l.Incidents, func(i *incident.Incident) bool { return i.Alert != name })
	slices.SortFunc(found, func(a, b *incident.Incident) int { return a.Fired.Compare(b.Fired) })
	return found
}

// settled reports whether nothing fires of an alert and no notice is on its way.
func (s *site) quietAbout(name string) bool {
	s.t.Helper()
	for _, i := range s.incidents(name) {
		if i.State.Open() || i.Outstanding() {
			return false
		}
	}
	return true
}

// wantTold compares what was told with what should be: the beginnings of titles, or of texts where there are no titles.
func wantTold(t *testing.T, channel string, got []told, want ...string) {
	t.Helper()
	var titles []string
	for _, one := range got {
		titles = append(titles, one.title)
	}
	if !slices.Equal(titles, want) {
		t.Errorf("%s was told\n%q\nand should be told\n%q", channel, titles, want)
	}
}

// about are those that say something.
func about(all []told, text string) []told {
	return slices.DeleteFunc(all, func(one told) bool { return !strings.Contains(one.title+one.text, text) })
}

// contains holds that what was told says all of this.
func (o told) contains(t *testing.T, channel string, want ...string) {
	t.Helper()
	for _, text := range want {
		if !strings.Contains(o.text, text) {
			t.Errorf("%s was told\n%s\nwithout %q", channel, o.text, text)
		}
	}
}

func TestASlowLineIsToldOnceToEverybodyAndSoIsItsEnd(t *testing.T) {
	t.Parallel()
	web, c := newShop(t), newChannels(t)
	s := newSite(t, "")
	s.configure(`
vantage {
  host = "spot"
  idc  = "gz1"
}
daemon {
  listen = "127.0.0.1:0"
}
influxdb {
  embedded = true
  port     = 0
}
` + linePlugin("telecom", "ct", web.URL+"/ct") + linePlugin("unicom", "cu", web.URL+"/cu") + linePlugin("mobile", "cm", web.URL+"/cm") +
		c.configure(s) + storyRoutes + `
alert "site_bad_over_telecom" {
  from  = "http_quality"
  where = isp == "ct"
  when  = ` + siteIsBad + storyAlert + `
}
alert "site_down" {
  from = "http_quality"
  when = !available || http_code >= 500` + storyQuorum + `
}
`)
	d := s.startReady()
	waitUntil(t, "all lines are seen", patience, func() bool {
		rows, err := s.query("SELECT count(up) FROM http_quality GROUP BY isp")
		return err == nil && len(rows) == 3
	})
	web.turn("ct", slowness, 0)
	waitUntil(t, "mail and robot have it", patience, func() bool { return len(c.mails()) > 0 && len(c.robot.told()) > 0 })
	// It is the third bad sample that made it fire, and nothing was said before.
	var fired *incident.Incident
	waitUntil(t, "the samples and the event are in InfluxDB", patience, func() bool {
		bad, err := s.query("SELECT total_time FROM http_quality WHERE isp = 'ct' AND total_time > 1 ORDER BY time LIMIT 3")
		event, err2 := s.query(`SELECT incident FROM records.alert_event WHERE alert = 'site_bad_over_telecom' AND "to" = 'firing'`)
		if err != nil || err2 != nil || len(bad) < 3 || len(event) == 0 {
			return false
		}
		third, _ := bad[2]["time"].Time()
		at, _ := event[0]["time"].Time()
		if len(event) != 1 || !at.Equal(third) {
			t.Errorf("it fired %d times, first at %s, and the third bad sample is of %s", len(event), at, third)
		}
		return true
	})
	fired = s.incidents("site_bad_over_telecom")[0]
	// Now the line fails altogether. That is one of three, and the site is not down.
	web.turn("ct", slowness, http.StatusServiceUnavailable)
	waitUntil(t, "the one on duty has it", patience, func() bool { return len(c.gateway.told()) > 0 })
	if after := c.gateway.told()[0].at.Sub(fired.Fired); after < escalation {
		t.Errorf("the one on duty was woken after %s, and should be after %s", after, escalation)
	}
	waitUntil(t, "the line fails", patience, func() bool {
		rows, err := s.query("SELECT count(up) FROM http_quality WHERE isp = 'ct' AND http_code = 503")
		return err == nil && len(rows) == 1 && rows[0]["count"].String() >= "3"
	})
	web.turn("ct", 0, 0)
	waitUntil(t, "it is over, and everybody was told", patience, func() bool { return s.quietAbout("site_bad_over_telecom") })
	c.wantStory()
	if all := s.incidents("site_down"); len(all) > 0 {
		t.Errorf("the site was down: %+v", all[0])
	}
	if all := s.incidents("site_bad_over_telecom"); len(all) != 1 {
		t.Errorf("there were %d incidents", len(all))
	}
	d.wantAttempts(3, 3)
	d.signal(syscall.SIGTERM)
	if code := d.exit(drainDeadline); code != 0 {
		t.Errorf("exit code %d", code)
	}
	c.wantStory()
}

// wantStory holds that each channel was told the beginning and the end of one incident, once.
func (c *channels) wantStory() {
	c.t.Helper()
	const summary = "电信线路：网上商城 异常"
	mails, robot, sms := about(c.mails(), summary), about(c.robot.told(), summary), about(c.gateway.told(), summary)
	wantTold(c.t, "mail", mails, "[告警] "+summary, "[恢复] "+summary)
	// Brackets would begin a link there.
	wantTold(c.t, "the robot", robot, "［告警］ "+summary, "［恢复］ "+summary)
	wantTold(c.t, "the gateway", sms, "13800000000", "13800000000")
	if c.t.Failed() {
		c.t.FailNow()
	}
	detail := "，连续 3 次"
	mails[0].contains(c.t, "mail", summary, "状态码 200，总耗时 1.", detail, "严重", "https://grafana.example.com/d/site?var-target=%E7%BD%91%E4%B8%8A%E5%95%86%E5%9F%8E")
	mails[1].contains(c.t, "mail", summary, "结束", "持续")
	robot[0].contains(c.t, "the robot", summary, "状态码 200，总耗时 1.", detail)
	robot[1].contains(c.t, "the robot", summary)
	sms[0].contains(c.t, "the gateway", "升级", summary)
	sms[1].contains(c.t, "the gateway", "恢复", summary)
	if robot[0].at.After(sms[0].at) {
		c.t.Error("the one on duty was woken before the robot said anything")
	}
}

// wantAttempts holds that each attempt to tell somebody is a point: so many firing or escalated, and so many resolved, all delivered.
func (d *daemon) wantAttempts(begun, ended int) {
	d.t.Helper()
	var got map[string]int
	waitUntil(d.t, "all attempts are in InfluxDB", patience, func() bool {
		rows, err := d.query("SELECT id, kind, outcome, attempt FROM records.notify_attempt")
		got = map[string]int{}
		for _, r := range rows {
			got[r["kind"].String()+" "+r["outcome"].String()]++
		}
		return err == nil && len(rows) >= begun+ended
	})
	if got["firing delivered"]+got["escalation delivered"] != begun || got["resolved delivered"] != ended || len(got) > 3 {
		d.t.Errorf("the attempts are %v", got)
	}
}

func TestACentralDaemonTellsOfALineWhatOthersHaveWrittenAndHoldsWhileInfluxDBIsAway(t *testing.T) {
	t.Parallel()
	web, c := newShop(t), newChannels(t)
	r := newRemoteInfluxDB(t)
	r.start()
	r.do("CREATE USER root WITH PASSWORD 'secret-of-root' WITH ALL PRIVILEGES")
	vantage := func(host, isp, rest string) *site {
		s := newSite(t, "")
		s.secrets = []string{"secret-of-root"}
		s.configure(fmt.Sprintf(`
vantage {
  host = %q
  isp  = %q
}
daemon {
  listen = "127.0.0.1:0"
}
influxdb {
  url    = %q
  token  = "root:secret-of-root"
  bucket = "quality/month"
}
`, host, isp, r.url) + rest)
		return s
	}
	central := vantage("central", "none", "")
	text, err := os.ReadFile(central.path("config.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	// The columns of a query have no units.
	unitless := strings.NewReplacer(`"1s"`, "1", `"750ms"`, "0.75")
	central.configure(string(text) + c.configure(central) + storyRoutes + `
alert "site_bad_over_telecom" {
  query {
    influxql = "SELECT available, http_code, total_time FROM http_quality WHERE isp = 'ct' AND time > now() - 1m GROUP BY target, app"
    every    = "1s"
  }
  when = ` + unitless.Replace(siteIsBad+storyAlert) + `
}
alert "site_down" {
  query {
    influxql = "SELECT available, http_code FROM http_quality WHERE time > now() - 1m GROUP BY target, app, isp"
    every    = "1s"
  }
  when = !available || http_code >= 500` + storyQuorum + `
}
`)
	for _, isp := range []string{"ct", "cu", "cm"} {
		vantage("spot-"+isp, isp, linePlugin("http-quality", "", web.URL+"/"+isp)).startReady()
	}
	d := central.startReady()
	waitUntil(t, "all lines are seen", patience, func() bool {
		rows, err := central.query("SELECT count(up) FROM http_quality GROUP BY isp")
		return err == nil && len(rows) == 3
	})
	web.turn("ct", slowness, 0)
	waitUntil(t, "mail and robot have it", patience, func() bool { return len(c.mails()) > 0 && len(c.robot.told()) > 0 })
	fired := central.incidents("site_bad_over_telecom")[0]
	waitUntil(t, "the event is in InfluxDB", patience, func() bool {
		bad, err := central.query("SELECT total_time FROM http_quality WHERE isp = 'ct' AND total_time > 1 ORDER BY time LIMIT 3")
		event, err2 := central.query(`SELECT incident, evaluator FROM records.alert_event WHERE alert = 'site_bad_over_telecom' AND "to" = 'firing'`)
		if err != nil || err2 != nil || len(bad) < 3 || len(event) == 0 {
			return false
		}
		third, _ := bad[2]["time"].Time()
		at, _ := event[0]["time"].Time()
		if len(event) != 1 || !at.Equal(third) || event[0]["evaluator"].String() != "central" {
			t.Errorf("it fired %d times, first at %s by %s, and the third bad sample is of %s", len(event), at, event[0]["evaluator"], third)
		}
		return true
	})
	waitUntil(t, "the one on duty has it", patience, func() bool { return len(c.gateway.told()) > 0 })

	// While InfluxDB is away the line is well again, and nobody can know.
	r.stop()
	web.turn("ct", 0, 0)
	waitUntil(t, "the alerts say that they can not judge", 5*time.Minute, func() bool { return len(about(c.mails(), "can not judge")) > 0 })
	if n := strings.Count(d.out.String(), "the query of an alert fails again and again"); n != 2 {
		t.Errorf("it is logged %d times that queries fail", n)
	}
	if now := central.incidents("site_bad_over_telecom"); len(now) != 1 || now[0].ID != fired.ID || !now[0].State.Open() {
		t.Errorf("while InfluxDB is away it is %+v", now)
	}
	if len(about(c.mails(), "电信线路")) != 1 || len(c.robot.told()) != 1 || len(c.gateway.told()) != 1 {
		t.Errorf("while InfluxDB was away people were told %v, %v, %v", c.mails(), c.robot.told(), c.gateway.told())
	}
	r.start()
	waitUntil(t, "it is over, and everybody was told", patience, func() bool {
		return central.quietAbout("site_bad_over_telecom") && len(central.incidents("site_down")) == 0
	})
	c.wantStory()

	// Two of three lines are the site, and then nobody hears of the line.
	web.turn("ct", 0, http.StatusBadGateway)
	web.turn("cm", 0, http.StatusBadGateway)
	waitUntil(t, "the site is down", patience, func() bool {
		return len(about(c.mails(), "shop 不可用：2/3 条线路失败")) == 1 && len(about(c.robot.told(), "shop 不可用：2/3 条线路失败")) == 1
	})
	waitUntil(t, "the line fires too", patience, func() bool { return len(central.incidents("site_bad_over_telecom")) == 2 })
	web.turn("ct", 0, 0)
	web.turn("cm", 0, 0)
	waitUntil(t, "all is well", patience, func() bool {
		return central.quietAbout("site_bad_over_telecom") && central.quietAbout("site_down")
	})
	c.wantStory()
	if n := len(about(c.mails(), "[恢复] shop 不可用")); n != 1 {
		t.Errorf("the end was told %d times", n)
	}
}
