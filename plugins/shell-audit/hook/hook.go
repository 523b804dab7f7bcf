// Package hook is the audit's part in the users' shells: what bash, zsh and fish run at their start, and how it gets there.
//
// Install puts the builtin for bash and the scripts in place and adds a marked block to the system's start-up files of each shell that the
// machine has. It may be repeated. A file is replaced whole, keeps its mode and owner, and is shown to its shell with -n before.
// Symbolic links are not followed out of Root, and not replaced. Uninstall leaves every file with the bytes that it had. Status tells what is in place, and whether
// somebody has changed it.
//
// Nothing here prints, and nothing runs in scripts, in scp, or in the command of an ssh: interactive shells alone are hooked.
package hook

import (
	"embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed scripts
var scripts embed.FS

// Library is the name of the builtin's file, which is built beside the plugin.
const Library = "vedette-audit.so"

// Where things are, below Root.
const (
	libraryDir = "usr/lib/vedette"
	profile    = "etc/profile.d/zz-vedette-audit.sh"
	fishFile   = "etc/fish/conf.d/vedette-audit.fish"
)

// DefaultSpool and DefaultSocket are where hooks write and tell, below Root.
const (
	DefaultSpool  = "/var/spool/vedette/audit"
	DefaultSocket = "/run/vedette/audit.sock"
)

// Options are what hooks are installed with.
type Options struct {
	// Root is "/", or the root of a tree that tests use. The paths in the scripts contain it.
	Root string
	// Version is written into what is installed.
	Version string
	// Library is the builtin for bash that is copied. Without it bash has the script that does with builtins alone.
	Library string
	// Spool and Socket, below Root, are where records go. Empty ones are the defaults.
	Spool, Socket string
	// Notice is one line that an interactive login on a terminal shows. Empty is none.
	Notice string
	// RespectIgnoreSpace leaves commands with a leading space out if their user keeps them out of the shell's history.
	RespectIgnoreSpace bool
	// Shells are those to hook: bash, zsh, fish. Nil is all that the machine has.
	Shells []string
}

// Uninstall removes what Install has put below the root.
func Uninstall(root string) error {
	t, err := open(root)
	if err != nil {
		return err
	}
	defer t.close()
	var all []error
	for _, s := range known {
		for _, path := range s.startup {
			all = append(all, t.strip(path))
		}
	}
	for _, path := range owned {
		all = append(all, t.remove(path))
	}
	_ = t.root.Remove(libraryDir) // unless there is more of Vedette in it
	return errors.Join(all...)
}

// owned are the files that are Vedette's alone.
var owned = []string{
	profile, fishFile,
	libraryDir + "/" + Library, libraryDir + "/audit.bash", libraryDir + "/audit-plain.bash", libraryDir + "/audit.zsh",
}

// Install puts the hooks in place, or brings them up to date.
func Install(o Options) error {
	if err := o.check(); err != nil {
		return err
	}
	t, err := open(o.Root)
	if err != nil {
		return err
	}
	defer t.close()
	var wrong []error // of one shell, which costs no other its hook
	for _, s := range known {
		if o.Shells != nil && !slices.Contains(o.Shells, s.name) {
			continue
		}
		interpreter := s.interpreter()
		if interpreter == "" {
			if o.Shells != nil {
				return fmt.Errorf("%s is to be hooked, and is not installed on this machine", s.name)
			}
			continue
		}
		if err := s.install(t, o, interpreter); err != nil {
			wrong = append(wrong, fmt.Errorf("hooking %s: %w", s.name, err))
		}
	}
	return errors.Join(wrong...)
}

func (o *Options) check() error {
	if strings.ContainsAny(o.Notice, "\n\r\x1b") {
		return errors.New("the login notice must be one line of plain text")
	}
	for _, s := range o.Shells {
		if !slices.ContainsFunc(known, func(k shell) bool { return k.name == s }) {
			return fmt.Errorf("there is no hook for the shell %q: those with one are bash, zsh and fish", s)
		}
	}
	if o.Library != "" {
		if _, err := os.Stat(o.Library); err != nil {
			return fmt.Errorf("reading the builtin for bash: %w; make build makes it", err)
		}
	}
	for _, p := range []struct {
		path     *string
		fallback string
		limit    int
	}{{&o.Spool, DefaultSpool, 200}, {&o.Socket, DefaultSocket, 107}} {
		if *p.path == "" {
			*p.path = p.fallback
		}
		*p.path = filepath.Join("/", o.Root, *p.path)
		if len(*p.path) > p.limit || strings.ContainsAny(*p.path, "\n\r") {
			return fmt.Errorf("the path %q is longer than the %d bytes that it may have, or has a line break", *p.path, p.limit)
		}
	}
	return nil
}

// script is an embedded script with its settings, and a first line by which Status knows it.
func (o Options) script(name string) ([]byte, error) {
	body, err := scripts.ReadFile("scripts/" + name)
	if err != nil {
		return nil, err
	}
	ignorespace := ""
	if o.RespectIgnoreSpace {
		ignorespace = "ignorespace"
	}
	format := "%s=%s\n"
	if strings.HasSuffix(name, ".fish") {
		format = "set -g %s %s\n"
	}
	var b strings.Builder
	for _, s := range [][2]string{
		{"spool", o.Spool}, {"socket", o.Socket}, {"library", filepath.Join("/", o.Root, libraryDir, Library)},
		{"ignorespace", ignorespace}, {"notice", o.Notice},
	} {
		if used := "_vedette_audit_" + s[0]; strings.Contains(string(body), "$"+used) {
			fmt.Fprintf(&b, format, used, quote(s[1], strings.HasSuffix(name, ".fish")))
		}
	}
	return seal(o.Version, append([]byte(b.String()), body...)), nil
}

// quote makes one word of a shell, or of fish, in which a backslash counts between quotes.
func quote(s string, fish bool) string {
	if fish {
		return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
