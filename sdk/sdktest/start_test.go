package sdktest_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vedette-monitor/vedette/sdk"
	"github.com/vedette-monitor/vedette/sdk/sdktest"
)

type config struct {
	Name   string        `hcl:"name,optional" doc:"A name."`
	Wait   time.Duration `hcl:"wait" default:"250ms" doc:"How long."`
	Sizes  []int         `hcl:"sizes" default:"[1, 2]" doc:"Sizes."`
	Places []struct {
		Name string `hcl:"name,label"`
		URL  string `hcl:"url" default:"http://localhost/" doc:"Where."`
	} `hcl:"place,block" doc:"Places."`
}

type collector struct{ config }

func newCollector(c config, _ sdk.Env) (*collector, error) {
	if c.Name == "bad" {
		return nil, &sdk.Problem{Path: []string{"name"}, Err: errors.New("it is bad")}
	}
	return &collector{c}, nil
}

func (c *collector) Collect(_ context.Context, out sdk.Emitter) error {
	for _, p := range c.Places {
		out.Emit(sdk.NewPoint("place").Tag("name", p.Name).Tag("by", "a test").String("url", p.URL).Seconds("wait", c.Wait).Int("sizes", int64(len(c.Sizes))).Bool("ok", true))
	}
	return nil
}

func plugin() sdk.Plugin {
	return sdk.Plugin{Name: "places", Version: "1", Doc: "d", New: sdk.New(newCollector)}
}

const places = `{"place":[{"name":"b","url":"http://b/"},{"name":"a"}]}`

func TestAPluginRunsInATestWithItsDefaults(t *testing.T) {
	h := sdktest.Start(t, plugin(), sdktest.Options{Config: places})
	h.Points(2)
	sdktest.Golden(t, "testdata/places.golden", h.Stop())
}

func TestInABubbleTheClockIsTheTests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := sdktest.Start(t, plugin(), sdktest.Options{Config: places, Interval: time.Hour})
		time.Sleep(5*time.Hour + time.Minute)
		if got := len(h.Stop()); got != 12 {
			t.Errorf("in five hours there were %d points, want 2 for each of 6 ticks", got)
		}
	})
}

func TestProblemsHaveTheirPlaces(t *testing.T) {
	got := sdktest.Problems(t, plugin(), sdktest.Options{Config: `{"name":"bad"}`})
	if !slices.Equal(got, []string{"name: it is bad"}) {
		t.Errorf("the problems are %q", got)
	}
	if got := sdktest.Problems(t, plugin(), sdktest.Options{}); got != nil {
		t.Errorf("a sound configuration has the problems %q", got)
	}
}
