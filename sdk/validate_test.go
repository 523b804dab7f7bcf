package sdk

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

type checkedInner struct {
	Status []string `hcl:"status,optional" doc:"Classes."`
}

func (c *checkedInner) Validate() error {
	for i, s := range c.Status {
		if s == "banana" {
			return fmt.Errorf("class %d: %w", i+1, &Problem{Path: []string{"status", fmt.Sprint(i)}, Err: errors.New("no class")})
		}
	}
	return nil
}

type checkedTarget struct {
	Name   string        `hcl:"name,label"`
	URL    string        `hcl:"url" doc:"Address."`
	Expect *checkedInner `hcl:"expect,block" doc:"What is expected."`
	Always checkedInner  `hcl:"always,block" doc:"Never absent."`
}

type checkedConfig struct {
	Low     int             `hcl:"low" default:"1" doc:"Low."`
	High    int             `hcl:"high" default:"2" doc:"High."`
	Targets []checkedTarget `hcl:"target,block" doc:"What to probe."`
}

func (c checkedConfig) Validate() error {
	if c.Low > c.High {
		return errors.Join(errors.New("low is above high"), &Problem{Path: []string{"low"}, Err: errors.New("too high")})
	}
	return nil
}

func TestProblemsOfNestedBlocksHaveTheirWholePath(t *testing.T) {
	p := Plugin{Name: "p", New: New(func(checkedConfig, Env) (collectFunc, error) { return nil, errors.New("not reached") })}
	m, err := p.Manifest()
	if err != nil || !m.Validates {
		t.Fatalf("validates is not in the manifest %+v, %v", m, err)
	}
	config := `{"low":3,"high":2,"target":[
		{"name":"a","url":"x","always":{}},
		{"name":"b","url":"x","expect":{"status":["2xx","banana"]},"always":{"status":["banana"]}}]}`
	var out bytes.Buffer
	if err := p.validate(strings.NewReader(config), &out); err != nil {
		t.Fatal(err)
	}
	want := []*wire.Problem{
		{Summary: "low is above high"},
		{Path: []string{"low"}, Summary: "too high"},
		{Path: []string{"target", "1", "expect", "status", "1"}, Summary: "class 2: no class"},
		{Path: []string{"target", "1", "always", "status", "0"}, Summary: "class 1: no class"},
	}
	var got []*wire.Problem
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("printed %s, %v", out.String(), err)
	}

	answer, err := serveInProcess(t, p).Configure(t.Context(), &wire.ConfigureRequest{Config: []byte(config)})
	if err != nil || len(answer.Problems) != len(want) {
		t.Errorf("Configure answers %v, %v", answer, err)
	}
}

func TestASoundConfigurationHasAnEmptyListOfProblems(t *testing.T) {
	checked := Plugin{New: New(func(checkedConfig, Env) (collectFunc, error) { return nil, nil })}
	plain := Plugin{New: New(func(testConfig, Env) (collectFunc, error) { return nil, nil })}
	if plain.New.validate != nil {
		t.Error("a configuration without Validate is said to validate")
	}
	for _, p := range []Plugin{checked, plain} {
		var out bytes.Buffer
		if err := p.validate(strings.NewReader(`{"low":1,"high":2}`), &out); err != nil || out.String() != "[]\n" {
			t.Errorf("printed %q, %v", out.String(), err)
		}
	}
}

func TestConstraintsAreInTheManifest(t *testing.T) {
	got, err := schemaOf(reflect.TypeFor[struct {
		Limit  Size              `hcl:"limit" default:"10MiB" min:"1KiB" max:"1GiB" doc:"Limit."`
		Family string            `hcl:"family" default:"any" one_of:"any,ipv4,ipv6" doc:"Family."`
		Token  string            `hcl:"token,optional" sensitive:"true" deprecated:"use secret" doc:"Token."`
		Hosts  []string          `hcl:"hosts,optional" min:"1" doc:"Hosts."`
		Map    map[string]string `hcl:"map" default:"{\"a\":\"b\"}" max:"2" tags:"true" doc:"Map."`
		Step   []struct {
			X int `hcl:"x" doc:"x"`
		} `hcl:"step,block" min:"1" max:"3" tags:"true" deprecated:"use phase" doc:"Steps."`
	}]())
	if err != nil {
		t.Fatal(err)
	}
	want := wire.Schema{
		Attributes: []wire.Attribute{
			{Name: "limit", Type: wire.TypeSize, Default: "10MiB", Min: "1KiB", Max: "1GiB", Doc: "Limit."},
			{Name: "family", Type: wire.TypeString, Default: "any", OneOf: []string{"any", "ipv4", "ipv6"}, Doc: "Family."},
			{Name: "token", Type: wire.TypeString, Sensitive: true, Deprecated: "use secret", Doc: "Token."},
			{Name: "hosts", Type: "list(string)", Min: "1", Doc: "Hosts."},
			{Name: "map", Type: "map(string)", Default: `{"a":"b"}`, Max: "2", Tags: true, Doc: "Map."},
		},
		Blocks: []wire.Block{{Name: "step", Min: 1, Max: 3, Tags: true, Deprecated: "use phase", Doc: "Steps.",
			Schema: wire.Schema{Attributes: []wire.Attribute{{Name: "x", Type: "int", Required: true, Doc: "x"}}}}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if err := got.Check(); err != nil {
		t.Error(err)
	}
}

func TestDescribeRefusesWhatItsOwnSchemaDoesNotAllow(t *testing.T) {
	for name, tc := range map[string]struct {
		of   func() (*wire.Manifest, error)
		want string
	}{
		"default below min": {describing[struct {
			A int `hcl:"a" default:"0" min:"1" doc:"x"`
		}], "the default 0: must be at least 1"},
		"default of no choice": {describing[struct {
			A string `hcl:"a" default:"c" one_of:"a,b" doc:"x"`
		}], "must be one of a, b"},
		"default of another type": {describing[struct {
			A Size `hcl:"a" default:"many" doc:"x"`
		}], `"many" is no size`},
		"default that is no JSON": {describing[struct {
			A map[string]string `hcl:"a" default:"{ a = 1 }" doc:"x"`
		}], "no object in JSON"},
		"min above max": {describing[struct {
			A float64 `hcl:"a" default:"2" min:"3" max:"1" doc:"x"`
		}], "min 3 is above max 1"},
		"min of a text": {describing[struct {
			A string `hcl:"a" min:"3" doc:"x"`
		}], "a string has no min"},
		"max of another type": {describing[struct {
			A int `hcl:"a" max:"3s" doc:"x"`
		}], "no whole number"},
		"name twice": {describing[struct {
			A int `hcl:"a" doc:"x"`
			B int `hcl:"a" doc:"x"`
		}], "the name a stands twice"},
		"sensitive": {describing[struct {
			A int `hcl:"a" sensitive:"very" doc:"x"`
		}], "neither true nor false"},
		"tags of a list": {describing[struct {
			A []string `hcl:"a" tags:"true" doc:"x"`
		}], "keys of a map of texts"},
		"tags of a block": {describing[struct {
			A []struct{} `hcl:"a,block" tags:"some" doc:"x"`
		}], "neither true nor false"},
		"count of a block": {describing[struct {
			A []struct{} `hcl:"a,block" min:"x" doc:"x"`
		}], "must be a number above 0"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := tc.of(); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want it to contain %q", err, tc.want)
			}
		})
	}
}

func describing[C any]() (*wire.Manifest, error) {
	p := Plugin{Name: "p", New: New(func(C, Env) (collectFunc, error) { return nil, nil })}
	return p.Manifest()
}
