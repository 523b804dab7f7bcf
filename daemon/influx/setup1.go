package influx

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Setup1 makes databases, retention policies and users on an InfluxDB 1.x, with an administrator's token. All that it
// does can be repeated: what is there as wanted stays untouched.
type Setup1 struct{ reader *Reader }

// NewSetup1 checks address and token; it sends nothing. Of the options it uses URL, Socket and Token.
func NewSetup1(o ReaderOptions) (*Setup1, error) {
	reader, err := NewReader(ReaderOptions{URL: o.URL, Socket: o.Socket, Token: o.Token})
	if err != nil {
		return nil, err
	}
	return &Setup1{reader}, nil
}

// Close closes idle connections.
func (s *Setup1) Close() { s.reader.Close() }

// RetentionPolicy is a named part of a database whose points are deleted when they are older than Duration.
type RetentionPolicy struct {
	Name     string
	Duration time.Duration // 0 keeps them for ever; otherwise at least an hour
	Shard    time.Duration // how much time one shard covers; 0 lets it follow from Duration
	Default  bool          // used where a query or a write names none
}

// shard follows InfluxDB's own rule, which it applies only when it creates a policy, not when it alters one.
func (p RetentionPolicy) shard() time.Duration {
	const day = 24 * time.Hour
	switch {
	case p.Shard != 0:
		return p.Shard
	case p.Duration == 0 || p.Duration > 180*day:
		return 7 * day
	case p.Duration >= 2*day:
		return day
	}
	return time.Hour
}

// Database creates a database if it is not there, and brings each of the policies to what is wanted. InfluxDB creates
// the policy autogen itself. Shortening a policy deletes points; policies that are not named stay as they are.
func (s *Setup1) Database(ctx context.Context, name string, policies ...RetentionPolicy) error {
	for _, p := range policies {
		if p.Duration != 0 && p.Duration < time.Hour {
			return fmt.Errorf("retention policy %q of database %q: %s is too short; InfluxDB keeps points at least 1h, "+
				"or for ever with 0", p.Name, name, p.Duration)
		}
	}
	if _, err := s.reader.Query(ctx, "CREATE DATABASE "+QuoteName(name)); err != nil {
		return fmt.Errorf("create database %q: %w", name, err)
	}
	for _, p := range policies {
		if err := s.policy(ctx, name, p); err != nil {
			return fmt.Errorf("set retention policy %q of database %q: %w", p.Name, name, err)
		}
	}
	return nil
}

func (s *Setup1) policy(ctx context.Context, database string, want RetentionPolicy) error {
	have, err := s.policies(ctx, database)
	if err != nil {
		return err
	}
	want.Shard = want.shard()
	verb := "CREATE"
	if p, ok := have[want.Name]; ok {
		if p.Duration == want.Duration && p.Shard == want.Shard && (p.Default || !want.Default) {
			return nil
		}
		verb = "ALTER"
	}
	_, err = s.reader.Query(ctx, want.statement(verb, database))
	return err
}

// statement creates or alters the policy.
func (p RetentionPolicy) statement(verb, database string) string {
	statement := fmt.Sprintf("%s RETENTION POLICY %s ON %s DURATION %s REPLICATION 1 SHARD DURATION %s",
		verb, QuoteName(p.Name), QuoteName(database), duration(p.Duration), duration(p.shard()))
	if p.Default {
		statement += " DEFAULT"
	}
	return statement
}

func (s *Setup1) policies(ctx context.Context, database string) (map[string]RetentionPolicy, error) {
	tables, err := s.reader.Query(ctx, "SHOW RETENTION POLICIES ON "+QuoteName(database))
	if err != nil {
		return nil, err
	}
	have := map[string]RetentionPolicy{}
	for _, table := range tables {
		for _, row := range table.Rows {
			var p RetentionPolicy
			for i, column := range table.Columns {
				var err error
				switch column {
				case "name":
					p.Name = row[i].String()
				case "duration":
					p.Duration, err = time.ParseDuration(row[i].String())
				case "shardGroupDuration":
					p.Shard, err = time.ParseDuration(row[i].String())
				case "default":
					p.Default, _ = row[i].Bool()
				}
				if err != nil {
					return nil, fmt.Errorf("understand the %s of retention policy %q: %w", column, p.Name, err)
				}
			}
			have[p.Name] = p
		}
	}
	return have, nil
}

// Admin creates an administrator. The first one of a server is created without any authority, which is how a server
// with authentication begins; later ones with that of the token.
func (s *Setup1) Admin(ctx context.Context, name, password string) error {
	_, err := s.reader.Query(ctx, createUser(name, password)+" WITH ALL PRIVILEGES")
	if err != nil {
		return fmt.Errorf("create administrator %q: %w", name, err)
	}
	return nil
}

