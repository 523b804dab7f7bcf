package app

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/config"
)

func TestAPluginsTagsWinOverTheVantagePoints(t *testing.T) {
	vantage := []config.Tag{{Key: "host", Value: "a"}, {Key: "isp", Value: "ct"}}
	tests := map[string]struct {
		own, vantage []config.Tag
		want         string
	}{
		"none":                   {nil, nil, ""},
		"the vantage point's":    {nil, vantage, "host=a isp=ct"},
		"others beside them":     {[]config.Tag{{Key: "line", Value: "1"}}, vantage, "line=1 host=a isp=ct"},
		"one in place of theirs": {[]config.Tag{{Key: "isp", Value: "cu"}}, vantage, "isp=cu host=a"},
		"all in place of theirs": {[]config.Tag{{Key: "isp", Value: "cu"}, {Key: "host", Value: "b"}}, vantage, "isp=cu host=b"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			own, theirs := slices.Clone(tc.own), slices.Clone(tc.vantage)
			var got []string
			for _, tag := range stamp(tc.own, tc.vantage) {
				got = append(got, string(tag.Key)+"="+string(tag.Value))
			}
			if text := strings.Join(got, " "); text != tc.want {
				t.Errorf("tags are %s, want %s", text, tc.want)
			}
			if !slices.Equal(own, tc.own) || !slices.Equal(theirs, tc.vantage) {
				t.Error("the configuration was changed")
			}
		})
	}
}

func TestARetentionOfZeroIsForEver(t *testing.T) {
	if d := retention(0); d >= 0 {
		t.Errorf("0 became %v, which the server takes for its default", d)
	}
	if d := retention(48 * time.Hour); d != 48*time.Hour {
		t.Errorf("48h became %v", d)
	}
}

func TestRecordsGoToARetentionPolicyOfTheSameDatabase(t *testing.T) {
	for bucket, want := range map[string]string{"vedette": "vedette/records", "probes/autogen": "probes/records", "a b": "a b/records"} {
		if got := recordsBucket(bucket); got != want {
			t.Errorf("records of %s go to %s, want %s", bucket, got, want)
		}
	}
}

func TestAskingForDataBeforeThereIsAnySaysWhatToDo(t *testing.T) {
	dir := t.TempDir()
	_, err := NewReader(&config.Config{
		Daemon:   config.Daemon{DataDir: dir},
		InfluxDB: config.InfluxDB{Embedded: true},
	})
	if err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "vedette run") {
		t.Errorf("error is %v, want one that names the directory and the command", err)
	}
}
