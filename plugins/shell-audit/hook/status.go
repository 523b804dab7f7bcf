package hook

import (
	"maps"
	"regexp"
	"slices"
)

// State is how a shell stands.
type State string

// The states.
const (
	Installed   State = "installed"
	Changed     State = "changed by hand"
	Absent      State = "absent"
	ShellAbsent State = "shell not there"
)

// Status is how the hook of one shell stands.
type Status struct {
	Shell string
	State State
	// Version is that of the installed hook.
	Version string
	// Detail names the first file that is not as it was installed.
	Detail string
	// Library is whether bash has its builtin; without it commands are recorded when they end, as the history knows them.
	Library bool
}

// Inspect tells for each shell whether its hook is in place.
func Inspect(root string) ([]Status, error) {
	t, err := open(root)
	if err != nil {
		return nil, err
	}
	defer t.close()
	var all []Status
	for _, s := range known {
		status, err := s.inspect(t)
		if err != nil {
			// It is a finding of this shell, and hides nothing of the others.
			status = Status{Shell: s.name, State: Changed, Detail: err.Error()}
		}
		all = append(all, status)
	}
	return all, nil
}

func (s shell) inspect(t *tree) (Status, error) {
	status := Status{Shell: s.name, State: Installed, Library: s.name == "bash" && t.exists(libraryDir+"/"+Library)}
	present, wrong := 0, ""
	note := func(name, what string) {
		if wrong == "" {
			wrong = t.at(name) + " " + what
		}
	}
	paths := []string{}
	for path := range s.files {
		paths = append(paths, path)
	}
	if s.name == "bash" {
		paths = append(paths, profile)
	}
	for _, path := range paths {
		text, st, err := t.read(path)
		if err != nil {
			return status, err
		}
		if st == nil {
			note(path, "is missing")
			continue
		}
		present++
		version, whole := unseal(text)
		if !whole {
			note(path, "was changed")
		}
		status.Version = max(status.Version, version)
	}
	if s.script != "" {
		n, err := s.inspectBlocks(t, note)
		if err != nil {
			return status, err
		}
		present += n
	}
	switch {
	case s.interpreter() == "" && present == 0:
		status.State = ShellAbsent
	case present == 0:
		status.State = Absent
	case wrong != "":
		status.State, status.Detail = Changed, wrong
	}
	return status, nil
}

// inspectBlocks counts the start-up files with a block, and notes those that lack it or have another.
func (s shell) inspectBlocks(t *tree, note func(name, what string)) (int, error) {
	wanted := sourcing(t.name, s.script)
	blocks := 0
	for _, path := range s.startup {
		text, st, err := t.read(path)
		if err != nil {
			return 0, err
		}
		if st == nil {
			continue
		}
		_, line, _, err := without(text)
		switch {
		case err != nil:
			note(path, "has a block that was changed")
		case line == "":
			note(path, "has no block")
			continue
		case line != wanted:
			note(path, "has a block that was changed")
		}
		blocks++
	}
	if blocks == 0 {
		note(s.startup[0], "has no block")
	}
	return blocks, nil
}

var installedSpool = regexp.MustCompile(`_vedette_audit_spool[= ]'([^']*)'`)

// Spools are the directories to which what is installed writes; none if nothing is.
func Spools(root string) ([]string, error) {
	t, err := open(root)
	if err != nil {
		return nil, err
	}
	defer t.close()
	var all []string
	for _, s := range known {
		for _, name := range slices.Sorted(maps.Keys(s.files)) {
			text, _, err := t.read(name)
			if err != nil {
				return nil, err
			}
			if found := installedSpool.FindSubmatch(text); found != nil {
				all = append(all, string(found[1]))
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}
