package probe

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// curlSays is what curl's -w '%{json}' tells of its last transfer.
type curlSays struct {
	ExitCode      int     `json:"exitcode"`
	ErrorMsg      string  `json:"errormsg"`
	HTTPCode      int     `json:"http_code"`
	HTTPVersion   string  `json:"http_version"`
	SizeDownload  int64   `json:"size_download"`
	SizeHeader    int64   `json:"size_header"`
	SizeRequest   int64   `json:"size_request"`
	SpeedDownload int64   `json:"speed_download"`
	NumRedirects  int     `json:"num_redirects"`
	NumConnects   int     `json:"num_connects"`
	AppConnect    float64 `json:"time_appconnect"`
	Connect       float64 `json:"time_connect"`
	Redirect      float64 `json:"time_redirect"`
	StartTransfer float64 `json:"time_starttransfer"`
	Total         float64 `json:"time_total"`
}

func askCurl(t *testing.T, args ...string) curlSays {
	t.Helper()
	args = append([]string{
		"-q", "--silent", "--max-time", "10", "--output", "/dev/null", "--write-out", "%{json}\n",
		"--user-agent", DefaultUserAgent,
	}, args...)
	command := exec.Command("curl", args...)
	command.Env = []string{"PATH=" + os.Getenv("PATH")} // and no proxy
	out, err := command.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("curl (Debian's package curl) can not be run: %v", err)
	}
	var says curlSays
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	if err := json.Unmarshal(lines[len(lines)-1], &says); err != nil {
		t.Fatalf("curl said %q: %v", out, err)
	}
	return says
}

// compare compares codes, sizes and counts.
func compare(t *testing.T, res Result, want curlSays) {
	t.Helper()
	got := res.Curl()
	for _, n := range []struct {
		name      string
		got, want int64
	}{
		{"http_code", int64(got.HTTPCode), int64(want.HTTPCode)},
		{"size_download", got.SizeDownload, want.SizeDownload},
		{"size_header", got.SizeHeader, want.SizeHeader},
		{"size_request", got.SizeRequest, want.SizeRequest},
		{"num_redirects", int64(got.NumRedirects), int64(want.NumRedirects)},
		{"num_connects", int64(got.NumConnects), int64(want.NumConnects)},
	} {
		if n.got != n.want {
			t.Errorf("%s is %d, curl's %d", n.name, n.got, n.want)
		}
	}
	// curl says 1 for 1.0, and 0 where there is none.
	if v := res.Last().HTTPVersion; v != want.HTTPVersion && v != want.HTTPVersion+".0" && (v != "" || want.HTTPVersion != "0") {
		t.Errorf("http_version is %s, curl's %s", v, want.HTTPVersion)
	}
}

