// Package vitals is what the daemon measures of itself: the states of its plugins, what waits on disk, the way to
// InfluxDB, and its own process. The daemon emits these points like a plugin, so that whoever watches sites can watch
// the watcher with the same dashboards and rules.
//
// Each measurement is one list, of which both its declaration and its points are made: they can not say different things.
// Where the numbers come from is for the caller to know.
package vitals

import (
	"time"

	"github.com/vedette-monitor/vedette/sdk"
)

// Interval is how often the points are emitted.
const Interval = 10 * time.Second

// Vitals are the numbers of one moment. What counts, counts since the daemon started.
type Vitals struct {
	Plugins []Plugin
	Spools  []Spool
	Writes  []Write
	Runtime Runtime
}

// Points are the points of the vitals, all of the same time.
func (v *Vitals) Points(at time.Time) []*sdk.Point {
	points := pluginVital.points(v.Plugins, at)
	points = append(points, spoolVital.points(v.Spools, at)...)
	points = append(points, writeVital.points(v.Writes, at)...)
	return append(points, runtimeVital.points([]Runtime{v.Runtime}, at)...)
}

// Measurements declare the points.
func Measurements() []sdk.Measurement {
	return []sdk.Measurement{pluginVital.measurement(), spoolVital.measurement(), writeVital.measurement(), runtimeVital.measurement()}
}

// vital is a measurement of things of type T.
type vital[T any] struct {
	name, doc string
	tags      []tag[T]
	fields    []field[T]
}

type tag[T any] struct {
	name, doc string
	value     func(*T) string
}

type field[T any] struct {
	sdk.FieldSchema
	add func(*sdk.Point, *T)
}

func integer[T any, N int | int64 | uint64](name, unit, doc string, value func(*T) N) field[T] {
	return field[T]{sdk.FieldSchema{Name: name, Type: "int", Unit: unit, Doc: doc}, func(p *sdk.Point, t *T) { p.Int(name, int64(value(t))) }}
}

func seconds[T any](name, doc string, value func(*T) time.Duration) field[T] {
	return field[T]{sdk.FieldSchema{Name: name, Type: "float", Unit: "s", Doc: doc}, func(p *sdk.Point, t *T) { p.Seconds(name, value(t)) }}
}

func text[T any](name, doc string, value func(*T) string) field[T] {
	return field[T]{sdk.FieldSchema{Name: name, Type: "string", Doc: doc}, func(p *sdk.Point, t *T) { p.String(name, value(t)) }}
}

// flag is an integer, so that its mean is the part of the time in which it held.
func flag[T any](name, doc string, value func(*T) bool) field[T] {
	return integer(name, "", doc, func(t *T) int {
		if value(t) {
			return 1
		}
		return 0
	})
}

func (v *vital[T]) measurement() sdk.Measurement {
	m := sdk.Measurement{Name: v.name, Doc: v.doc}
	for _, t := range v.tags {
		m.Tags = append(m.Tags, sdk.TagSchema{Name: t.name, Doc: t.doc})
	}
	for _, f := range v.fields {
		m.Fields = append(m.Fields, f.FieldSchema)
	}
	return m
}

func (v *vital[T]) points(list []T, at time.Time) []*sdk.Point {
	var points []*sdk.Point
	for i := range list {
		p := sdk.NewPoint(v.name).At(at)
		for _, t := range v.tags {
			p.Tag(t.name, t.value(&list[i]))
		}
		for _, f := range v.fields {
			f.add(p, &list[i])
		}
		points = append(points, p)
	}
	return points
}
