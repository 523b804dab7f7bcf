package influx

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// defaultPolicy is the retention policy that 1.x makes with a database.
const defaultPolicy = "autogen"

// wanted1 is the database of a bucket's name, and the policies that it shall have.
func (o SetupOptions) wanted1() (database string, wanted []RetentionPolicy) {
	database, policy, named := strings.Cut(o.Bucket, "/")
	raw := RetentionPolicy{Name: policy, Duration: o.Retention}
	if !named {
		raw.Name, raw.Default = defaultPolicy, true
	}
	if raw.Name == recordsPolicy {
		return database, []RetentionPolicy{raw}
	}
	return database, []RetentionPolicy{raw, {Name: recordsPolicy, Duration: o.RecordsRetention}}
}

func (s *Setup) prepare1(ctx context.Context, report *Report) error {
	reader, err := NewReader(ReaderOptions{URL: s.options.URL, Socket: s.options.Socket, Token: s.options.Token})
	if err != nil {
		return err
	}
	defer reader.Close()
	do := func(statement string) error {
		_, err := reader.Query(ctx, statement)
		if isForbidden(err) {
			report.Needed = append(report.Needed, statement)
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
		return nil
	}
	database, wanted := s.options.wanted1()
	have, err := (&Setup1{reader}).policies(ctx, database)
	switch {
	case isForbidden(err):
		// Whoever may only write may not look either: it is well unless a write says otherwise.
		if s.isMissing(Points) || len(wanted) == 1 && s.isMissing(Records) {
			report.Needed = append(report.Needed, createDatabase(database, wanted[0]))
		}
		if len(wanted) > 1 && s.isMissing(Records) {
			report.Needed = append(report.Needed, wanted[1].statement("CREATE", database))
		}
		return nil
	case isMissingDatabase(err):
		if err = do(createDatabase(database, wanted[0])); err != nil {
			return err
		}
		have = map[string]RetentionPolicy{wanted[0].Name: wanted[0]}
	case err != nil:
		return err
	}
	for _, p := range wanted {
		there, ok := have[p.Name]
		switch {
		case !ok:
			err = do(p.statement("CREATE", database))
		case there.Duration == p.Duration:
		case s.options.Rule:
			err = do(p.statement("ALTER", database))
		default:
			report.Differences = append(report.Differences, fmt.Sprintf(
				"retention policy %q of database %q keeps points %s, the configuration says %s; to change it: %s",
				p.Name, database, keeps(there.Duration), keeps(p.Duration), p.statement("ALTER", database)))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// isMissing says whether an answer to a write of a lane has told that something is not there.
func (s *Setup) isMissing(lane Lane) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.missing[lane]
}

// createDatabase makes database and policy at once, so that no crash in between leaves the policy without its duration.
func createDatabase(name string, p RetentionPolicy) string {
	return fmt.Sprintf("CREATE DATABASE %s WITH DURATION %s REPLICATION 1 SHARD DURATION %s NAME %s",
		QuoteName(name), duration(p.Duration), duration(p.shard()), QuoteName(p.Name))
}

func isForbidden(err error) bool {
	var refused *QueryError
	return errors.As(err, &refused) && refused.Status == http.StatusForbidden
}

func isMissingDatabase(err error) bool {
	var refused *QueryError
	return errors.As(err, &refused) && strings.HasPrefix(refused.Message, "database not found")
}
