//go:build influxdb2

package influx_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/port"
	"github.com/vedette-monitor/vedette/daemon/process"
)

const (
	org2   = "contract org"
	token2 = "contract-token"
)

// server2 is one InfluxDB 2 for all tests.
var server2 = sync.OnceValues(func() (string, error) {
	binary := os.Getenv("VEDETTE_INFLUXD2")
	if binary == "" {
		return "", fmt.Errorf("VEDETTE_INFLUXD2 does not name an influxd 2: run make test-influxdb2")
	}
	dir, err := os.MkdirTemp("", "influx2")
	if err != nil {
		return "", err
	}
	reserved, err := port.Reserve(0)
	if err != nil {
		return "", err
	}
	address := reserved.Address()
	cmd := exec.Command(binary, "run", "--http-bind-address", address, "--bolt-path", filepath.Join(dir, "bolt"),
		"--sqlite-path", filepath.Join(dir, "sqlite"), "--engine-path", filepath.Join(dir, "engine"), "--reporting-disabled", "--log-level", "error")
	cmd.Env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH")}
	cmd.Stderr = os.Stderr
	child, err := process.Start(cmd, syscall.SIGKILL)
	if err != nil {
		return "", err
	}
	atEnd = append(atEnd, func() {
		_ = child.Signal(syscall.SIGKILL)
		<-child.Done()
		_ = os.RemoveAll(dir)
	})
	base := "http://" + address
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		resp, err := http.Get(base + "/ready")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				break
			}
		}
		if time.Now().After(end) {
			return "", fmt.Errorf("influxd 2 does not come up: %v", err)
		}
	}
	_, err = ask2(base, http.MethodPost, "setup", map[string]any{
		"username": "root", "password": "contract-password", "org": org2, "bucket": "first", "token": token2})
	return base, err
})

// ask2 asks the API as the administrator.
func ask2(base, method, path string, send any) (map[string]any, error) {
	var body bytes.Buffer
	if send != nil {
		if err := json.NewEncoder(&body).Encode(send); err != nil {
			return nil, err
		}
	}
	request, err := http.NewRequest(method, base+"/api/v2/"+path, &body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Token "+token2)
	resp, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode/100 != 2 {
		return nil, fmt.Errorf("%s %s: %s: %s %w", method, path, resp.Status, text, err)
	}
	answer := map[string]any{}
	if len(text) > 0 {
		err = json.Unmarshal(text, &answer)
	}
	return answer, err
}

func contractServer(t testing.TB) contracted {
	t.Helper()
	base, err := server2()
	if err != nil {
		t.Fatal(err)
	}
	ask := func(t testing.TB, method, path string, send any) map[string]any {
		t.Helper()
		answer, err := ask2(base, method, path, send)
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	find := func(t testing.TB, name string) map[string]any {
		t.Helper()
		found, err := ask2(base, http.MethodGet, "buckets?name="+url.QueryEscape(name), nil)
		if err != nil {
			return nil
		}
		return found["buckets"].([]any)[0].(map[string]any)
	}
	org := ask(t, http.MethodGet, "orgs?org="+url.QueryEscape(org2), nil)["orgs"].([]any)[0].(map[string]any)["id"].(string)
	return contracted{
		url: base, token: token2, org: org2, version: "2.7.12",
		bucket: func(t testing.TB, name string, keep time.Duration) {
			t.Helper()
			ask(t, http.MethodPost, "buckets", map[string]any{"orgID": org, "name": name,
				"retentionRules": []any{map[string]any{"type": "expire", "everySeconds": int(keep / time.Second)}}})
		},
		drop: func(t testing.TB, name string) {
			t.Helper()
			for _, bucket := range []string{name, name + "/records"} {
				if found := find(t, bucket); found != nil {
					ask(t, http.MethodDelete, "buckets/"+found["id"].(string), nil)
				}
			}
		},
		retention: func(t testing.TB, name string) time.Duration {
			t.Helper()
			found := find(t, name)
			if found == nil {
				t.Fatalf("no bucket %s", name)
			}
			rule := found["retentionRules"].([]any)[0].(map[string]any)
			return time.Duration(rule["everySeconds"].(float64)) * time.Second
		},
		writeOnly: func(t testing.TB, name string) string {
			t.Helper()
			resource := map[string]any{"type": "buckets", "id": find(t, name)["id"], "orgID": org}
			made := ask(t, http.MethodPost, "authorizations", map[string]any{"orgID": org,
				"permissions": []any{map[string]any{"action": "write", "resource": resource}}})
			return made["token"].(string)
		},
	}
}
