package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/plugins/alert-notifier/bed"
	"github.com/vedette-monitor/vedette/plugins/alert-notifier/markup/markuptest"
	"github.com/vedette-monitor/vedette/sdk"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// rsyslog is a real receiver of syslog over UDP and TCP, which writes what it gets into a file.
type rsyslog struct{ address, file string }

func startRsyslog(t *testing.T) *rsyslog {
	t.Helper()
	dir, port := t.TempDir(), bed.FreePort(t)
	r := &rsyslog{"127.0.0.1:" + port, filepath.Join(dir, "out")}
	config := filepath.Join(dir, "rsyslog.conf")
	text := fmt.Sprintf(`global(workDirectory=%q)
module(load="imudp")
module(load="imtcp")
input(type="imudp" address="127.0.0.1" port=%q)
input(type="imtcp" address="127.0.0.1" port=%q)
template(name="all" type="string" string="%%pri%%|%%timegenerated%%|%%hostname%%|%%app-name%%|%%msgid%%|%%structured-data%%|%%msg%%\n")
action(type="omfile" file=%q template="all")
`, dir, port, port, r.file)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/usr/sbin/rsyslogd", "-n", "-f", config, "-i", filepath.Join(dir, "pid"))
	bed.Serve(t, cmd, func() bool { return bed.Listens(r.address) })
	return r
}

// lines waits for so many, of those that are ours.
func (r *rsyslog) lines(t *testing.T, count int) []string {
	t.Helper()
	var ours []string
	until(t, fmt.Sprintf("rsyslog has written %d lines", count), func() bool {
		content, _ := os.ReadFile(r.file)
		ours = nil
		for line := range strings.Lines(string(content)) {
			if strings.Contains(line, "|vedette|") {
				ours = append(ours, strings.TrimSuffix(line, "\n"))
			}
		}
		return len(ours) >= count
	})
	if len(ours) > count {
		t.Fatalf("rsyslog has written %d lines, and not %d", len(ours), count)
	}
	return ours
}

func TestSyslogArrivesAsItWasMeant(t *testing.T) {
	r := startRsyslog(t)
	n := firing()
	n.Title = "电信线路慢"
	n.Alerts[0].Name = `quote " ] \ bracket`
	n.Alerts[0].Summary = "电信线路 👨‍👩‍👧\r\n<13>1 - - forged - - - line"
	n.Alerts = append(n.Alerts, &sdk.Alert{Name: "b", Severity: "warning", State: wire.Kind_KIND_RESOLVED, Summary: "second"})
	count := 0
	for _, protocol := range []string{"tcp", "udp"} {
		c := open(t, "syslog", object{"address": r.address, "protocol": protocol, "facility": "local3", "hostname": "mon itor\n1"})
		if d := c.Check(within(t, patience)); d.Outcome != sdk.Delivered {
			t.Errorf("%s: the check is %+v", protocol, d)
		}
		if d := c.one(t, n); d.Outcome != sdk.Delivered || d.Recipient != r.address {
			t.Errorf("%s: it is %+v", protocol, d)
		}
		count += 2
		lines := r.lines(t, count)[count-2:]
		for i, want := range []string{
			`^154\|[^|]+\|monitor1\|vedette\|FIRING\|\[vedette@32473 id="n-1" kind="firing" incident="INC1" alert="quote \\" \\] \\\\ bracket" severity="critical"\]\| ?\[FIRING\] 电信线路慢 \| \* FIRING critical: 电信线路 👨‍👩‍👧 <13>1 - - forged - - - line .*Values: ▁▁███ 2\.5`,
			`^157\|[^|]+\|monitor1\|vedette\|FIRING\|\[vedette@32473 id="n-1" kind="firing" alert="b" severity="warning"\]\| ?\[FIRING\] 电信线路慢 \| \* RESOLVED warning: second Labels: alert=b$`,
		} {
			if !regexp.MustCompile(want).MatchString(lines[i]) {
				t.Errorf("%s: rsyslog has\n%s\nand should have\n%s", protocol, lines[i], want)
			}
		}
	}
}

