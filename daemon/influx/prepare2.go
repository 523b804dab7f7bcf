package influx

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// bucket2 is a bucket of 2.x and how InfluxQL calls it.
type bucket2 struct {
	lanes            []Lane // whose points go there
	name             string
	retention        time.Duration
	database, policy string
}

func (o SetupOptions) wanted2() []bucket2 {
	database, policy, named := strings.Cut(o.Bucket, "/")
	if !named {
		policy = defaultPolicy
	}
	raw := bucket2{[]Lane{Points}, o.Bucket, o.Retention, database, policy}
	_, records := Targets(o.Bucket)
	if records.Bucket == raw.name {
		raw.lanes = []Lane{Points, Records}
		return []bucket2{raw}
	}
	return []bucket2{raw, {[]Lane{Records}, records.Bucket, o.RecordsRetention, database, recordsPolicy}}
}

// found2 is a bucket as 2.x describes it.
type found2 struct {
	ID             string
	RetentionRules []struct {
		EverySeconds int64
	}
}

func (b found2) retention() time.Duration {
	if len(b.RetentionRules) == 0 {
		return 0
	}
	return time.Duration(b.RetentionRules[0].EverySeconds) * time.Second
}

func (s *Setup) prepare2(ctx context.Context, report *Report) error {
	if s.options.Org == "" {
		return &QueryError{Status: http.StatusBadRequest, Message: report.Server + ` needs an organization: influxdb { org = "…" }`}
	}
	var orgs struct{ Orgs []struct{ ID, Name string } }
	err := s.call(ctx, http.MethodGet, "orgs", url.Values{"org": {s.options.Org}}, nil, &orgs)
	if err != nil && !isHidden(err) {
		return err
	}
	for _, b := range s.options.wanted2() {
		if len(orgs.Orgs) == 0 {
			// Whoever may only write may not look either: it is well unless a write says otherwise.
			if slices.ContainsFunc(b.lanes, s.isMissing) {
				report.Needed = append(report.Needed, s.createCommand(b))
			}
			continue
		}
		if err := s.bucket(ctx, orgs.Orgs[0].ID, b, report); err != nil {
			return err
		}
	}
	return nil
}

func (s *Setup) bucket(ctx context.Context, org string, b bucket2, report *Report) error {
	var found struct{ Buckets []found2 }
	err := s.call(ctx, http.MethodGet, "buckets", url.Values{"orgID": {org}, "name": {b.name}}, nil, &found)
	if err != nil && !isHidden(err) {
		return err
	}
	if len(found.Buckets) == 0 {
		type rule struct {
			Type         string `json:"type"`
			EverySeconds int64  `json:"everySeconds"`
		}
		var made found2
		err := s.call(ctx, http.MethodPost, "buckets", nil, map[string]any{
			"orgID": org, "name": b.name, "description": "made by Vedette",
			"retentionRules": []rule{{"expire", int64(b.retention / time.Second)}},
		}, &made)
		if isHidden(err) || isConflict(err) {
			// It may be there and hidden from the token.
			if slices.ContainsFunc(b.lanes, s.isMissing) && !isConflict(err) {
				report.Needed = append(report.Needed, s.createCommand(b))
			}
			return nil
		}
		if err != nil {
			return err
		}
		made.RetentionRules = append(made.RetentionRules[:0], struct{ EverySeconds int64 }{int64(b.retention / time.Second)})
		found.Buckets = []found2{made}
	}
	there := found.Buckets[0]
	if there.retention() != b.retention {
		change := fmt.Sprintf("influx bucket update --id %s --retention %s", there.ID, cliDuration(b.retention))
		report.Differences = append(report.Differences, fmt.Sprintf("bucket %q keeps points %s, the configuration says %s; to change it: %s",
			b.name, keeps(there.retention()), keeps(b.retention), change))
	}
	return s.mapping(ctx, org, there.ID, b, report)
}

// mapping lets InfluxQL find the bucket as database and policy. Newer servers do so by themselves for such a name.
func (s *Setup) mapping(ctx context.Context, org, id string, b bucket2, report *Report) error {
	var found struct {
		Content []struct {
			RetentionPolicy string `json:"retention_policy"`
			BucketID        string `json:"bucketID"`
		}
	}
	err := s.call(ctx, http.MethodGet, "dbrps", url.Values{"orgID": {org}, "db": {b.database}}, nil, &found)
	if err != nil && !isHidden(err) {
		return err
	}
	for _, m := range found.Content {
		if m.RetentionPolicy != b.policy {
			continue
		}
		if m.BucketID != id {
			report.Differences = append(report.Differences, fmt.Sprintf(
				"InfluxQL finds another bucket under %q.%q than %q; to change it: influx v1 dbrp list --org %s",
				b.database, b.policy, b.name, ShellWord(s.options.Org)))
		}
		return nil
	}
	err = s.call(ctx, http.MethodPost, "dbrps", nil, map[string]any{
		"orgID": org, "bucketID": id, "database": b.database, "retention_policy": b.policy, "default": b.policy == defaultPolicy,
	}, nil)
	if isHidden(err) {
		report.Needed = append(report.Needed, fmt.Sprintf("influx v1 dbrp create --org %s --bucket-id %s --db %s --rp %s",
			ShellWord(s.options.Org), id, ShellWord(b.database), ShellWord(b.policy)))
		return nil
	}
	if isConflict(err) {
		return nil
	}
	return err
}

func (s *Setup) createCommand(b bucket2) string {
	return fmt.Sprintf("influx bucket create --org %s --name %s --retention %s", ShellWord(s.options.Org), ShellWord(b.name),
		cliDuration(b.retention))
}

// cliDuration writes a duration for the influx command, where 0 is for ever.
func cliDuration(d time.Duration) string { return fmt.Sprintf("%ds", int64(d/time.Second)) }

// ShellWord quotes a word for a shell, if need be, whatever is in it.
func ShellWord(word string) string {
	if word != "" && strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-") == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// call asks the API of 2.x. A refusal is a *QueryError.
func (s *Setup) call(ctx context.Context, method, path string, query url.Values, send, receive any) error {
	var body bytes.Buffer
	if send != nil {
		if err := json.NewEncoder(&body).Encode(send); err != nil {
			return fmt.Errorf("set up influxdb: %w", err)
		}
	}
	target := s.server.JoinPath("api/v2", path)
	target.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, method, target.String(), &body)
	if err != nil {
		return fmt.Errorf("set up influxdb: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Token "+s.options.Token)
	resp, err := s.client.Do(request)
	if err != nil {
		return fmt.Errorf("set up influxdb: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("set up influxdb: %s %s: %w", method, path, &QueryError{Status: resp.StatusCode, Message: refusal(resp)})
	}
	if receive == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(receive); err != nil {
		return fmt.Errorf("set up influxdb: %s %s: read the answer: %w", method, path, err)
	}
	return nil
}

// isHidden says whether something is not there, or not for this token: 2.x makes no difference everywhere.
func isHidden(err error) bool {
	var refused *QueryError
	return errors.As(err, &refused) && (refused.Status == http.StatusNotFound || refused.Status == http.StatusForbidden ||
		refused.Status == http.StatusUnauthorized && !strings.Contains(refused.Message, "unauthorized access"))
}

func isConflict(err error) bool {
	var refused *QueryError
	return errors.As(err, &refused) && (refused.Status == http.StatusConflict ||
		refused.Status == http.StatusUnprocessableEntity && strings.Contains(refused.Message, "already exists"))
}
