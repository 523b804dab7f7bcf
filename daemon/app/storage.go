package app

import (
	"path/filepath"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/vedette-monitor/vedette/daemon/config"
	"github.com/vedette-monitor/vedette/daemon/influx"
)

// storage is what all ways to InfluxDB share: how it is reached, what is set up there, and where what it refuses goes.
type storage struct {
	url, socket, token, org, bucket string

	setup   *influx.Setup
	letters *influx.DeadLetters
	refused *refusals
}

// openStorage finds out how InfluxDB is reached. The private one must have been ready.
func (a *App) openStorage() (*storage, error) {
	cfg := a.cfg.InfluxDB
	s := &storage{url: cfg.URL, token: cfg.Token, org: cfg.Org, bucket: cfg.Bucket}
	administrator := s.token
	if a.influx != nil {
		c := a.influx.Credentials()
		s.url, s.socket, s.bucket, s.token, administrator = c.URL, c.Socket, c.Database, c.Writer.Token(), c.Admin.Token()
	}
	log := a.logger.Named("influxdb")
	var err error
	s.setup, err = influx.NewSetup(influx.SetupOptions{
		URL: s.url, Socket: s.socket, Token: administrator, Org: s.org, Bucket: s.bucket,
		Retention: cfg.Retention, RecordsRetention: cfg.RecordsRetention,
		Rule:     cfg.Embedded,
		OnReport: func(r influx.Report) { logReport(log, r) },
	})
	if err != nil {
		return nil, err
	}
	s.refused = &refusals{log: log}
	s.letters, err = openDeadLetters(a.cfg)
	if err != nil {
		s.setup.Close()
		return nil, err
	}
	return s, nil
}

func openDeadLetters(cfg *config.Config) (*influx.DeadLetters, error) {
	return influx.OpenDeadLetters(deadLetterDir(cfg), deadLetterBytes)
}

func deadLetterDir(cfg *config.Config) string {
	return filepath.Join(cfg.Daemon.DataDir, "deadletters")
}

// writerTo returns the options of a writer for one lane.
func (s *storage) writerTo(target influx.Target, onChange func(influx.Condition, string)) influx.WriterOptions {
	return influx.WriterOptions{
		URL: s.url, Socket: s.socket, Token: s.token, Org: s.org, Bucket: target.Bucket,
		Reject:   s.setAside(target),
		Prepare:  s.setup.To(target.Lane),
		OnChange: onChange,
	}
}

// setAside keeps lines that InfluxDB has refused, and tells the operator of it.
func (s *storage) setAside(target influx.Target) func(lines [][]byte, reason string) error {
	return func(lines [][]byte, reason string) error {
		if err := s.letters.Add(target.Lane, lines, reason); err != nil {
			return err
		}
		s.refused.note(target.Bucket, reason, len(lines), time.Now())
		s.refused.dropped(s.letters.Stats().Dropped, time.Now())
		return nil
	}
}

// Close closes what was opened, once nothing writes any more.
func (s *storage) Close() error {
	s.setup.Close()
	return s.letters.Close()
}

// logReport tells the operator what the set-up has found.
func logReport(log hclog.Logger, r influx.Report) {
	if r.Problem != "" {
		log.Warn("InfluxDB could not be set up; it is tried again when points can not be written", "error", r.Problem)
		return
	}
	log.Info("InfluxDB is set up", "server", r.Server)
	for _, difference := range r.Differences {
		log.Warn("InfluxDB differs from the configuration, and stays as it is", "difference", difference)
	}
	for _, statement := range r.Needed {
		log.Warn("the token may not set InfluxDB up; an administrator has to run this", "statement", statement)
	}
}
