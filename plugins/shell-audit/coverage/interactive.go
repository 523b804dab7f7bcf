package coverage

import (
	"path"
	"slices"
	"strings"
)

// takes are the options of shells that take the next argument: short ones by their letters.
var takes = map[string]struct {
	short string
	long  []string
}{
	"bash": {"oO", []string{"--rcfile", "--init-file"}},
	"zsh":  {"o", []string{"--emulate"}},
	"fish": {"CdDfo", []string{"--init-command", "--debug", "--debug-output", "--features", "--profile", "--profile-startup", "--debug-stack-frames"}},
}

// commands are the long options that give a shell what to run.
var commands = []string{"--command"}

// asks are the long options after which a shell only says something and ends.
var asks = []string{"--version", "--help", "--dump-strings", "--dump-po-strings", "--no-execute", "--print-rusage-self", "--print-debug-categories"}

// wants is what arguments say of where a shell's commands come from.
type wants int

const (
	// typed: from a terminal, if its input is one.
	typed wants = iota
	// forced: from its input, whatever that is, as if somebody typed.
	forced
	// given: from the arguments or a file.
	given
)

// wanted reads a shell's arguments, without its name.
func wanted(shell string, args []string) wants {
	with, known := takes[shell]
	if !known {
		with.short = "o"
	}
	how := typed
	for i := 0; i < len(args); i++ {
		arg := args[i]
		name, _, inline := strings.Cut(arg, "=")
		switch {
		case arg == "--" || arg == "-":
			if i+1 < len(args) && how != forced {
				return given
			}
			return how
		case slices.Contains(commands, name), slices.Contains(asks, name):
			return given
		case arg == "--interactive":
			how = forced
		case strings.HasPrefix(arg, "--"):
			if !inline && slices.Contains(with.long, name) {
				i++
			}
		case len(arg) > 1 && (arg[0] == '-' || arg[0] == '+'):
			for at := 1; at < len(arg); at++ {
				letter := arg[at]
				switch {
				case letter == 'c' && arg[0] == '-', shell == "fish" && strings.IndexByte("nv", letter) >= 0:
					return given
				case letter == 's' && arg[0] == '-' && shell != "fish": // what follows are only the script's arguments
					return how
				case letter == 'i' && arg[0] == '-':
					how = forced
				case strings.IndexByte(with.short, letter) >= 0:
					// The rest is the option's, or, in shells that have it so, the next argument.
					if rest := arg[at+1:]; rest == "" || shell != "fish" {
						i++
					}
					if shell == "fish" {
						at = len(arg)
					}
				}
			}
		default:
			return given // a script
		}
	}
	return how
}

// names of shells; those with a hook are bash, zsh and fish.
var names = []string{"bash", "zsh", "fish", "sh", "dash", "ksh", "ksh93", "mksh", "oksh", "yash", "ash", "tcsh", "csh", "rbash", "rzsh", "lksh", "pdksh", "elvish", "nu", "xonsh", "rc", "es"}

// nameOf is the name of the shell in a path or a first argument; "" if it is none.
func nameOf(file string) string {
	name := strings.TrimPrefix(path.Base(file), "-") // of a login
	if name == "rbash" {
		return "bash"
	}
	// As in bash5.2 or zsh-5.9, which packages make.
	plain := strings.TrimRight(name, "0123456789.-")
	for _, n := range []string{name, plain} {
		if slices.Contains(names, n) {
			return n
		}
	}
	return ""
}

// unwrap takes a program apart that runs another one in its own stead: the dynamic linker, and busybox.
func unwrap(file string, args []string) (string, []string) {
	base := path.Base(file)
	if strings.HasPrefix(base, "ld-linux") || strings.HasPrefix(base, "ld-musl") || strings.HasPrefix(base, "ld.so") ||
		strings.HasPrefix(base, "ld-2.") || strings.HasPrefix(base, "ld64.so") {
		for i := 1; i < len(args); i++ {
			switch arg := args[i]; {
			case slices.Contains([]string{"--library-path", "--preload", "--audit", "--argv0", "--glibc-hwcaps-prepend", "--glibc-hwcaps-mask", "--inhibit-rpath"}, arg):
				i++
			case strings.HasPrefix(arg, "-"):
			default:
				return arg, args[i:]
			}
		}
	}
	if base == "busybox" && len(args) > 1 && path.Base(args[0]) == "busybox" {
		return args[1], args[1:]
	}
	return file, args
}
