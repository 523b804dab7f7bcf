package hook

import (
	"fmt"
	"os"
	"path/filepath"
)

// shell is how one shell is hooked.
type shell struct {
	name string
	// startup are the start-up files that may get a block. All that are there do; if none is, the one that fallback tells.
	startup  []string
	fallback func(*tree) string
	// script is what a block sources; files are the scripts by where they go.
	script string
	files  map[string]string
}

var known = []shell{
	{
		name: "bash", startup: []string{"etc/bash.bashrc", "etc/bashrc"}, script: libraryDir + "/audit.bash",
		fallback: func(*tree) string { return "etc/bash.bashrc" },
		files:    map[string]string{libraryDir + "/audit.bash": "audit.bash", libraryDir + "/audit-plain.bash": "audit-plain.bash"},
	},
	{
		name: "zsh", startup: []string{"etc/zsh/zshrc", "etc/zshrc"}, script: libraryDir + "/audit.zsh",
		fallback: func(t *tree) string {
			if t.exists("etc/zsh") {
				return "etc/zsh/zshrc"
			}
			return "etc/zshrc"
		},
		files: map[string]string{libraryDir + "/audit.zsh": "audit.zsh"},
	},
	{name: "fish", files: map[string]string{fishFile: "audit.fish"}},
}

// interpreter is the path of the shell on this machine, or empty. A daemon's PATH is not a user's, so it does not count.
func (s shell) interpreter() string {
	for _, dir := range []string{"/usr/bin", "/bin", "/usr/local/bin"} {
		path := filepath.Join(dir, s.name)
		if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
			return path
		}
	}
	return ""
}

// install puts the scripts first and the blocks that source them last, so that no shell starts in between with half of it.
func (s shell) install(t *tree, o Options, interpreter string) error {
	if s.name == "bash" && o.Library != "" {
		library, err := os.ReadFile(o.Library)
		if err != nil {
			return err
		}
		if err := t.write(libraryDir+"/"+Library, library, 0o644, ""); err != nil {
			return err
		}
	}
	for path, name := range s.files {
		text, err := o.script(name)
		if err != nil {
			return err
		}
		if err := t.write(path, text, 0o644, interpreter); err != nil {
			return err
		}
	}
	if s.script == "" {
		return nil
	}
	source := quote(filepath.Join("/", o.Root, s.script), false)
	if s.name == "bash" {
		// Login shells of other kinds read the profile too.
		text := fmt.Sprintf("case ${BASH_VERSION:+$-} in *i*) if [ -r %[1]s ]; then . %[1]s; fi ;; esac\n", source)
		if err := t.write(profile, seal(o.Version, []byte(text)), 0o644, interpreter); err != nil {
			return err
		}
	}
	line := sourcing(o.Root, s.script)
	found := false
	for _, path := range s.startup {
		if t.exists(path) {
			found = true
			if err := t.insert(path, line, interpreter); err != nil {
				return err
			}
		}
	}
	if found {
		return nil
	}
	return t.insert(s.fallback(t), line, interpreter)
}

// sourcing is the line of a block.
func sourcing(root, script string) string {
	return fmt.Sprintf("if [ -r %[1]s ]; then . %[1]s; fi\n", quote(filepath.Join("/", root, script), false))
}
