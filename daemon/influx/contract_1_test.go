//go:build !influxdb2

package influx_test

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/influx"
)

// contractServer is the InfluxDB 1.8 of all tests.
func contractServer(t testing.TB) contracted {
	credentials := server.Credentials()
	c := contracted{url: credentials.URL, token: credentials.Admin.Token(), version: "1.8.3"}
	c.bucket = func(t testing.TB, name string, keep time.Duration) {
		t.Helper()
		policy := influx.RetentionPolicy{Name: "autogen", Duration: keep, Default: true}
		if err := setup(t).Database(limited(t), name, policy); err != nil {
			t.Fatal(err)
		}
	}
	c.drop = func(t testing.TB, name string) {
		t.Helper()
		c.query(t, "", fmt.Sprintf("DROP DATABASE %q", name))
	}
	c.retention = func(t testing.TB, name string) time.Duration {
		t.Helper()
		database, policy, named := strings.Cut(name, "/")
		if !named {
			policy = "autogen"
		}
		for _, row := range c.query(t, "", fmt.Sprintf("SHOW RETENTION POLICIES ON %q", database))[0].Rows {
			if row[0].String() == policy {
				keep, err := time.ParseDuration(row[1].String())
				if err != nil {
					t.Fatal(err)
				}
				return keep
			}
		}
		t.Fatalf("no policy %s", name)
		return 0
	}
	c.writeOnly = func(t testing.TB, name string) string {
		t.Helper()
		user, password := unique(), rand.Text()
		if err := setup(t).User(limited(t), user, password, influx.Write, name); err != nil {
			t.Fatal(err)
		}
		return user + ":" + password
	}
	return c
}
