package main

import (
	"context"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/vedette-monitor/vedette/daemon/supervisor"
	"github.com/vedette-monitor/vedette/examples/plugins/trial"
	"github.com/vedette-monitor/vedette/sdk"
	"github.com/vedette-monitor/vedette/sdk/sdktest"
)

func TestItMeasuresWhatDfMeasures(t *testing.T) {
	d, err := newDisks(config{Mounts: []sdk.Path{"/"}}, sdk.Env{})
	if err != nil {
		t.Fatal(err)
	}
	var out sdktest.Recorder
	if err := d.Collect(context.Background(), &out); err != nil {
		t.Fatal(err)
	}
	df, err := exec.Command("df", "--block-size=1", "--output=size,used,avail", "/").Output()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]float64{}
	for i, text := range strings.Fields(string(df))[3:] {
		var v float64
		for _, digit := range text {
			v = 10*v + float64(digit-'0')
		}
		want[[]string{"total", "used", "free"}[i]] = v
	}
	p := out.Points()[0]
	if len(out.Points()) != 1 || p.Measurement != "disk" || len(p.Tags) != 1 || p.Tags[0].Key != "mount" || p.Tags[0].Value != "/" {
		t.Fatalf("points %v", out.Points())
	}
	for _, f := range p.Fields {
		// Others write to the same disk meanwhile.
		if got := float64(f.GetUint()); got < 0.8*want[f.Key]-1e9 || got > 1.2*want[f.Key]+1e9 {
			t.Errorf("%s is %.0f, and df says %.0f", f.Key, got, want[f.Key])
		}
	}
}

func TestAMountThatIsNotThereCostsNotTheOthers(t *testing.T) {
	d, err := newDisks(config{Mounts: []sdk.Path{"/no/such/mount", "/"}}, sdk.Env{})
	if err != nil {
		t.Fatal(err)
	}
	var out sdktest.Recorder
	if err := d.Collect(context.Background(), &out); err == nil || !strings.Contains(err.Error(), "measuring /no/such/mount: no such file") {
		t.Errorf("the error is %v", err)
	}
	if len(out.Points()) != 1 {
		t.Errorf("points %v", out.Points())
	}
}

func TestItRunsUnderTheDaemon(t *testing.T) {
	program := trial.Build(t, ".", plugin.Name)
	r := trial.Start(t, program, "plugin \"disk-free\" {\n  interval = \"1s\"\n  mounts   = [\"/\", \"/proc\"]\n}\n")
	r.Until("two ticks", func() bool { return len(r.Points()) >= 4 })
	line := regexp.MustCompile(`^disk,mount=(/|/proc) total=\d+i,used=\d+i,free=\d+i \d{19}$`)
	for _, p := range r.Points() {
		if !line.MatchString(p) {
			t.Errorf("a point is %s", p)
		}
	}
	r.StopDrained()
}

func TestAnEmptyListIsRefused(t *testing.T) {
	r := trial.Start(t, trial.Build(t, ".", plugin.Name), "plugin \"disk-free\" {\n  mounts = []\n}\n")
	r.Until("failed", func() bool { return r.State().Phase == supervisor.Failed })
	if cause := r.State().Cause; !strings.Contains(cause, "mounts: name at least one") {
		t.Errorf("the cause is %s", cause)
	}
}
