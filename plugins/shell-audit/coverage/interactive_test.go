package coverage

import (
	"slices"
	"strings"
	"testing"
)

func TestArgumentsSayWhereCommandsComeFrom(t *testing.T) {
	for line, want := range map[string]wants{
		"bash": typed, "-bash": typed, "bash -l": typed, "bash --norc": typed, "bash --norc --noprofile": typed, "bash -i": forced, "bash -li": forced,
		"bash -c ls": given, "bash -lc ls": given, "bash -ic ls": given, "bash script.sh": given, "bash ./x -i": given, "bash -x script": given,
		"bash --rcfile /tmp/rc": typed, "bash --rcfile /tmp/rc -c ls": given, "bash --init-file=/x": typed, "bash -o posix": typed, "bash -O extglob": typed,
		"bash -o posix script": given, "bash +o history": typed, "bash -s": typed, "bash -s a b": typed, "bash --": typed, "bash -- script": given, "bash -": typed,
		"bash --version": given, "bash --posix": typed, "bash --login": typed,
		"sh": typed, "sh -c ls": given, "sh -e script": given, "dash -i": forced, "ksh -o emacs": typed, "sh -ex -c ls": given, "sh -o": typed,
		"zsh": typed, "zsh -f": typed, "zsh -ic ls": given, "zsh -o noglob": typed, "zsh script": given, "zsh --emulate sh": typed,
		"fish": typed, "fish -c ls": given, "fish -C ls": typed, "fish --command=ls": given, "fish --command ls": given, "fish --init-command ls": typed,
		"fish -N": typed, "fish --no-config": typed, "fish -i": forced, "fish script.fish": given, "fish --version": given, "fish -v": given, "fish -n": given,
		"fish -Cls": typed,
	} {
		args := strings.Fields(line)
		if got := wanted(nameOf(args[0]), args[1:]); got != want {
			t.Errorf("%q: got %d, want %d", line, got, want)
		}
	}
}

func TestShellsAreKnownByTheirNames(t *testing.T) {
	for file, want := range map[string]string{
		"/bin/bash": "bash", "-bash": "bash", "bash": "bash", "/usr/local/bin/bash5.2": "bash", "rbash": "bash", "-zsh": "zsh", "/bin/zsh-5.9": "zsh",
		"/usr/bin/fish": "fish", "sh": "sh", "/bin/dash": "dash", "ksh93": "ksh93", "mksh": "mksh",
		"": "", "/": "", "bashful": "", "/usr/bin/python3": "", "ssh": "", "/usr/bin/crash": "", "-": "", "bash.sh": "", "git-sh": "", "5": "",
	} {
		if got := nameOf(file); got != want {
			t.Errorf("%q: got %q, want %q", file, got, want)
		}
	}
}

func TestAProgramThatRunsAnotherOneInItsSteadIsTakenForThat(t *testing.T) {
	for line, want := range map[string]string{
		"/lib64/ld-linux-x86-64.so.2 /bin/bash --norc":                     "/bin/bash --norc",
		"/lib64/ld-linux-x86-64.so.2 --library-path /x --verify /bin/bash": "/bin/bash",
		"busybox sh":       "sh",
		"sh -c x":          "sh -c x",
		"/bin/busybox":     "/bin/busybox",
		"/usr/bin/ld -o x": "/usr/bin/ld -o x",
	} {
		args := strings.Fields(line)
		file, rest := unwrap(args[0], args)
		if file != strings.Fields(want)[0] || !slices.Equal(rest, strings.Fields(want)) {
			t.Errorf("%q: got %q %q", line, file, rest)
		}
	}
}
