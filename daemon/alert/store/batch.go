package store

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/vedette-monitor/vedette/daemon/alert/incident"
)

// Batch is what is to be written at once. Of several values for a key the last one counts. Its zero value is empty.
type Batch struct {
	order  []place
	values map[place][]byte // nil to delete
	// dropped are alerts all of whose instances go first.
	dropped []string
}

type place struct {
	bucket string
	key    string
}

// Empty reports whether there is nothing to write.
func (b *Batch) Empty() bool { return len(b.order) == 0 && len(b.dropped) == 0 }

func (b *Batch) put(bucket []byte, key string, value []byte) {
	if b.values == nil {
		b.values = map[place][]byte{}
	}
	p := place{string(bucket), key}
	if _, there := b.values[p]; !there {
		b.order = append(b.order, p)
	}
	b.values[p] = value
}

func (b *Batch) putJSON(bucket []byte, key string, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		// Numbers that are not finite are kept out of what is written, and nothing else has no JSON.
		panic("store: " + err.Error())
	}
	b.put(bucket, key, text)
}

// PutInstance keeps the state of an instance; nil removes it.
func (b *Batch) PutInstance(alert, key string, state []byte) {
	if len(key) > longestKey && state != nil {
		state = slices.Concat(binary.AppendUvarint(nil, uint64(len(key))), []byte(key), state)
	}
	b.put(instances, string(instanceKey(alert, key)), state)
}

// DropAlert removes all instances of an alert that the file has. What the batch has of them stays.
func (b *Batch) DropAlert(alert string) { b.dropped = append(b.dropped, alert) }

// PutIncident keeps an incident, and DeleteIncident removes it.
func (b *Batch) PutIncident(i *incident.Incident) { b.putJSON(incidents, i.ID, i) }

// DeleteIncident removes an incident.
func (b *Batch) DeleteIncident(id string) { b.put(incidents, id, nil) }

// PutNotice keeps a notice that is to be delivered.
func (b *Batch) PutNotice(n *incident.Notice) { b.putJSON(notices, n.ID, n) }

// DeleteNotice removes a notice.
func (b *Batch) DeleteNotice(id string) { b.put(notices, id, nil) }

// PutDead keeps a notice that was given up.
func (b *Batch) PutDead(n *incident.Notice) { b.putJSON(dead, n.ID, n) }

// DeleteDead removes a notice that was given up.
func (b *Batch) DeleteDead(id string) { b.put(dead, id, nil) }

// PutSilence keeps a silence.
func (b *Batch) PutSilence(s *incident.Silence) { b.putJSON(silences, s.ID, s) }

// DeleteSilence removes a silence.
func (b *Batch) DeleteSilence(id string) { b.put(silences, id, nil) }

// PutChannel keeps the state of a channel.
func (b *Batch) PutChannel(name string, state any) { b.putJSON(channels, name, state) }

// PutThread keeps what a channel wants back with the next notice of a thread; DeleteThread forgets it.
func (b *Batch) PutThread(key string, t Thread) { b.putJSON(threads, key, t) }

// DeleteThread forgets what a channel wants back.
func (b *Batch) DeleteThread(key string) { b.put(threads, key, nil) }

// PutPoint keeps an encoded point until it was handed over, and DeletePoint removes it then.
func (b *Batch) PutPoint(n uint64, raw []byte) { b.put(points, string(pointKey(n)), raw) }

// DeletePoint removes a point that was handed over.
func (b *Batch) DeletePoint(n uint64) { b.put(points, string(pointKey(n)), nil) }

func pointKey(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func number(key []byte) uint64 {
	if len(key) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(key)
}

// Write writes the batch. When it returns without an error it is on disk; with one nothing of it is.
func (s *Store) Write(b *Batch) error {
	if b.Empty() {
		return nil
	}
	err := s.db.Update(func(tx *bbolt.Tx) error {
		for _, alert := range b.dropped {
			if err := drop(tx, alert); err != nil {
				return err
			}
		}
		for _, p := range b.order {
			bucket, value := tx.Bucket([]byte(p.bucket)), b.values[p]
			var err error
			if value == nil {
				err = bucket.Delete([]byte(p.key))
			} else {
				err = bucket.Put([]byte(p.key), value)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("writing the alerts' state: %w", err)
	}
	return nil
}

func drop(tx *bbolt.Tx, alert string) error {
	bucket, prefix := tx.Bucket(instances), instancePrefix(alert)
	var keys [][]byte
	c := bucket.Cursor()
	for k, _ := c.Seek(prefix); k != nil && len(k) >= len(prefix) && string(k[:len(prefix)]) == string(prefix); k, _ = c.Next() {
		keys = append(keys, append([]byte(nil), k...))
	}
	for _, k := range keys {
		if err := bucket.Delete(k); err != nil {
			return err
		}
	}
	return nil
}
