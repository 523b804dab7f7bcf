package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/vedette-monitor/vedette/plugins/shell-audit/chain"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/drop"
)

// memory is what the collector knows from the entries of its journal. It is kept in a file now and then, so that after a start only
// the newest entries are read again.
type memory struct {
	Seq  uint64 // of the last entry that is in it
	Head chain.Point
	Read map[drop.Place]int64 // how far files were read
	Last map[string]int64     // the time of the newest row of each series
	// Seen is when all that lay in the spool had been read: what is found later was written later. Stopped says that the last
	// row told the end of the collector.
	Seen    time.Time
	Stopped bool
	// Open are the commands of shells that have not ended, by their beginning.
	Open  map[shellKey]map[int64]chain.Row
	bytes map[int]int // of these, by user
}

// rowSize is about how much memory a row takes.
func rowSize(r chain.Row) int {
	n := 1000
	for _, f := range r.Fields {
		n += len(f.Text())
	}
	return n
}

// openBytes bounds the commands of a user that have not ended. Nobody runs so many at a time: what is over is the invention of
// somebody, or of shells that were killed, and the oldest of it is forgotten.
const openBytes = 4 << 20

func newMemory() *memory {
	return &memory{Read: map[drop.Place]int64{}, Last: map[string]int64{}, Open: map[shellKey]map[int64]chain.Row{}, bytes: map[int]int{}}
}

// note takes in an entry.
func (m *memory) note(e entry) {
	m.Head = e.Head
	m.Stopped = e.Row.Measurement == eventMeasurement.Name && kindOfEvent(e.Row) == "stop"
	if last := seriesOf(e.Row); e.Row.Time > m.Last[last] {
		m.Last[last] = e.Row.Time
	}
	o := e.Origin
	if o.From != nil {
		m.Read[*o.From] = o.End
	}
	if o.Shell == nil {
		return
	}
	switch {
	case o.Opens:
		m.begin(*o.Shell, o.Started, e.Row)
	case o.Closes:
		m.end(*o.Shell, o.Started)
	}
}

func (m *memory) begin(shell shellKey, started int64, row chain.Row) {
	m.end(shell, started)
	if m.Open[shell] == nil {
		m.Open[shell] = map[int64]chain.Row{}
	}
	m.Open[shell][started] = row
	m.bytes[shell.UID] += rowSize(row)
	for m.bytes[shell.UID] > openBytes {
		m.endOldest(shell.UID)
	}
}

func (m *memory) end(shell shellKey, started int64) {
	row, ok := m.Open[shell][started]
	if !ok {
		return
	}
	delete(m.Open[shell], started)
	if len(m.Open[shell]) == 0 {
		delete(m.Open, shell)
	}
	if m.bytes[shell.UID] -= rowSize(row); m.bytes[shell.UID] == 0 {
		delete(m.bytes, shell.UID)
	}
}

// endOldest forgets the oldest commands of a user, some at a time.
func (m *memory) endOldest(uid int) {
	type place struct {
		shell   shellKey
		started int64
	}
	var all []place
	for shell, commands := range m.Open {
		if shell.UID == uid {
			for started := range commands {
				all = append(all, place{shell, started})
			}
		}
	}
	slices.SortFunc(all, func(a, b place) int { return cmp.Compare(a.started, b.started) })
	for _, p := range all[:len(all)/4+1] {
		m.end(p.shell, p.started)
	}
}

// drop forgets all commands of a shell.
func (m *memory) drop(shell shellKey) {
	for started := range m.Open[shell] {
		m.end(shell, started)
	}
}

func kindOfEvent(r chain.Row) string {
	for _, tag := range r.Tags {
		if tag.Name == "kind" {
			return tag.Text()
		}
	}
	return ""
}

// seriesOf tells the series of a row from others.
func seriesOf(r chain.Row) string {
	key := r.Measurement
	for _, tag := range r.Tags {
		key += "\x00" + tag.Name + "\x00" + tag.Text()
	}
	return key
}

// kept is a memory as it is in its file.
type kept struct {
	Seq     uint64           `json:"seq"`
	Seen    time.Time        `json:"seen"`
	Stopped bool             `json:"stopped"`
	Head    headKept         `json:"head"`
	Read    []placeKept      `json:"read"`
	Last    map[string]int64 `json:"last"`
	Open    []stored         `json:"open"`
}

type headKept struct {
	Seq   uint64 `json:"seq"`
	Epoch uint64 `json:"epoch"`
	MAC   string `json:"mac"`
}

type placeKept struct {
	drop.Place
	End int64 `json:"end"`
}

// save replaces the file as a whole.
func (m *memory) save(path string) error {
	k := kept{Seq: m.Seq, Seen: m.Seen, Stopped: m.Stopped, Head: headKept{m.Head.Seq, m.Head.Epoch, m.Head.MAC.String()}, Last: m.Last}
	for place, end := range m.Read {
		k.Read = append(k.Read, placeKept{place, end})
	}
	for shell, commands := range m.Open {
		for started, row := range commands {
			k.Open = append(k.Open, stored{Measurement: row.Measurement, Time: row.Time, Tags: mapOf(row.Tags), Fields: mapOf(row.Fields),
				Origin: origin{Shell: &shell, Started: started}})
		}
	}
	text, err := json.Marshal(k)
	if err != nil {
		return err
	}
	return replace(path, text)
}

// replace writes a file that is there whole, or as it was before.
func replace(path string, text []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		_ = os.Remove(file.Name())
	}
	return err
}

// loadMemory reads what was kept; nothing if it can not be used, for all of it is in the journal.
func loadMemory(path string) (*memory, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return newMemory(), nil
	}
	if err != nil {
		return newMemory(), err
	}
	m := newMemory()
	var k struct {
		kept
		Open []json.RawMessage `json:"open"`
	}
	if err := json.Unmarshal(text, &k); err != nil {
		return newMemory(), err
	}
	m.Seq, m.Seen, m.Stopped = k.Seq, k.Seen, k.Stopped
	if m.Head.MAC, err = chain.ParseMAC(k.Head.MAC); err != nil {
		return newMemory(), err
	}
	m.Head.Seq, m.Head.Epoch = k.Head.Seq, k.Head.Epoch
	for _, p := range k.Read {
		m.Read[p.Place] = p.End
	}
	maps.Copy(m.Last, k.Last)
	for _, raw := range k.Open {
		row, o, err := parseOpen(raw)
		if err != nil {
			return newMemory(), err
		}
		m.begin(*o.Shell, o.Started, row)
	}
	return m, nil
}

func parseOpen(raw []byte) (chain.Row, origin, error) {
	e, err := parseStored(raw)
	if err == nil && e.Origin.Shell == nil {
		err = errors.New("an open command without its shell")
	}
	if err != nil {
		return chain.Row{}, origin{}, fmt.Errorf("what was kept can not be understood: %w", err)
	}
	row, err := rowOf(e.Measurement, e.Time, e.Tags, e.Fields)
	return row, e.Origin, err
}
