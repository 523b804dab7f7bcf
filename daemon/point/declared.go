package point

import (
	"fmt"
	"slices"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

// Declared is what a plugin's manifest says of its points: the contract with those who query them. It is not changed once
// it is made.
type Declared struct {
	measurements map[string]measurement
	// any is the measurement of those that the plugin could not name beforehand, or nil.
	any *measurement
}

type measurement struct {
	fields map[string]Kind
	open   bool
}

var kindsByType = map[wire.Type]Kind{wire.TypeFloat: Float, wire.TypeInt: Int, wire.TypeBool: Bool, wire.TypeString: String}

// typeNames are the types as a manifest writes them.
var typeNames = [...]wire.Type{Missing: "nothing", Float: wire.TypeFloat, Int: wire.TypeInt, Bool: wire.TypeBool, String: wire.TypeString}

// NewDeclared reads what a manifest declares.
func NewDeclared(measurements []wire.Measurement) *Declared {
	d := &Declared{measurements: map[string]measurement{}}
	for _, m := range measurements {
		fields := map[string]Kind{}
		for _, f := range m.Fields {
			fields[f.Name] = kindsByType[f.Type]
		}
		one := measurement{fields, m.Open}
		if m.Name == wire.AnyMeasurement {
			d.any = &one
			continue
		}
		d.measurements[m.Name] = one
	}
	return d
}

// Hold makes the point one that was declared. It leaves out fields that were not, or not with this type: the others are
// what people wait for. leftOut counts them and why names the first; err is the reason to refuse the point as a whole.
// Tags are free, for they come from configurations too.
func (d *Declared) Hold(p *Point) (leftOut int, why, err error) {
	m, ok := d.measurements[string(p.Measurement)]
	if !ok {
		if d.any == nil {
			return 0, nil, fmt.Errorf("the manifest does not declare the measurement %s", quote(p.Measurement))
		}
		m = *d.any
	}
	before := len(p.Fields)
	p.Fields = slices.DeleteFunc(p.Fields, func(f Field) bool {
		kind, declared := m.fields[string(f.Key)]
		switch {
		case !declared && m.open, declared && kind == f.Kind:
			return false
		case why != nil:
		case declared:
			why = fmt.Errorf("field %s of %s is %s, and declared as %s", quote(f.Key), quote(p.Measurement), typeNames[f.Kind], typeNames[kind])
		default:
			why = fmt.Errorf("the manifest does not declare the field %s of %s", quote(f.Key), quote(p.Measurement))
		}
		return true
	})
	if len(p.Fields) == 0 {
		return 0, nil, why
	}
	return before - len(p.Fields), why, nil
}
