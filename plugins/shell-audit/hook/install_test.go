package hook

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// snapshot is every file below a root with its mode and content.
func snapshot(t *testing.T, root string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		st, _ := d.Info()
		all[path] = st.Mode().String() + " " + string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func newTree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestUninstallLeavesEveryFileAsItWas(t *testing.T) {
	for what, files := range map[string]map[string]string{
		"debian":            {"etc/bash.bashrc": "a=1\n", "etc/zsh/zshrc": "b=1\n", "etc/fish/config.fish": "\n"},
		"fedora":            {"etc/bashrc": "a=1\n", "etc/zshrc": "b=1\n"},
		"nothing":           {},
		"no end of line":    {"etc/bash.bashrc": "a=1", "etc/zsh/zshrc": "# b"},
		"empty files":       {"etc/bash.bashrc": "", "etc/zsh/zshrc": ""},
		"already a library": {"usr/lib/vedette/vedette": "a program"},
	} {
		t.Run(what, func(t *testing.T) {
			root := newTree(t, files)
			before := snapshot(t, root)
			o := Options{Root: root, Library: library, Version: "1.0", Notice: "it's \\ \"$x\" `y`"}
			if err := Install(o); err != nil {
				t.Fatal(err)
			}
			once := snapshot(t, root)
			if err := Install(o); err != nil {
				t.Fatal(err)
			}
			if twice := snapshot(t, root); !maps.Equal(once, twice) {
				t.Errorf("a second Install changed something: %v", twice)
			}
			o.Version, o.RespectIgnoreSpace = "2.0", true
			if err := Install(o); err != nil {
				t.Fatal(err)
			}
			for _, s := range inspect(t, root) {
				if s.State != Installed || s.Version != "2.0" || s.Library != (s.Shell == "bash") {
					t.Errorf("after Install the status is %+v", s)
				}
			}
			if err := Uninstall(root); err != nil {
				t.Fatal(err)
			}
			if after := snapshot(t, root); !maps.Equal(before, after) {
				t.Errorf("Uninstall left %q, before there was %q", after, before)
			}
			for _, s := range inspect(t, root) {
				if s.State != Absent {
					t.Errorf("after Uninstall the status is %+v", s)
				}
			}
		})
	}
}

func inspect(t *testing.T, root string) []Status {
	t.Helper()
	all, err := Inspect(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 3 {
		t.Fatalf("there are %d shells", len(all))
	}
	return all
}

func TestWhatOthersAddAfterTheBlockStays(t *testing.T) {
	root := newTree(t, map[string]string{"etc/bash.bashrc": "a=1"})
	if err := Install(Options{Root: root, Shells: []string{"bash"}}); err != nil {
		t.Fatal(err)
	}
	path := root + "/etc/bash.bashrc"
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = f.WriteString("b=2\n")
	_ = f.Close()
	if err := Uninstall(root); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(path); string(text) != "a=1\nb=2\n" {
		t.Errorf("the file has %q", text)
	}
}

func TestStatusNamesWhatWasChangedByHand(t *testing.T) {
	for what, change := range map[string]func(root string) error{
		"was changed": func(root string) error {
			return os.WriteFile(root+"/usr/lib/vedette/audit.bash", []byte("# Vedette's audit of commands, 1, sha256 00\n"), 0o644)
		},
		"is missing":   func(root string) error { return os.Remove(root + "/" + profile) },
		"has no block": func(root string) error { return os.WriteFile(root+"/etc/bash.bashrc", []byte("a=1\n"), 0o644) },
		"has a block that was changed": func(root string) error {
			text, err := os.ReadFile(root + "/etc/bash.bashrc")
			if err != nil {
				return err
			}
			return os.WriteFile(root+"/etc/bash.bashrc", []byte(strings.Replace(string(text), "if [", "false && if [", 1)), 0o644)
		},
	} {
		root := newTree(t, map[string]string{"etc/bash.bashrc": "a=1\n"})
		if err := Install(Options{Root: root}); err != nil {
			t.Fatal(err)
		}
		if err := change(root); err != nil {
			t.Fatal(err)
		}
		if s := inspect(t, root)[0]; s.State != Changed || !strings.HasSuffix(s.Detail, what) {
			t.Errorf("where something %s the status is %+v", what, s)
		}
		if err := Install(Options{Root: root}); err != nil {
			t.Fatal(err)
		}
		if s := inspect(t, root)[0]; s.State != Installed {
			t.Errorf("Install did not mend what %s: %+v", what, s)
		}
	}
}

func TestInstallRefusesWhatItCanNotDoWell(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "bashrc")
	if err := os.WriteFile(outside, []byte("mine\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what, want string
		options    Options
		prepare    func(root string) error
	}{
		{"a link that leads out", "not a plain file", Options{}, func(root string) error { return os.Symlink(outside, root+"/etc/bash.bashrc") }},
		{"a directory that leads out", "escapes", Options{}, func(root string) error { return os.Symlink(filepath.Dir(outside), root+"/usr") }},
		{"a file that is not valid", "would not be valid", Options{}, func(root string) error {
			return os.WriteFile(root+"/etc/bash.bashrc", []byte("if true; then\n"), 0o644)
		}},
		{"a block without an end", "has no end", Options{}, func(root string) error {
			return os.WriteFile(root+"/etc/bash.bashrc", []byte(blockBegins+wholeLine), 0o644)
		}},
		{"a shell that has no hook", "bash, zsh and fish", Options{Shells: []string{"tcsh"}}, nil},
		{"a notice of two lines", "one line", Options{Notice: "a\nb"}, nil},
		{"a library that is not there", "make build", Options{Library: "/nonexistent/x.so"}, nil},
		{"a socket that is too long", "longer than", Options{Socket: "/" + strings.Repeat("x", 107)}, nil},
	} {
		root := newTree(t, map[string]string{"etc/keep": "\n"})
		if c.prepare != nil {
			if err := c.prepare(root); err != nil {
				t.Fatal(err)
			}
		}
		before, _ := os.ReadFile(root + "/etc/bash.bashrc")
		c.options.Root = root
		err := Install(c.options)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.what, err)
		}
		if after, _ := os.ReadFile(root + "/etc/bash.bashrc"); string(after) != string(before) {
			t.Errorf("%s: the file became %q", c.what, after)
		}
		if left, _ := filepath.Glob(root + "/etc/.vedette-*"); len(left) > 0 {
			t.Errorf("%s: left are %v", c.what, left)
		}
	}
	if text, _ := os.ReadFile(outside); string(text) != "mine\n" {
		t.Errorf("the file outside has %q", text)
	}
}

func FuzzABlockIsTakenOutWithoutATrace(f *testing.F) {
	f.Add("a\n", "line\n")
	f.Add("a", "line\n")
	f.Add("", "line\n")
	f.Fuzz(func(t *testing.T, text, line string) {
		if strings.Contains(text+line, "vedette audit") {
			return
		}
		line = strings.ReplaceAll(line, "\n", "") + "\n"
		rest, got, own, err := without(with([]byte(text), line))
		if err != nil || own || string(rest) != text || got != line {
			t.Errorf("of %q with %q there is %q with %q, %v", text, line, rest, got, err)
		}
	})
}
