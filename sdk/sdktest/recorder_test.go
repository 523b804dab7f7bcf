package sdktest_test

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/vedette-monitor/vedette/sdk"
	"github.com/vedette-monitor/vedette/sdk/sdktest"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

func TestARecorderKeepsPointsAsTheDaemonReadsThem(t *testing.T) {
	var r sdktest.Recorder
	long := strings.Repeat("电", 1000)
	r.Emit(sdk.NewPoint("m").Tag("a", "b").Int("i", -5).String("s", long).At(time.Unix(1, 5)).Update())
	r.Emit(sdk.NewPoint("n").Bool("t", true))
	want := []*wire.Point{
		{
			Measurement: "m", Tags: []*wire.Tag{{Key: "a", Value: "b"}}, Time: 1_000_000_005, Update: true,
			Fields: []*wire.Field{
				{Key: "i", Value: &wire.Field_Int{Int: -5}},
				{Key: "s", Value: &wire.Field_String_{String_: long}},
			},
		},
		{Measurement: "n", Fields: []*wire.Field{{Key: "t", Value: &wire.Field_Bool{Bool: true}}}},
	}
	got := r.Points()
	if len(got) != len(want) {
		t.Fatalf("kept %d points of %d", len(got), len(want))
	}
	for i := range want {
		if !proto.Equal(got[i], want[i]) {
			t.Errorf("point %d is %v, want %v", i, got[i], want[i])
		}
	}
}
