package config

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/redaction"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

var notifierManifest = &wire.Manifest{Name: "alert-notifier", Version: "1.0.0", Roles: []wire.Role{wire.RoleNotifier}, Channels: []wire.ChannelType{
	{Name: "email", MaxBytes: 1000, Config: wire.Schema{
		Attributes: []wire.Attribute{
			{Name: "smtp", Type: "string", Required: true, Doc: "x"},
			{Name: "password", Type: "string", Sensitive: true, Doc: "x"},
			{Name: "to", Type: "list(string)", Doc: "x"},
		},
		Blocks: []wire.Block{{Name: "header", Labels: []string{"name"}, Doc: "x", Schema: wire.Schema{Attributes: []wire.Attribute{{Name: "value", Type: "string", Doc: "x"}}}}},
	}},
	{Name: "sms", Pages: true, Limit: "10/1h", Config: wire.Schema{Attributes: []wire.Attribute{{Name: "number", Type: "string", Doc: "x"}}}},
}}

var oddNotifierManifest = &wire.Manifest{Name: "odd-notifier", Version: "1.0.0", Roles: []wire.Role{wire.RoleNotifier}, Channels: []wire.ChannelType{
	{Name: "fast", Limit: "fast"},
	{Name: "greedy", Config: wire.Schema{Attributes: []wire.Attribute{{Name: "limit", Type: "int", Doc: "x"}}}},
	{Name: "broken", Config: wire.Schema{Attributes: []wire.Attribute{{Name: "x", Type: "int", Default: "y", Doc: "x"}}}},
}}

func TestTheTagsOfAPluginsPointsAreKnown(t *testing.T) {
	cfg, diags := load(t, write(t, t.TempDir(), "config.hcl", `
plugin "http-quality" {
  tags = { isp = "ct" }
  target "a" {
    url    = "x"
    labels = { line = "1", app = "a" }
  }
  target "b" {
    url    = "x"
    labels = { region = "north", line = "2" }
  }
}
plugin "lists" {
  source = "http-quality"
  file_sd {}
}
`))
	if cfg == nil {
		t.Fatal(diags)
	}
	if p := cfg.Plugins[0]; !slices.Equal(p.PointTags, []string{"app", "isp", "line", "region"}) || p.AnyTag {
		t.Errorf("the tags are %v, any: %v", p.PointTags, p.AnyTag)
	}
	if p := cfg.Plugins[1]; len(p.PointTags) > 0 || !p.AnyTag {
		t.Errorf("those of lists are %v, any: %v", p.PointTags, p.AnyTag)
	}
}

func TestANotifierHasWhatItsChannelTypeSays(t *testing.T) {
	path := write(t, t.TempDir(), "config.hcl", `
variable "password" {
  default   = "hush"
  sensitive = true
}
locals {
  duty = notifier.sms.duty
}
plugin "notify" {
  source = "alert-notifier"
}
notifier "email" "ops" {
  smtp     = "smtp.example.com:587"
  password = var.password
  to       = ["ops@example.com"]
  limit    = "18/1m"
  fallback = local.duty
  dynamic "header" {
    for_each = { a = "b" }
    labels   = [header.key]
    content {
      value = header.value
    }
  }
}
notifier "sms" "duty" {
  plugin = "notify"
  number = "110"
}
notifier "sms" "often" {
  limit = "none"
}
`)
	cfg, diags := load(t, path)
	if cfg == nil {
		t.Fatal(diags)
	}
	email, duty, often := cfg.Notifiers[0], cfg.Notifiers[1], cfg.Notifiers[2]
	if email.FullName() != "email.ops" || email.Plugin != "notify" || email.Fallback != "sms.duty" || email.Limit != (Limit{18, time.Minute}) || email.MaxBytes != 1000 || email.Pages {
		t.Errorf("the first is %+v", email)
	}
	want := `{"header":[{"name":"a","value":"b"}],"password":"hush","smtp":"smtp.example.com:587","to":["ops@example.com"]}`
	if string(email.Config) != want {
		t.Errorf("it gets %s\nwant %s", email.Config, want)
	}
	var shown struct{ Password string }
	if err := json.Unmarshal(email.Shown(), &shown); err != nil || shown.Password != redaction.Mark {
		t.Errorf("it is shown as %s", email.Shown())
	}
	if !duty.Pages || duty.Limit != (Limit{10, time.Hour}) || duty.Fallback != "" || duty.At.Start.Line == 0 {
		t.Errorf("the second is %+v", duty)
	}
	if often.Limit != (Limit{}) {
		t.Errorf("the third takes %s", often.Limit)
	}
}
