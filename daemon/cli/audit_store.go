package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/vedette-monitor/vedette/daemon/app"
	"github.com/vedette-monitor/vedette/daemon/config"
	"github.com/vedette-monitor/vedette/daemon/console"
	"github.com/vedette-monitor/vedette/daemon/influx"
)

// The measurements of the audit.
const (
	commandsMeasurement = "shell_command"
	eventsMeasurement   = "shell_event"
	chainMeasurement    = "shell_chain"
)

// auditStore reads rows of the audit from InfluxDB.
type auditStore struct {
	cfg    *config.Config
	reader *influx.Reader
	tags   map[string][]string // the tags of each measurement
}

func openAuditStore(cfg *config.Config) (*auditStore, error) {
	_, records := influx.Targets(app.Bucket(cfg))
	database, policy, _ := strings.Cut(records.Bucket, "/")
	reader, err := app.NewReaderOf(cfg, app.AsReader, database, policy)
	if err != nil {
		return nil, err
	}
	return &auditStore{cfg: cfg, reader: reader, tags: map[string][]string{}}, nil
}

func (s *auditStore) Close() { s.reader.Close() }

func (s *auditStore) query(ctx context.Context, q string) ([]influx.Series, error) {
	series, err := s.reader.Query(ctx, q)
	if err != nil {
		return nil, app.Explain(s.cfg, err)
	}
	return series, nil
}

// rows asks for rows, and returns them in the order of the answer. An answer does not say what is a tag and what a field.
func (s *auditStore) rows(ctx context.Context, q string) ([]console.LivePoint, error) {
	series, err := s.query(ctx, q)
	if err != nil {
		return nil, err
	}
	var rows []console.LivePoint
	for _, one := range series {
		tags, err := s.tagsOf(ctx, one.Name)
		if err != nil {
			return nil, err
		}
		for _, values := range one.Rows {
			row := console.LivePoint{Measurement: one.Name, Tags: map[string]string{}, Fields: map[string]any{}}
			for i, v := range values {
				name := one.Columns[i]
				switch text, isText := v.Text(); {
				case v.IsNull():
				case name == "time":
					if row.Time, isText = v.Time(); !isText {
						return nil, fmt.Errorf("InfluxDB says that %.40q is a time", v.String())
					}
				case isText && slices.Contains(tags, name):
					row.Tags[name] = text
				default:
					row.Fields[name] = v
				}
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}

func (s *auditStore) tagsOf(ctx context.Context, measurement string) ([]string, error) {
	if tags, ok := s.tags[measurement]; ok {
		return tags, nil
	}
	series, err := s.query(ctx, "SHOW TAG KEYS FROM "+influx.QuoteName(measurement))
	if err != nil {
		return nil, err
	}
	var tags []string
	for _, one := range series {
		for _, row := range one.Rows {
			tags = append(tags, row[0].String())
		}
	}
	s.tags[measurement] = tags
	return tags, nil
}

// hosts are those of which there are rows.
func (s *auditStore) hosts(ctx context.Context) ([]string, error) {
	series, err := s.query(ctx, "SHOW TAG VALUES FROM shell_chain, shell_command, shell_event WITH KEY = host")
	var hosts []string
	for _, one := range series {
		for _, row := range one.Rows {
			hosts = append(hosts, row[1].String())
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts), err
}

// ownHost is what the daemon of a configuration calls its host.
func ownHost(cfg *config.Config) string {
	for _, t := range cfg.Tags {
		if t.Key == "host" {
			return t.Value
		}
	}
	return ""
}

// chooseHost is the host that is meant, if only one can be.
func (s *auditStore) chooseHost(ctx context.Context, named string) (string, error) {
	hosts, err := s.hosts(ctx)
	if err != nil {
		return "", err
	}
	own := ownHost(s.cfg)
	switch {
	case named != "" && !slices.Contains(hosts, named):
		return "", fmt.Errorf("InfluxDB has nothing of the host %q; it has: %s", named, strings.Join(append(hosts, "nothing")[:max(1, len(hosts))], ", "))
	case named != "":
		return named, nil
	case len(hosts) == 0:
		return "", errors.New("InfluxDB has no commands of any host")
	case slices.Contains(hosts, own):
		return own, nil
	case len(hosts) == 1:
		return hosts[0], nil
	}
	return "", fmt.Errorf("choose a host with --host: %s", strings.Join(hosts, ", "))
}

// pattern writes a regular expression for InfluxQL.
func pattern(re string) string { return "/" + strings.ReplaceAll(re, "/", `\/`) + "/" }

func moment(t time.Time) string { return fmt.Sprint(t.UnixNano()) }

// anyOf is a condition that a tag has one of these values; none is no condition.
func anyOf(tag string, values []string) []string {
	if len(values) == 0 {
		return nil
	}
	var is []string
	for _, v := range values {
		is = append(is, influx.QuoteName(tag)+"::tag = "+influx.QuoteText(v))
	}
	return []string{"(" + strings.Join(is, " OR ") + ")"}
}

// seriesOf tells the series of a row from others: also from one that somebody has made by adding a tag.
func seriesOf(r console.LivePoint) string {
	var b strings.Builder
	b.WriteString(r.Measurement)
	for _, name := range slices.Sorted(maps.Keys(r.Tags)) {
		b.WriteString("\x00" + name + "\x00" + r.Tags[name])
	}
	return b.String()
}
