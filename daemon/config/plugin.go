package config

import (
	"encoding/json"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/dynblock"
	"github.com/zclconf/go-cty/cty"

	"github.com/vedette-monitor/vedette/daemon/process"
	"github.com/vedette-monitor/vedette/daemon/redaction"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// Plugin is a plugin block.
type Plugin struct {
	// Name is the block's label: the name of the instance. Source says which program serves it.
	Name     string
	Source   string
	Enabled  bool
	Tags     []Tag
	Interval time.Duration
	Timeout  time.Duration
	// Env may hold secrets: it is not to be shown.
	Env map[string]string
	// Account is the user that the plugin runs as; nil for the daemon's.
	Account *process.Account
	// Nice is nil for that of the daemon; MemoryLimit is in bytes, or 0 for none.
	Nice        *int
	MemoryLimit int64
	// MaxSeries is how many series the plugin may make.
	MaxSeries int
	Manifest  *wire.Manifest
	// PointTags are the names of the tags that the block gives to points: its own, and the labels of targets. With AnyTag there are
	// further ones, which come from elsewhere.
	PointTags []string
	AnyTag    bool
	// SHA256 is that of the program, in hexadecimal. Pinned says that the lock file has it.
	SHA256 string
	Pinned bool
	// Config is the rest of the block as JSON: see ConfigureRequest in plugin.proto.
	Config []byte
	// Secrets are the places in Config that are not to be shown, as paths of a wire.Problem.
	Secrets [][]string
	// SecretTexts are the secrets themselves, with those of Env: what the plugin says is shown without them.
	SecretTexts []string
}

// Shown is Config without its secrets.
func (p *Plugin) Shown() []byte { return shown(p.Config, p.Secrets) }

// shown is a configuration in JSON without what is at the paths.
func shown(config []byte, secrets [][]string) []byte {
	if len(secrets) == 0 {
		return config
	}
	var all any
	if err := json.Unmarshal(config, &all); err != nil {
		panic("config: a plugin's configuration is no JSON: " + err.Error())
	}
	for _, path := range secrets {
		all = covered(all, path)
	}
	without, err := json.Marshal(all)
	if err != nil {
		panic("config: what was JSON is none any more: " + err.Error())
	}
	return without
}

// covered replaces what is at the path.
func covered(v any, path []string) any {
	if len(path) == 0 {
		return redaction.Mark
	}
	switch v := v.(type) {
	case map[string]any:
		v[path[0]] = covered(v[path[0]], path[1:])
	case []any:
		if i, ok := indexOf(path[0], len(v)); ok {
			v[i] = covered(v[i], path[1:])
		}
	}
	return v
}

func (d *decoder) plugin(block *hcl.Block, catalog Catalog) (Plugin, bool) {
	body := dynblock.Expand(block.Body, d.scope.context(block.DefRange.Filename), dynblock.OptCheckForEach(checkForEach))
	own, rest := d.partial(body, pluginSchema, block.DefRange)
	v := struct {
		Source   *string           `json:"source"`
		Enabled  bool              `json:"enabled"`
		Tags     map[string]string `json:"tags"`
		Interval Seconds           `json:"interval"`
		Timeout  *Seconds          `json:"timeout"`
		Env      map[string]string `json:"env"`

		User        string `json:"user"`
		Nice        *int   `json:"nice"`
		MemoryLimit int64  `json:"memory_limit"`
		MaxSeries   int    `json:"max_series"`
	}{}
	own.value.into(&v)
	name := block.Labels[0]
	p := Plugin{Name: name, Source: name, Enabled: v.Enabled, Tags: tags(v.Tags), Interval: v.Interval.Duration(), Env: v.Env,
		Nice: v.Nice, MemoryLimit: v.MemoryLimit, MaxSeries: v.MaxSeries}
	p.Timeout = p.Interval
	if v.Timeout != nil {
		p.Timeout = v.Timeout.Duration()
	}
	sourceRange := block.LabelRanges[0]
	if v.Source != nil {
		p.Source, sourceRange = *v.Source, own.at("source")
		if strings.ContainsRune(p.Source, filepath.Separator) && !filepath.IsAbs(p.Source) {
			p.Source = filepath.Join(filepath.Dir(sourceRange.Filename), p.Source)
			if absolute, err := filepath.Abs(p.Source); err == nil {
				p.Source = absolute
			}
		}
	}
	if own.arguments["source"].secret {
		d.fail(sourceRange, "Sensitive source", "The name of a program shows, so it can not come from a sensitive value.")
	}
	if own.arguments["source"].failed || own.arguments["source"].secret {
		return p, false
	}
	if !tagName.MatchString(name) {
		d.fail(block.LabelRanges[0], "Invalid plugin name",
			"%q can not be the label of a plugin: use letters, digits, dots, dashes and underscores.", name)
		return p, false
	}
	if !d.checkLength(block.Type, name, block.LabelRanges[0]) {
		return p, false
	}
	for _, key := range sortedKeys(v.Env) {
		// What is wrong is not shown: it may be a secret.
		switch {
		case key == "" || strings.ContainsAny(key, "=\x00"):
			d.fail(own.place([]string{"env", key}), "Invalid environment variable", "The name of an environment variable must not be empty, and must have no = and no character 0 in it.")
		case strings.Contains(v.Env[key], "\x00"):
			d.fail(own.place([]string{"env", key}), "Invalid environment variable", "The value of an environment variable must have no character 0 in it.")
		}
	}
	for _, key := range sortedKeys(v.Tags) {
		if own.arguments["tags"].secret {
			d.fail(own.at("tags"), "Sensitive tag", "%s", sensitiveTag)
			break
		}
		d.checkTagName(key, own.place([]string{"tags", key}))
		d.checkTagValue(key, v.Tags[key], own.place([]string{"tags", key}))
	}
	if !d.account(&p, own, v.User) {
		return p, false
	}
	manifest, sum, ok := d.manifest(p, sourceRange, catalog)
	if !ok {
		return p, false
	}
	p.Manifest = manifest
	d.pin(&p, sum, sourceRange)
	before, unknown := d.errors(), d.unknown
	b := d.decode(rest, manifest.Config, block.DefRange)
	p.Config, p.Secrets = b.value.json(), b.secretPaths()
	p.SecretTexts = append(own.secretTexts(), b.secretTexts()...)
	p.PointTags = append(p.PointTags, sortedKeys(v.Tags)...)
	p.pointTags(b.value, manifest.Config)
	slices.Sort(p.PointTags)
	p.PointTags = slices.Compact(p.PointTags)
	// What is wrong may be a label, and is no reason to complain of who uses it.
	p.AnyTag = p.AnyTag || d.errors() > before || d.unknown > unknown
	// A plugin that is left out may lack what it needs, and one whose configuration is wrong already would complain of
	// what follows from that.
	if manifest.Validates && p.Enabled && d.errors() == before && d.unknown == unknown {
		d.ask(p, b, sourceRange, catalog)
	}
	return p, true
}

// pointTags gathers the tags that the body of a plugin block gives to points.
func (p *Plugin) pointTags(body object, schema wire.Schema) {
	for _, a := range schema.Attributes {
		if named, ok := body[a.Name].(map[string]any); ok && a.Tags {
			p.PointTags = append(p.PointTags, sortedKeys(named)...)
		}
	}
	for _, s := range schema.Blocks {
		list, _ := body[s.Name].([]object)
		if single, ok := body[s.Name].(object); ok {
			list = []object{single}
		}
		p.AnyTag = p.AnyTag || s.Tags && len(list) > 0
		for _, inner := range list {
			p.pointTags(inner, s.Schema)
		}
	}
}

// account finds the user that the plugin runs as. A plugin whose user is in doubt is not asked for its description: it
// would be as somebody else.
func (d *decoder) account(p *Plugin, own *decoded, name string) bool {
	if p.MemoryLimit > 0 && !process.MeasuresMemory {
		d.reject(own, "memory_limit", "No memory limit", "On this system the daemon can not hold a plugin to a memory_limit.")
	}
	if _, there := own.arguments["user"]; !there {
		return true
	}
	if name == "" {
		d.reject(own, "user", "Unknown user", "user is empty. Name a user, or leave it out.")
		return false
	}
	var err error
	if p.Account, err = process.LookupAccount(name); err != nil {
		d.reject(own, "user", "Unknown user", "%s.", capital(err.Error()))
	}
	return err == nil
}

// manifest is the description of a plugin that can be used, and the SHA256 of its program.
func (d *decoder) manifest(p Plugin, at hcl.Range, catalog Catalog) (m *wire.Manifest, sum string, ok bool) {
	source := p.Source
	manifest, sum, err := catalog.Inspect(source, p.Account, func(sum string) error {
		return d.lock.Check(Place(d.path, source), sum, d.requireLock)
	})
	switch {
	case d.refuse(at, err):
		return nil, "", false
	case errors.Is(err, fs.ErrNotExist):
		names := catalog.Names()
		d.fail(at, "Unknown plugin", "%s.%s Installed are: %s.",
			capital(err.Error()), didYouMean(source, names), strings.Join(names, ", "))
		return nil, "", false
	case err != nil:
		d.fail(at, "Plugin can not be used", "%s.", capital(err.Error()))
		return nil, "", false
	}
	for _, a := range manifest.Config.Attributes {
		if slices.Contains(wire.Reserved, a.Name) {
			d.fail(at, "Plugin can not be used", "The plugin %s %s has an argument %q, a name that the daemon keeps for itself.",
				manifest.Name, manifest.Version, a.Name)
			return nil, "", false
		}
	}
	if err := manifest.Check(); err != nil {
		d.fail(at, "Plugin can not be used", "The plugin %s %s describes itself in a way that this daemon can not use: %s.",
			manifest.Name, manifest.Version, err)
		return nil, "", false
	}
	return manifest, sum, true
}

// maxProblems is how many mistakes a plugin is let to complain of at once.
const maxProblems = 20

// ask lets the plugin check what its schema can not say.
func (d *decoder) ask(p Plugin, b *decoded, at hcl.Range, catalog Catalog) {
	problems, err := catalog.Validate(p.Source, p.Config, p.Account)
	redactor := redaction.NewRedactor(b.secretTexts())
	if err != nil {
		d.fail(at, "Plugin can not be used", "%s.", capital(redactor.Redact(err.Error())))
		return
	}
	if more := len(problems) - maxProblems; more > 0 {
		problems = problems[:maxProblems]
		d.fail(at, "More mistakes", "The plugin complains of %d more mistakes than the %d that are shown: mend those first.", more, maxProblems)
	}
	for _, problem := range problems {
		// A plugin may say anything: what moves a cursor does not belong on a terminal.
		summary, detail := printable(redactor.Redact(problem.Summary)), printable(redactor.Redact(problem.Detail))
		if detail == "" {
			summary, detail = "Invalid value", summary
		}
		if !beginsWithName(detail, problem.Path) {
			detail = capital(detail)
		}
		d.fail(b.place(problem.Path), capital(summary), "%s%s", ended(detail), b.note(problem.Path))
	}
}

// beginsWithName reports whether a text begins with the name of an argument, which keeps its form.
func beginsWithName(text string, path []string) bool {
	return slices.ContainsFunc(path, func(step string) bool { return strings.HasPrefix(text, step+" ") })
}

// checkForEach refuses what dynblock would make blocks of, and then show or complain of.
func checkForEach(v cty.Value, expr hcl.Expression, _ *hcl.EvalContext) hcl.Diagnostics {
	at := expr.Range()
	switch {
	case v.IsMarked():
		return hcl.Diagnostics{{
			Severity: hcl.DiagError, Summary: "Sensitive for_each", Subject: &at,
			Detail: "The number of blocks shows, so it can not come from a sensitive value. " +
				"If what is gone through is no secret, say nonsensitive(…).",
		}}
	case !v.IsKnown():
		return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: followUp, Subject: &at}}
	}
	return nil
}
