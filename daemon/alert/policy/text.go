package policy

import (
	"github.com/vedette-monitor/vedette/daemon/alert/template"
	"github.com/vedette-monitor/vedette/daemon/config"
)

// texts compiles what is said of an alert's incidents.
func (l *loader) texts(b *config.Body, a *Alert, m *measurement) {
	for name, to := range map[string]**template.Template{"summary": &a.Summary, "detail": &a.Detail, "link": &a.Link} {
		e := b.Expression(name)
		if e == nil {
			continue
		}
		compiled, diags := template.Compile(e.Expression, e.Context, m.names(e))
		l.Report(diags)
		*to = compiled
	}
}
