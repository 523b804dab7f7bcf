// Command auditor is a plugin for the end-to-end tests: each tick gives a sample and a record.
package main

import (
	"context"

	"github.com/vedette-monitor/vedette/sdk"
)

var count = sdk.FieldSchema{Name: "n", Type: "int", Doc: "how many there were before"}

func main() {
	sdk.Serve(sdk.Plugin{
		Name:    "auditor",
		Version: "1.0.0",
		Doc:     "Tells what it did.",
		New:     sdk.New(func(struct{}, sdk.Env) (*auditor, error) { return new(auditor), nil }),
		Measurements: []sdk.Measurement{
			{Name: "audit_sample", Doc: "One point a tick.", Fields: []sdk.FieldSchema{count}},
			{Name: "audit_record", Doc: "One point a tick.", Record: true, Fields: []sdk.FieldSchema{count}},
		},
	})
}

type auditor struct{ n int64 }

// Collect implements sdk.Collector.
func (a *auditor) Collect(_ context.Context, out sdk.Emitter) error {
	out.Emit(sdk.NewPoint("audit_sample").Int("n", a.n))
	out.Emit(sdk.NewPoint("audit_record").Int("n", a.n))
	a.n++
	return nil
}
