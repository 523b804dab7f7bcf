package embedded

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/vedette-monitor/vedette/daemon/influx"
)

// step is one thing that a running InfluxDB needs. Each may find its work done already, by a start that got further.
type step struct {
	name string
	do   func(context.Context, *influx.Setup1) error
}

func steps(c Credentials, retention, records time.Duration) []step {
	return []step{
		{"administrator", func(ctx context.Context, s *influx.Setup1) error {
			return s.Admin(ctx, c.Admin.Name, c.Admin.Password)
		}},
		{"database", func(ctx context.Context, s *influx.Setup1) error {
			return s.Database(ctx, c.Database)
		}},
		{"retention", func(ctx context.Context, s *influx.Setup1) error {
			return s.Database(ctx, c.Database, influx.RetentionPolicy{Name: Policy, Duration: retention, Default: true})
		}},
		{"records", func(ctx context.Context, s *influx.Setup1) error {
			_, target := influx.Targets(c.Database)
			_, policy, _ := strings.Cut(target.Bucket, "/")
			return s.Database(ctx, c.Database, influx.RetentionPolicy{Name: policy, Duration: records})
		}},
		{"writer", func(ctx context.Context, s *influx.Setup1) error {
			return s.User(ctx, c.Writer.Name, c.Writer.Password, influx.Write, c.Database)
		}},
		{"reader", func(ctx context.Context, s *influx.Setup1) error {
			return s.User(ctx, c.Reader.Name, c.Reader.Password, influx.Read, c.Database)
		}},
	}
}

// provision brings InfluxDB to what the daemon needs. done is told each step.
func provision(ctx context.Context, c Credentials, retention, records time.Duration, done func(step string)) error {
	setup, err := influx.NewSetup1(influx.ReaderOptions{URL: c.URL, Socket: c.Socket, Token: c.Admin.Token()})
	if err != nil {
		return err
	}
	defer setup.Close()
	for _, step := range steps(c, retention, records) {
		if err := step.do(ctx, setup); err != nil {
			err = fmt.Errorf("set up the embedded InfluxDB: %w", err)
			var refused *influx.QueryError
			if errors.As(err, &refused) && refused.Status == http.StatusUnauthorized {
				return unmendable{fmt.Errorf("%w: InfluxDB has other passwords than %s: restore the file that belongs to "+
					"this database", err, credentialsFile)}
			}
			return err
		}
		done(step.name)
	}
	return nil
}

// unmendable is a failure that no further try will change.
type unmendable struct{ error }

func (u unmendable) Unwrap() error { return u.error }