func TestOverTLSTheReceiverIsKnown(t *testing.T) {
	dir := t.TempDir()
	ca := bed.Certificate(t, dir, "server", "127.0.0.1")
	other := bed.Certificate(t, dir, "other", "127.0.0.1")
	pair, err := tls.LoadX509KeyPair(ca, filepath.Join(dir, "server.key"))
	if err != nil {
		t.Fatal(err)
	}
	frames := make(chan string, 10)
	address := listen(t, func(conn net.Conn) {
		secure := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{pair}})
		b := bufio.NewReader(secure)
		for {
			size, err := b.ReadString(' ')
			if err != nil {
				_ = secure.Close()
				return
			}
			n, err := strconv.Atoi(strings.TrimSpace(size))
			if err != nil {
				return
			}
			frame := make([]byte, n)
			if _, err := io.ReadFull(b, frame); err != nil {
				return
			}
			frames <- string(frame)
		}
	})
	d := open(t, "syslog", object{"address": address, "protocol": "tls", "ca_file": ca}).one(t, firing())
	if d.Outcome != sdk.Delivered {
		t.Errorf("it is %+v", d)
	}
	if frame := <-frames; !strings.HasPrefix(frame, "<26>1 ") || !strings.Contains(frame, "[FIRING] shop is slow") {
		t.Errorf("what arrived is %q", frame)
	}
	if d := open(t, "syslog", object{"address": address, "protocol": "tls", "ca_file": other}).one(t, firing()); d.Outcome != sdk.PermanentConfig || d.Code != "certificate" {
		t.Errorf("with another certificate it is %+v", d)
	}
}

func TestAReceiverOfSyslogThatFailsIsTold(t *testing.T) {
	closed := "127.0.0.1:" + bed.FreePort(t)
	for protocol, want := range map[string]sdk.Outcome{"tcp": sdk.Temporary, "udp": sdk.Temporary} {
		if d := open(t, "syslog", object{"address": closed, "protocol": protocol}).one(t, firing()); d.Outcome != want {
			t.Errorf("%s: a closed port is %+v", protocol, d)
		}
	}
	reset := listen(t, func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 10))
		_ = conn.(*net.TCPConn).SetLinger(0)
	})
	if d := open(t, "syslog", object{"address": reset}).one(t, firing()); d.Outcome != sdk.Unknown {
		t.Errorf("a reset is %+v", d)
	}
	// One that takes a connection and nothing from it, until the buffers are full.
	deaf := listen(t, func(net.Conn) { <-t.Context().Done() })
	c := &syslog{syslogConfig: syslogConfig{Address: deaf, Protocol: "tcp"}}
	if d := c.send(within(t, time.Second), []line{{text: strings.Repeat("x", 32<<20)}}); d.Outcome != sdk.Unknown || d.Code != "timeout" {
		t.Errorf("a receiver that reads nothing is %+v", d)
	}
}

func TestAMessageOfSyslogHasOneLineAndItsLength(t *testing.T) {
	for _, text := range markuptest.Corpus {
		for protocol, most := range map[string]int{"udp": maxDatagram, "tcp": maxFrame} {
			n := firing()
			n.Id, n.Title = text, text
			n.Alerts[0].Name, n.Alerts[0].Summary, n.Alerts[0].Incident, n.Alerts[0].Severity = text, text, text, text
			n.Alerts[0].Detail = text + "\n" + text
			frames := make(chan string, 10)
			var address string
			if protocol == "tcp" {
				address = listen(t, func(conn net.Conn) {
					all, _ := io.ReadAll(conn)
					frames <- string(all)
				})
			} else {
				conn, err := net.ListenPacket("udp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = conn.Close() }()
				address = conn.LocalAddr().String()
				go func() {
					buffer := make([]byte, 65536)
					n, _, _ := conn.ReadFrom(buffer)
					frames <- string(buffer[:n])
				}()
			}
			if d := open(t, "syslog", object{"address": address, "protocol": protocol}).one(t, n); d.Outcome != sdk.Delivered {
				t.Errorf("%.30q: it is %+v", text, d)
			}
			frame := <-frames
			if protocol == "tcp" {
				size, rest, _ := strings.Cut(frame, " ")
				if strconv.Itoa(len(rest)) != size {
					t.Errorf("%.30q: the frame says %s and has %d", text, size, len(rest))
				}
				frame = rest
			}
			if len(frame) > most || strings.Contains(frame, "\n") || markuptest.Clean(frame) != nil || !regexp.MustCompile(`^<\d+>1 \S+ \S+ vedette \d+ FIRING \[vedette@32473( [a-z]+="([^"\\\]]|\\["\\\]])*")*\] \[FIRING`).MatchString(frame) {
				t.Errorf("%.30q: over %s it is %d bytes: %.600q", text, protocol, len(frame), frame)
			}
		}
	}
}