// Privilege is what a user may do in one database.
type Privilege string

// The privileges of InfluxDB 1.x.
const (
	Read  Privilege = "READ"
	Write Privilege = "WRITE"
	All   Privilege = "ALL"
)

// User creates a user that is no administrator, gives it this password if it has another, and grants the privilege on
// the database.
func (s *Setup1) User(ctx context.Context, name, password string, p Privilege, database string) error {
	_, err := s.reader.Query(ctx, createUser(name, password))
	var refused *QueryError
	if errors.As(err, &refused) && refused.Status == http.StatusOK && refused.Message == "user already exists" {
		_, err = s.reader.Query(ctx, "SET PASSWORD FOR "+QuoteName(name)+" = "+QuoteText(password))
	}
	if err != nil {
		return fmt.Errorf("create user %q: %w", name, err)
	}
	return s.Grant(ctx, p, database, name)
}

// Grant lets a user do something in a database.
func (s *Setup1) Grant(ctx context.Context, p Privilege, database, name string) error {
	statement := fmt.Sprintf("GRANT %s ON %s TO %s", p, QuoteName(database), QuoteName(name))
	if _, err := s.reader.Query(ctx, statement); err != nil {
		return fmt.Errorf("grant %s on database %q to user %q: %w", p, database, name, err)
	}
	return nil
}

// RemoveUser removes a user.
func (s *Setup1) RemoveUser(ctx context.Context, name string) error {
	if _, err := s.reader.Query(ctx, "DROP USER "+QuoteName(name)); err != nil {
		return fmt.Errorf("remove user %q: %w", name, err)
	}
	return nil
}

// UserInfo is a user and what it may do.
type UserInfo struct {
	Name          string            `json:"name"`
	Administrator bool              `json:"administrator"`
	Privileges    map[string]string `json:"privileges"` // by database, in InfluxDB's words
}

// Users lists the users.
func (s *Setup1) Users(ctx context.Context) ([]UserInfo, error) {
	tables, err := s.reader.Query(ctx, "SHOW USERS")
	if err != nil {
		return nil, fmt.Errorf("list users: %w", err)
	}
	var users []UserInfo
	for _, table := range tables {
		for _, row := range table.Rows {
			user := UserInfo{Name: row[0].String(), Privileges: map[string]string{}}
			user.Administrator, _ = row[1].Bool()
			grants, err := s.reader.Query(ctx, "SHOW GRANTS FOR "+QuoteName(user.Name))
			if err != nil {
				return nil, fmt.Errorf("list the privileges of user %q: %w", user.Name, err)
			}
			for _, grant := range grants {
				for _, row := range grant.Rows {
					user.Privileges[row[0].String()] = row[1].String()
				}
			}
			users = append(users, user)
		}
	}
	return users, nil
}

// Databases lists the databases.
func (s *Setup1) Databases(ctx context.Context) ([]string, error) {
	tables, err := s.reader.Query(ctx, "SHOW DATABASES")
	if err != nil {
		return nil, fmt.Errorf("list databases: %w", err)
	}
	var names []string
	for _, table := range tables {
		for _, row := range table.Rows {
			names = append(names, row[0].String())
		}
	}
	return names, nil
}

// RemoveDatabase removes a database with all of its points, if it is there.
func (s *Setup1) RemoveDatabase(ctx context.Context, name string) error {
	if _, err := s.reader.Query(ctx, DropDatabase(name)); err != nil {
		return fmt.Errorf("remove database %q: %w", name, err)
	}
	return nil
}

// DropDatabase is the statement that removes a database.
func DropDatabase(name string) string { return "DROP DATABASE " + QuoteName(name) }

// KeepForEver lets no retention policy of a database delete points.
func (s *Setup1) KeepForEver(ctx context.Context, database string) error {
	policies, err := s.policies(ctx, database)
	if err != nil {
		return fmt.Errorf("list the retention policies of database %q: %w", database, err)
	}
	for name := range policies {
		statement := fmt.Sprintf("ALTER RETENTION POLICY %s ON %s DURATION 0s", QuoteName(name), QuoteName(database))
		if _, err := s.reader.Query(ctx, statement); err != nil {
			return fmt.Errorf("keep the points of retention policy %q of database %q: %w", name, database, err)
		}
	}
	return nil
}

func createUser(name, password string) string {
	return "CREATE USER " + QuoteName(name) + " WITH PASSWORD " + QuoteText(password)
}

// duration writes d for InfluxQL, which reads whole units only and takes 0s for ever.
func duration(d time.Duration) string { return fmt.Sprintf("%ds", int64(d/time.Second)) }
