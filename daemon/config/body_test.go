package config

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

// alertSchema has what a reader's schema may have.
var alertSchema = wire.Schema{
	Attributes: []wire.Attribute{
		{Name: "when", Type: TypeCondition, Doc: "x"},
		{Name: "notify", Type: wire.ListOf(TypeNotifier), Doc: "x"},
		{Name: "active", Type: TypeHours, Doc: "x"},
		{Name: "every", Type: wire.TypeDuration, Doc: "x"},
	},
	Blocks: []wire.Block{{Name: "level", Labels: []string{"severity"}, Doc: "x", Schema: wire.Schema{
		Attributes: []wire.Attribute{{Name: "when", Type: TypeCondition, Required: true, Doc: "x"}},
	}}},
}

// readAlerts reads the alert blocks of a configuration.
func readAlerts(t *testing.T, text string) ([]*Body, string) {
	t.Helper()
	var bodies []*Body
	_, diags := Read(write(t, t.TempDir(), "config.hcl", text), func(string) Catalog { return testCatalog{} }, func(_ *Config, b *Bodies) {
		bodies = b.Of("alert", alertSchema)
	})
	var out bytes.Buffer
	if err := diags.Write(&out); err != nil {
		t.Fatal(err)
	}
	return bodies, out.String()
}

const channels = `
plugin "alert-notifier" {}
notifier "email" "ops" {
  smtp = "a"
}
notifier "sms" "duty" {}
hours "work" {}
`

func TestAReferenceIsAValue(t *testing.T) {
	bodies, diags := readAlerts(t, channels+`
variable "night" {
  type    = bool
  default = true
}
locals {
  all = [notifier.email.ops, notifier.sms["duty"]]
}
alert "a" {
  notify = [for n in local.all : n if n != notifier.email.ops]
  active = var.night ? hours.work : null
  every  = "90s"
}
alert "b" {
  notify = concat(local.all, [])
}
alert "c" {
  notify = []
}
alert "d" {
}
`)
	if diags != "" {
		t.Fatal(diags)
	}
	type alert struct {
		Notify []string
		Active string
		Every  Seconds
	}
	read := func(i int) (a alert) {
		bodies[i].Into(&a)
		return a
	}
	if a := read(0); !slices.Equal(a.Notify, []string{"sms.duty"}) || a.Active != "work" || a.Every != 90 {
		t.Errorf("a is %+v", a)
	}
	if b := read(1); !slices.Equal(b.Notify, []string{"email.ops", "sms.duty"}) {
		t.Errorf("b is %+v", b)
	}
	if !bodies[2].Has("notify") || read(2).Notify == nil || bodies[3].Has("notify") || read(3).Notify != nil {
		t.Error("an empty list is not told from none")
	}
}

func TestAKeptExpressionKnowsTheElementsOfItsDynamicBlock(t *testing.T) {
	bodies, diags := readAlerts(t, `
locals {
  days = { warning = 21, critical = 7 }
}
alert "cert" {
  when = days < local.days.warning
  dynamic "level" {
    for_each = local.days
    labels   = [level.key]
    content {
      when = days < level.value
    }
  }
}
`)
	if diags != "" {
		t.Fatal(diags)
	}
	for i, want := range []string{"7", "21"} {
		e := bodies[0].Blocks("level")[i].Expression("when")
		comparison, ok := e.Expression.(*hclsyntax.BinaryOpExpr)
		if !ok {
			t.Fatalf("the expression is a %T", e.Expression)
		}
		if v, d := comparison.RHS.Value(e.Context); d.HasErrors() || v.AsBigFloat().String() != want {
			t.Errorf("level %d compares with %#v, want %s", i, v, want)
		}
	}
	if e := bodies[0].Expression("when"); len(e.Variables()) != 2 {
		t.Errorf("the condition refers to %d", len(e.Variables()))
	}
}

func TestWhatAReaderReadsHasNoSecretsInIt(t *testing.T) {
	for _, line := range []string{
		`when = x == var.secret`, `when = x == sensitive("hush")`, `when = x == "${local.made}"`, `notify = var.secret == "" ? [] : [notifier.sms.duty]`,
		`every = var.secret`,
	} {
		_, got := readAlerts(t, channels+`
variable "secret" {
  default   = "hush"
  sensitive = true
}
locals {
  made = "a ${var.secret}"
}
alert "a" {
  `+line+`
}
`)
		if got == "" || strings.Contains(got, hush) {
			t.Errorf("of %s is said\n%s", line, got)
		}
	}
}

func TestAnExpressionOfAMistakeIsNoMistakeOfItsOwn(t *testing.T) {
	bodies, got := readAlerts(t, "locals {\n  limit = nothing\n}\nalert \"a\" {\n  when = x > local.limit\n}\nalert \"b\" {\n  when = null\n}\n")
	if strings.Count(got, "Error:") != 1 || bodies[0].Sound || bodies[1].Has("when") || !bodies[1].Sound {
		t.Errorf("it says\n%s", got)
	}
}

func TestOfBlocksWithTheSameLabelTheFirstIsRead(t *testing.T) {
	bodies, got := readAlerts(t, "alert \"a\" {\n}\nalert \"a\" {\n}\nalert \"b\" {\n}\n")
	if len(bodies) != 2 || !strings.Contains(got, `There is one block alert "a" already, at`) {
		t.Errorf("read %d, and said\n%s", len(bodies), got)
	}
}
