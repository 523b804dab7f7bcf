package expression

import (
	"fmt"
	"strings"
	"testing"
)

func TestExplainListsWhatAConditionNeedsAndWhatItAsks(t *testing.T) {
	tests := []struct {
		condition string
		values    values
		want      string
	}{
		{
			`!available || http_code < 200 || total_time > local.slow`, values{"available": true, "http_code": 200, "total_time": 2.5},
			"available = true; http_code = 200; total_time = 2.5; (http_code < 200): false; (total_time > 2): true",
		},
		{`total_time > "1500ms" && total_time > "1500ms"`, nil, "total_time = unknown; (total_time > 1.5): unknown"},
		{
			`has(error) && matches(error, "time") && (dns + total_time) / 2 >= 1`, values{"error": "a \"timeout\"\x1b", "dns": 1.0, "total_time": 1.0},
			`error = "a \"timeout\"\x1b"; dns = 1; total_time = 1; has(error): true; matches(error, "time"): true; (((dns + total_time) / 2) >= 1): true`,
		},
		{`in(app, ["a", "b"]) && 1 < 2`, values{"app": "c"}, `app = "c"; in(app, ["a", "b"]): false`},
		{`ratio(http_code >= 500) > 0.05 && count() >= 20`, nil, "ratio((http_code >= 500)) = 0.5; count() = unknown; (ratio((http_code >= 500)) > 0.05): true; (count() >= 20): unknown"},
	}
	for _, tc := range tests {
		l := layout()
		c := compile(t, l, tc.condition, new(Aggregates))
		row := l.NewReader().Read(tc.values.point(t))
		row.Aggregates = []float64{0.5, nothing.num}
		var words []string
		for _, term := range c.Explain(row) {
			word := fmt.Sprintf("%s: %s", term.Text, term.Truth)
			if term.Value != "" {
				word = fmt.Sprintf("%s = %s", term.Text, term.Value)
			}
			words = append(words, word)
		}
		if got := strings.Join(words, "; "); got != tc.want {
			t.Errorf("%s\n  is %s\nwant %s", tc.condition, got, tc.want)
		}
	}
}
