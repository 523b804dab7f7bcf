package main

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/vedette-monitor/vedette/plugins/shell-audit/chain"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/drop"
)

// entry is what the journal has of a row: the row itself, where the chain stands behind it, and from where it was made, so that
// a process that goes on knows all that this one does.
type entry struct {
	Row    chain.Row
	Update bool // it completes an earlier one
	Head   chain.Point
	Origin origin
}

// origin is from what a row was made.
type origin struct {
	// From is the file, and End how far it was read; From is nil if it was no file that is read on.
	From *drop.Place `json:"from,omitempty"`
	End  int64       `json:"end,omitempty"`
	// Shell is the shell; Opens says that the row waits for its end, under the time Started, and
	// Closes that it has it.
	Shell   *shellKey `json:"shell,omitempty"`
	Started int64     `json:"started,omitempty"`
	Opens   bool      `json:"opens,omitempty"`
	Closes  bool      `json:"closes,omitempty"`
}

// stored is an entry as JSON.
type stored struct {
	Measurement string         `json:"m"`
	Time        int64          `json:"t"`
	Tags        map[string]any `json:"tags,omitempty"`
	Fields      map[string]any `json:"fields"`
	Update      bool           `json:"update,omitempty"`
	Seq         uint64         `json:"seq"`
	Epoch       uint64         `json:"epoch"`
	MAC         string         `json:"mac"`
	Origin      origin         `json:"origin"`
}

func (e entry) marshal() ([]byte, error) {
	return json.Marshal(stored{e.Row.Measurement, e.Row.Time, mapOf(e.Row.Tags), mapOf(e.Row.Fields), e.Update,
		e.Head.Seq, e.Head.Epoch, e.Head.MAC.String(), e.Origin})
}

func mapOf(values []chain.Value) map[string]any {
	m := make(map[string]any, len(values))
	for _, v := range values {
		m[v.Name] = v.Any()
	}
	return m
}

func parseStored(text []byte) (s stored, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber() // a large integer stays what it is
	return s, d.Decode(&s)
}

func parseEntry(body []byte) (entry, error) {
	s, err := parseStored(body)
	var mac chain.MAC
	if err == nil {
		mac, err = chain.ParseMAC(s.MAC)
	}
	if err != nil {
		return entry{}, fmt.Errorf("an entry of the journal can not be understood: %w", err)
	}
	e := entry{Update: s.Update, Head: chain.Point{Seq: s.Seq, Epoch: s.Epoch, MAC: mac}, Origin: s.Origin}
	e.Row, err = rowOf(s.Measurement, s.Time, s.Tags, s.Fields)
	return e, err
}

// rowOf makes a row of what was decoded from JSON.
func rowOf(measurement string, time int64, tags, fields map[string]any) (chain.Row, error) {
	r := chain.Row{Measurement: measurement, Time: time}
	for _, part := range []struct {
		from map[string]any
		to   *[]chain.Value
	}{{tags, &r.Tags}, {fields, &r.Fields}} {
		for name, v := range part.from {
			value, err := valueOf(name, v)
			if err != nil {
				return r, err
			}
			*part.to = append(*part.to, value)
		}
	}
	r.Sort()
	return r, nil
}

func valueOf(name string, v any) (chain.Value, error) {
	switch v := v.(type) {
	case string:
		return chain.String(name, v), nil
	case bool:
		return chain.Bool(name, v), nil
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return chain.Int(name, n), nil
		}
		f, err := v.Float64()
		return chain.Float(name, f), err
	}
	return chain.Value{}, fmt.Errorf("%s is a %T, which no row has", name, v)
}
