package label

import (
	"strings"
	"testing"
)

func TestAMatchIsAConditionOnLabels(t *testing.T) {
	incident := map[string]string{"alert": "site_down", "severity": "critical", "team": "web", "site": ""}
	for text, want := range map[string]bool{
		`alert == "site_down"`:                            true,
		`alert == "site_down" && severity == "warning"`:   false,
		`team == "web" || team == "db"`:                   true,
		`host == ""`:                                      true,
		`host != "h1"`:                                    true,
		`contains(["warning", "critical"], severity)`:     true,
		`startswith(alert, "site_") && !(team == "mail")`: true,
		`matches(team, "^w")`:                             true,
	} {
		m, diags := Parse(text, []string{"team", "host"})
		if diags.HasErrors() {
			t.Errorf("%s: %s", text, diags)
			continue
		}
		if got := m.Holds(incident); got != want {
			t.Errorf("%s is %v", text, got)
		}
	}
	if !(*Match)(nil).Holds(incident) {
		t.Error("no condition does not match everything")
	}
}

func TestALabelThatNobodyHasIsAnErrorWithASuggestion(t *testing.T) {
	_, diags := Parse(`temm == "web"`, []string{"team", "host"})
	if !diags.HasErrors() || !strings.Contains(diags.Error(), `No alert has a label "temm". Did you mean "team"?`) {
		t.Errorf("%v", diags)
	}
}
