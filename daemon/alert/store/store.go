// Package store is what the alerts remember: the state of every instance, incidents, what is to be told, silences. It is one file,
// and what belongs together is written at once or not at all: whoever has seen a notice on its way finds it again after any crash.
package store

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/vedette-monitor/vedette/daemon/alert/incident"
)

// version is that of the form in which things are written. Another one is refused.
const version = "1"

// The buckets of the file.
var (
	meta      = []byte("meta")
	instances = []byte("instances")
	incidents = []byte("incidents")
	notices   = []byte("notices")
	dead      = []byte("dead")
	silences  = []byte("silences")
	channels  = []byte("channels")
	threads   = []byte("threads")
	points    = []byte("points")
)

var buckets = [][]byte{meta, instances, incidents, notices, dead, silences, channels, threads, points}

// Store is the file. One process has it at a time.
type Store struct {
	db *bbolt.DB
	// Emptied says that the file was there and had nothing in it: what it knew, if it knew anything, is lost.
	Emptied bool
}

// lockTime is how long Open waits for another process to let go of the file.
const lockTime = 2 * time.Second

// Open opens the file, and makes it if it is not there. One that is damaged is an error, and stays as it is: to begin without what
// was known is for a person to decide.
func Open(path string) (s *Store, err error) {
	mend := fmt.Sprintf("restore it from a copy, or move %s away to begin without silences and open incidents, which are then told anew", path)
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		// What is read of a damaged file leads anywhere, also beyond its end.
		if broken := recover(); broken != nil {
			s, err = nil, fmt.Errorf("the alerts' state is damaged (%v): %s", broken, mend)
		}
	}()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("making the directory of the alerts' state: %w", err)
	}
	info, missing := os.Stat(path)
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockTime, FreelistType: bbolt.FreelistMapType})
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return nil, fmt.Errorf("the alerts' state %s is in use by another process", path)
	case errors.As(err, new(*fs.PathError)):
		return nil, fmt.Errorf("opening the alerts' state: %w", err)
	case err != nil:
		return nil, fmt.Errorf("the alerts' state is damaged (%w): %s", err, mend)
	}
	s = &Store{db: db, Emptied: missing == nil && info.Size() == 0}
	if err := s.prepare(); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("the alerts' state can not be used (%w): %s", err, mend)
	}
	return s, nil
}

// prepare checks the file, and makes what it lacks.
func (s *Store) prepare() error {
	err := s.db.View(func(tx *bbolt.Tx) error {
		for err := range tx.Check() {
			return err
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.db.Update(func(tx *bbolt.Tx) error {
		for _, name := range buckets {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		b := tx.Bucket(meta)
		switch found := string(b.Get([]byte("version"))); found {
		case version:
			return nil
		case "":
			return b.Put([]byte("version"), []byte(version))
		default:
			return fmt.Errorf("its version is %s, and this daemon knows %s", found, version)
		}
	})
}

// Close closes the file.
func (s *Store) Close() error { return s.db.Close() }

// Path is where the file is.
func (s *Store) Path() string { return s.db.Path() }

// Contents is what is in the file, but for the states of instances.
type Contents struct {
	Incidents []*incident.Incident
	Notices   []*incident.Notice
	Dead      []*incident.Notice
	Silences  []*incident.Silence
	// Channels are the states of channels, and Threads what they want back with the next notice of a thread.
	Channels map[string]json.RawMessage
	Threads  map[string]Thread
	// Points are encoded ones that were not handed over, by their numbers.
	Points map[uint64][]byte
}

// Thread is what a channel wants back.
type Thread struct {
	State map[string]string `json:"state"`
	Used  time.Time         `json:"used"`
}

// Load reads what is in the file.
func (s *Store) Load() (*Contents, error) {
	c := &Contents{Channels: map[string]json.RawMessage{}, Threads: map[string]Thread{}, Points: map[uint64][]byte{}}
	err := s.db.View(func(tx *bbolt.Tx) error {
		return errors.Join(
			each(tx, incidents, func(_ string, i *incident.Incident) { c.Incidents = append(c.Incidents, i) }),
			each(tx, notices, func(_ string, n *incident.Notice) { c.Notices = append(c.Notices, n) }),
			each(tx, dead, func(_ string, n *incident.Notice) { c.Dead = append(c.Dead, n) }),
			each(tx, silences, func(_ string, si *incident.Silence) { c.Silences = append(c.Silences, si) }),
			each(tx, threads, func(key string, t *Thread) { c.Threads[key] = *t }),
			each(tx, channels, func(key string, raw *json.RawMessage) { c.Channels[key] = *raw }),
			tx.Bucket(points).ForEach(func(k, v []byte) error {
				c.Points[number(k)] = append([]byte(nil), v...)
				return nil
			}),
		)
	})
	if err != nil {
		return nil, fmt.Errorf("reading the alerts' state: %w", err)
	}
	return c, nil
}

func each[T any](tx *bbolt.Tx, bucket []byte, take func(key string, v *T)) error {
	return tx.Bucket(bucket).ForEach(func(k, text []byte) error {
		v := new(T)
		if err := json.Unmarshal(text, v); err != nil {
			return fmt.Errorf("%s %q: %w", bucket, k, err)
		}
		take(string(k), v)
		return nil
	})
}

// Instances are the states of an alert's instances, by their keys. The states are valid until the next one.
func (s *Store) Instances(alert string) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		prefix := instancePrefix(alert)
		// An error could only be that of yield, which has none.
		_ = s.db.View(func(tx *bbolt.Tx) error {
			c := tx.Bucket(instances).Cursor()
			for k, v := c.Seek(prefix); k != nil && len(k) >= len(prefix) && string(k[:len(prefix)]) == string(prefix); k, v = c.Next() {
				if key, state := instanceOf(string(k[len(prefix):]), v); !yield(key, state) {
					return nil
				}
			}
			return nil
		})
	}
}

// Alerts are those of which there are instances.
func (s *Store) Alerts() []string {
	var names []string
	_ = s.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket(instances).Cursor()
		for k, _ := c.First(); k != nil; {
			name, _, _ := strings.Cut(string(k), "\x00")
			names = append(names, name)
			k, _ = c.Seek([]byte(name + "\x01"))
		}
		return nil
	})
	return names
}

func instancePrefix(alert string) []byte { return []byte(alert + "\x00") }

// longestKey is how long the values of an instance's tags may be for its place in the file to be made of them: the file refuses longer
// keys, and with one of them all else that is to be written. hashed begins the places of the others. It is no text, as all values are.
const (
	longestKey = 4096
	hashed     = "\xff"
)

func instanceKey(alert, key string) []byte {
	if len(key) > longestKey {
		sum := sha256.Sum256([]byte(key))
		key = hashed + string(sum[:])
	}
	return append(instancePrefix(alert), key...)
}

// instanceOf is the key and the state of what stands at a place in the file. Of a long key it stands before the state.
func instanceOf(at string, value []byte) (key string, state []byte) {
	if !strings.HasPrefix(at, hashed) {
		return at, value
	}
	length, n := binary.Uvarint(value)
	if n <= 0 || length > uint64(len(value)-n) {
		// It is damaged, which whoever reads the state finds out.
		return at, nil
	}
	return string(value[n : n+int(length)]), value[n+int(length):]
}