func TestNumbersEqualThoseOfCurl(t *testing.T) {
	leavesNothing(t)
	ca := newAuthority(t)
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(bundle, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	var home, secureHome string
	page := bytes.Repeat([]byte("0123456789abcdef"), 1<<14)
	answers := func(path string) []byte {
		switch path {
		case "/short":
			return []byte(okAnswer)
		case "/long":
			return append(fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(page)), page...)
		case "/close":
			return append([]byte("HTTP/1.0 200 OK\r\n\r\n"), page...)
		case "/chunked":
			return []byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;ext=1\r\nhello\r\n00A\r\n0123456789\r\n0\r\nX-Trailer: some\r\n\r\n")
		case "/gzip":
			return []byte("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\nnot\x1fgzip!")
		case "/interim":
			return []byte("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + okAnswer)
		case "/folded":
			return []byte("HTTP/1.1 200 OK\r\nX-A: a\r\n  b\r\n\tc\r\nContent-Length: 2\r\n\r\nhi")
		case "/linefeed":
			return []byte("HTTP/1.1 200 OK\nContent-Length: 2\n\nhi")
		case "/none":
			return []byte("HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n")
		case "/unmodified":
			return []byte("HTTP/1.1 304 Not Modified\r\nContent-Length: 200\r\n\r\n")
		case "/error":
			return []byte("HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops")
		case "/cut":
			return []byte("HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\noops")
		case "/near":
			return []byte("HTTP/1.1 302 Found\r\nLocation: ../short?from=near\r\nContent-Length: 4\r\nConnection: close\r\n\r\ngone")
		case "/whole":
			return []byte("HTTP/1.1 301 Moved\r\nLocation: " + home + "/short\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		case "/secure":
			return []byte("HTTP/1.1 307 Moved\r\nLocation: " + secureHome + "/chunked\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		case "/loop":
			return []byte("HTTP/1.1 302 Found\r\nLocation: /loop\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		}
		return []byte("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
	}
	serve := func(conn net.Conn) {
		head, _, ok := readRequest(conn)
		if !ok {
			return
		}
		path, _, _ := strings.Cut(strings.Fields(head)[1], "?")
		answer := answers(path)
		if strings.HasPrefix(head, "HEAD ") {
			answer = answer[:bytes.Index(answer, []byte("\r\n\r\n"))+4]
		}
		conn.Write(answer)
	}
	home = "http://" + listen(t, "127.0.0.1:0", serve).String()
	secureHome = "https://" + secureServer(t, serverConfig(t, ca, nil), serve).String()
	withUser := strings.Replace(home, "//", "//us%20er:p%40ss@", 1)

	for _, c := range []struct {
		name   string
		url    string
		curl   []string
		target Target
	}{
		{"short", home + "/short", nil, Target{}},
		{"root", home, nil, Target{}},
		{"query and fragment", home + "/short?a=b&c=%20d#e", nil, Target{}},
		{"long", home + "/long", nil, Target{}},
		{"until close", home + "/close", nil, Target{}},
		{"chunked with a trailer", home + "/chunked", nil, Target{}},
		{"encoded", home + "/gzip", nil, Target{}},
		{"interim", home + "/interim", nil, Target{}},
		{"folded", home + "/folded", nil, Target{}},
		{"linefeed", home + "/linefeed", nil, Target{}},
		{"none", home + "/none", nil, Target{}},
		{"unmodified", home + "/unmodified", nil, Target{}},
		{"error", home + "/error", nil, Target{}},
		{"cut", home + "/cut", nil, Target{}},
		{"head", home + "/long", []string{"--head"}, Target{Method: "HEAD"}},
		{"post", home + "/short", []string{"--data-binary", "a=b", "--header", "Content-Type: text/x"},
			Target{Method: "POST", Body: []byte("a=b"), Header: []Field{{"Content-Type", "text/x"}}}},
		{"post of nothing", home + "/short", []string{"--data-binary", "", "--header", "Content-Type: text/x"},
			Target{Method: "POST", Header: []Field{{"Content-Type", "text/x"}}}},
		{"headers", home + "/short", []string{"--header", "X-A: 1", "--header", "accept: text/html", "--header", "Host: shop.vedette.test"},
			Target{Header: []Field{{"X-A", "1"}, {"accept", "text/html"}, {"Host", "shop.vedette.test"}}}},
		{"headers taken away", home + "/short", []string{"--header", "User-Agent:", "--header", "Accept:"},
			Target{Header: []Field{{"User-Agent", ""}, {"Accept", ""}}}},
		{"user", withUser + "/short", nil, Target{}},
		{"user and a redirect to the same place", withUser + "/whole", []string{"--location"}, Target{MaxRedirects: 5}},
		{"not followed", home + "/near", nil, Target{}},
		{"relative redirect", home + "/near", []string{"--location"}, Target{MaxRedirects: 5}},
		{"user and a relative redirect", withUser + "/near", []string{"--location"}, Target{MaxRedirects: 5}},
		{"post and a redirect", home + "/whole", []string{"--location", "--data-binary", "abc", "--header", "Content-Type:"},
			Target{MaxRedirects: 5, Method: "POST", Body: []byte("abc")}},
		{"redirect to https", home + "/secure", []string{"--location"}, Target{MaxRedirects: 5}},
		{"credentials and a redirect to https", withUser + "/secure", []string{"--location", "--header", "Cookie: a=b"},
			Target{MaxRedirects: 5, Header: []Field{{"Cookie", "a=b"}}}},
		{"loop", home + "/loop", []string{"--location", "--max-redirs", "4"}, Target{MaxRedirects: 4}},
		{"https", secureHome + "/long", nil, Target{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := askCurl(t, append(c.curl, "--http1.1", "--cacert", bundle, c.url)...)
			c.target.URL, c.target.RootCAs = parseURL(t, c.url), ca.pool
			res := runTarget(t, c.target)
			got := res.Curl()
			if failed := res.Outcome == OutcomeReceive || res.Outcome == OutcomeRedirect; failed != (want.ExitCode != 0) {
				t.Errorf("outcome %s (%v), curl's exit code %d (%s)", res.Outcome, res.Err, want.ExitCode, want.ErrorMsg)
			}
			compare(t, res, want)
			// Times are not equal; whether there are any is.
			if got.AppConnect.Reached != (want.AppConnect > 0) || got.Redirect.Reached != (want.Redirect > 0) ||
				got.Connect.Reached != (want.Connect > 0) || got.StartTransfer.Reached != (want.StartTransfer > 0) {
				t.Errorf("%+v, curl's %+v", got, want)
			}
			if speed := int64(float64(want.SizeDownload) / want.Total); want.SpeedDownload-speed > 1+speed/1000 {
				t.Errorf("curl's own speed is %d, and by our definition %d", want.SpeedDownload, speed)
			}
		})
	}
}
