package point

import (
	"strings"
	"testing"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

func TestPointsAreHeldAgainstTheManifest(t *testing.T) {
	fields := []wire.FieldSchema{{Name: "f", Type: "float"}, {Name: "i", Type: "int"}, {Name: "b", Type: "bool"}, {Name: "s", Type: "string"}}
	strict := NewDeclared([]wire.Measurement{{Name: "m", Fields: fields}})
	open := NewDeclared([]wire.Measurement{{Name: "m", Fields: fields, Open: true}})
	anything := NewDeclared([]wire.Measurement{{Name: "m", Fields: fields}, {Name: wire.AnyMeasurement, Open: true}})
	whole := []*wire.Field{float("f", 1), {Key: "i", Value: &wire.Field_Int{Int: 1}}, {Key: "b", Value: &wire.Field_Bool{}}, text("s", "x")}
	tests := map[string]struct {
		declared    *Declared
		measurement string
		fields      []*wire.Field
		kept        int
		why, err    string
	}{
		"all declared":             {strict, "m", whole, 4, "", ""},
		"an unsigned integer":      {strict, "m", []*wire.Field{{Key: "i", Value: &wire.Field_Uint{Uint: 1}}}, 1, "", ""},
		"another measurement":      {strict, "n", whole, 0, "", `does not declare the measurement "n"`},
		"another field":            {strict, "m", append(whole, float("x", 1), float("y", 1)), 4, `does not declare the field "x" of "m"`, ""},
		"another type":             {strict, "m", []*wire.Field{float("f", 1), float("i", 1)}, 1, `field "i" of "m" is float, and declared as int`, ""},
		"nothing that is declared": {strict, "m", []*wire.Field{float("x", 1)}, 0, "", `does not declare the field "x" of "m"`},
		"an open measurement":      {open, "m", append(whole, float("x", 1)), 5, "", ""},
		"another type in an open":  {open, "m", []*wire.Field{float("i", 1), float("x", 1)}, 1, `field "i" of "m" is float, and declared as int`, ""},
		"a measurement of any":     {anything, "n", []*wire.Field{float("x", 1)}, 1, "", ""},
		"one beside any":           {anything, "m", []*wire.Field{float("f", 1), float("x", 1)}, 1, `does not declare the field "x" of "m"`, ""},
		"nothing is declared":      {NewDeclared(nil), "m", whole, 0, "", `does not declare the measurement "m"`},
		"a name to be quoted":      {strict, "m", []*wire.Field{float("f", 1), float(strings.Repeat("\"\u202e", 99), 1)}, 1, `"…`, ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var p Point
			if err := p.Unmarshal(marshal(t, &wire.Point{Measurement: tc.measurement, Time: noon, Fields: tc.fields})); err != nil {
				t.Fatal(err)
			}
			leftOut, why, err := tc.declared.Hold(&p)
			if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Fatalf("the error is %v, want %q", err, tc.err)
			}
			if err != nil {
				return
			}
			if len(p.Fields) != tc.kept || leftOut != len(tc.fields)-tc.kept {
				t.Errorf("%d fields are kept and %d left out", len(p.Fields), leftOut)
			}
			if (why == nil) != (tc.why == "") || why != nil && !strings.Contains(why.Error(), tc.why) {
				t.Errorf("left out because %v, want %q", why, tc.why)
			}
		})
	}
}
