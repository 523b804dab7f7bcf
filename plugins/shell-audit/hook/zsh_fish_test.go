package hook

import (
	"strings"
	"testing"
)

func TestZshRecordsTheHostileSession(t *testing.T) {
	b := newBed(t)
	s := b.shell(t, "zsh", "setopt hist_ignore_space hist_ignore_dups\nPROMPT='x'$PROMPT\n")
	lines := []string{"echo plain", " echo leading space", "echo twice", "echo twice", "HISTSIZE=0", "echo no history", "echo 'two\rlines'", "cat <<END\rone\rEND",
		"setopt ksh_arrays sh_word_split", "echo options", "set -u", "echo nounset", "(exit 3)"}
	s.run(lines...)
	all := b.records(t)
	var want []string
	for _, l := range lines {
		want = append(want, strings.ReplaceAll(l, "\r", "\n"))
	}
	wantCommands(t, all, want...)
	wantWhole(t, all)
	if r := all[len(all)-1]; r.kind != "E" || r.rc != 3 {
		t.Errorf("the last record is %s", r.line)
	}
}

func TestZshSessionsLookTheSameWithTheHook(t *testing.T) {
	for what, rc := range map[string]string{
		"plain":   "",
		"precmd":  "precmd() { print -n \"<$? $_ $pipestatus>\" }\npreexec() { print -n \"{$1}\" }\n",
		"options": "setopt ksh_arrays no_unset warn_create_global xtrace 2>/dev/null; unsetopt xtrace\n",
		"traps":   "TRAPZERR() { print -n ERR }\n",
	} {
		t.Run(what, func(t *testing.T) {
			sameTranscript(t, "zsh", rc, "(exit 3) | (exit 4) | true", "print $? $pipestatus", "false", "print $?", "print some words", "print $_")
		})
	}
}

func TestFishRecordsTheHostileSession(t *testing.T) {
	b := newBed(t)
	s := b.shell(t, "fish", "")
	lines := []string{"echo plain", " echo leading space", "echo twice", "echo twice", "echo 'ä %41 | x'", "echo 'two\rlines'", "for i in 1 2\recho $i\rend",
		": " + strings.Repeat("z", 3000), "set -g fish_history ''", "echo private", "false"}
	s.run(lines...)
	all := b.records(t)
	want := commands(all)
	if len(want) != len(lines) {
		t.Fatalf("recorded are %q", want)
	}
	for i, l := range lines {
		if normal(want[i]) != normal(l) {
			t.Errorf("of %q there is %q", l, want[i])
		}
	}
	wantWhole(t, all)
	if r := all[len(all)-1]; r.kind != "E" || r.rc != 1 {
		t.Errorf("the last record is %s", r.line)
	}
}

// normal is a text without the indentation that fish gives to further lines.
func normal(s string) string {
	return strings.Join(strings.Fields(s), " ")
}

func TestFishKeepsStatusAndPipestatus(t *testing.T) {
	b := newBed(t)
	s := b.shell(t, "fish", "")
	s.run("false | true | false")
	if out := s.run("echo got=$status,$pipestatus"); !strings.Contains(out, "got=1,1") {
		t.Errorf("printed is %q", out)
	}
	s.run("true | false | true")
	if out := s.run("echo pipe=(string join , $pipestatus)"); !strings.Contains(out, "pipe=0,1,0") {
		t.Errorf("printed is %q", out)
	}
}
