package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"

	"google.golang.org/protobuf/proto"

	"github.com/vedette-monitor/vedette/plugins/http-quality/probe"
	"github.com/vedette-monitor/vedette/sdk"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// asJSON has the points that the plugin makes of a probe, one a line.
func (t *target) asJSON(r *probe.Result) ([]byte, error) {
	points := append([]*sdk.Point{t.point(r).Int("attempt", 1)}, t.hopPoints(r)...)
	var text []byte
	for _, p := range points {
		line, err := pointJSON(p)
		if err != nil {
			return nil, err
		}
		text = append(append(text, line...), '\n')
	}
	return text, nil
}

// pointJSON is a point as it goes to the daemon. What could do something to a terminal is escaped, which changes no value.
func pointJSON(p *sdk.Point) ([]byte, error) {
	raw, err := p.MarshalBinary()
	if err != nil {
		return nil, err
	}
	var point wire.Point
	if err := proto.Unmarshal(raw, &point); err != nil {
		return nil, err
	}
	tags, fields := map[string]string{}, map[string]any{}
	for _, t := range point.Tags {
		if t.Value != "" {
			tags[t.Key] = t.Value
		}
	}
	for _, f := range point.Fields {
		fields[f.Key] = f.Any()
	}
	var text strings.Builder
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	err = e.Encode(struct {
		Measurement string            `json:"measurement"`
		Tags        map[string]string `json:"tags"`
		Fields      map[string]any    `json:"fields"`
		Time        time.Time         `json:"time"`
	}{point.Measurement, tags, fields, time.Unix(0, point.Time).UTC()})
	if err != nil {
		return nil, err
	}
	var escaped []byte
	for _, r := range strings.TrimSuffix(text.String(), "\n") {
		if unicode.IsPrint(r) {
			escaped = append(escaped, string(r)...)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			escaped = fmt.Appendf(escaped, `\u%04x`, unit)
		}
	}
	return escaped, nil
}
