package hook

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// bashes are the releases to try: the machine's, and those in the directory that VEDETTE_BASHES names.
func bashes(t *testing.T) []string {
	t.Helper()
	more, err := filepath.Glob(os.Getenv("VEDETTE_BASHES") + "/bash-*")
	if err != nil {
		t.Fatal(err)
	}
	return append([]string{"bash"}, more...)
}

func eachBash(t *testing.T, test func(t *testing.T, bash string)) {
	for _, bash := range bashes(t) {
		t.Run(filepath.Base(bash), func(t *testing.T) { test(t, bash) })
	}
}

func TestBashRecordsTheHostileSessionWhole(t *testing.T) {
	eachBash(t, func(t *testing.T, bash string) {
		b := newBed(t)
		s := b.shell(t, bash, "HISTCONTROL=ignoreboth\nbind 'set enable-bracketed-paste off'\n")
		lines := []string{
			"echo plain", " echo leading space", "echo plain twice", "echo plain twice", "HISTIGNORE='*'", "echo ignored", "unset HISTIGNORE",
			"HISTSIZE=0", "echo no history size", "HISTSIZE=500", "history -c", "echo after history -c", "set +o history",
			"echo history off", "set -o history", "PS0=", "echo after PS0=", "unset PS0", "echo after unset PS0", "PROMPT_COMMAND='true'",
			"unset PROMPT_COMMAND", "echo after unset", "unset _vedette_audit", "echo after unset of the variable", "enable -d vedette_audit",
			"echo after enable -d", "echo $_vedette_audit$_vedette_audit", "read -e <<<x", "(exit 3) | true", "shopt -u promptvars",
			"shopt -s promptvars", "echo \x16\x1b[31mred",
		}
		want := slices.Clone(lines)
		want[len(want)-1] = "echo \x1b[31mred"
		s.run(lines...)
		s.run("", "   ")
		// With ^C the kernel may throw away the prompt that it brings, and readline the key after it, so wait for something else.
		if err := s.Type("echo never run\x03\recho sy''nc\r"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Expect(within(t), "\nsync"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Prompt(within(t)); err != nil {
			t.Fatal(err)
		}
		s.run("!!", "echo old", "^old^new", "set +o history")
		// What was expanded is what ran.
		want = append(want, "echo sy''nc", "echo sy''nc", "echo old", "echo new", "set +o history")
		if err := s.Type("for i in 1 2\rdo\r  echo $i\rdone\r"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Prompt(within(t)); err != nil {
			t.Fatal(err)
		}
		want = append(want, "for i in 1 2\ndo\n  echo $i\ndone")
		if err := s.Type("cat <<END\rone\r two\rEND\r"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Prompt(within(t)); err != nil {
			t.Fatal(err)
		}
		want = append(want, "cat <<END\none\n two\nEND", "kill -9 $$")
		if err := s.Type("kill -9 $$\r"); err != nil {
			t.Fatal(err)
		}
		_ = s.Wait()
		all := b.records(t)
		wantCommands(t, all, want...)
		wantWhole(t, all)
		if strings.Contains(s.Output(), "_vedette_audit-") {
			t.Errorf("PS0 is shown:\n%s", s.Output())
		}
	})
}

// transcript runs lines in a bash with or without the hook.
func transcript(t *testing.T, name, rc string, hooked bool, lines ...string) []string {
	t.Helper()
	b := newBed(t)
	if !hooked {
		if err := Uninstall(b.root); err != nil {
			t.Fatal(err)
		}
		b.write(t, "/"+fishFile, "")
	}
	s := b.shell(t, name, rc)
	var all []string
	for _, l := range lines {
		all = append(all, strings.ReplaceAll(s.run(l), b.root, "ROOT"))
	}
	recorded := commands(b.records(t))
	if hooked && !slices.Equal(recorded, lines) || !hooked && len(recorded) > 0 {
		t.Errorf("of %q there is %q", lines, recorded)
	}
	return all
}

func sameTranscript(t *testing.T, name, rc string, lines ...string) {
	t.Helper()
	without, with := transcript(t, name, rc, false, lines...), transcript(t, name, rc, true, lines...)
	for i := range without {
		if without[i] != with[i] {
			t.Errorf("%q prints %q, and with the hook %q", lines[i], without[i], with[i])
		}
	}
}

func TestBashSessionsLookTheSameWithTheHook(t *testing.T) {
	show := `printf '%s|' "$?" "$_" "${PIPESTATUS[@]}"; echo`
	lines := []string{
		"(exit 3) | (exit 4) | true", show, "false", `echo "$?"`, "echo some words", `echo "$_"`, "true | (exit 7)", `echo "${PIPESTATUS[@]}"`, "(exit 42)", "echo $?",
	}
	prompts := "shows() { printf '<%s %s %s>' \"$?\" \"$_\" \"${PIPESTATUS[*]}\"; }\n"
	for what, rc := range map[string]string{
		"plain":          "",
		"string":         prompts + "PROMPT_COMMAND=shows\n",
		"two commands":   prompts + "PROMPT_COMMAND='shows; printf \"[$?]\"'\n",
		"array":          prompts + "PROMPT_COMMAND=(shows 'printf \"[$?]\"')\n",
		"own PS0":        "PS0='[ps0 \\w $?]'\n",
		"DEBUG trap":     "trap 'printf \"{%s %s}\" \"$BASH_COMMAND\" \"$_\"' DEBUG\n",
		"DEBUG and ERR":  "trap 'printf \"{%s}\" \"$BASH_COMMAND\"' DEBUG\ntrap 'printf ERR' ERR\n",
		"set -u":         "set -u\n",
		"posix":          "set -o posix\n",
		"vi":             "set -o vi\n",
		"PS0 is fixed":   "readonly PROMPT_COMMAND=\n",
		"late overwrite": "PS0=\nPROMPT_COMMAND=\n",
	} {
		t.Run(what, func(t *testing.T) {
			eachBash(t, func(t *testing.T, bash string) { sameTranscript(t, bash, rc, lines...) })
		})
	}
}

func TestBashWithErrexitEndsAtItsOwnErrorsAlone(t *testing.T) {
	eachBash(t, func(t *testing.T, bash string) {
		b := newBed(t)
		s := b.shell(t, bash, "")
		s.run("set -e", "true", "echo still here")
		if err := s.Type("false\r"); err != nil {
			t.Fatal(err)
		}
		_ = s.Wait()
		wantCommands(t, b.records(t), "set -e", "true", "echo still here", "false")
	})
}

// preexec does what bash-preexec and its like do: a DEBUG trap that PROMPT_COMMAND arms, and a PROMPT_COMMAND made anew at the first prompt.
const preexec = `
armed=
before() { [[ $armed ]] || return; armed=; printf '{preexec %s}' "$BASH_COMMAND"; }
after() { printf '{precmd %s}' "$?"; }
arm() { armed=1; }
install() { trap 'before' DEBUG; PROMPT_COMMAND=$'after\n'${PROMPT_COMMAND//install/:}$'\narm'; }
PROMPT_COMMAND=${PROMPT_COMMAND:+$PROMPT_COMMAND$'\n'}install
`

func TestBashLivesBesideAFrameworkOfHooks(t *testing.T) {
	eachBash(t, func(t *testing.T, bash string) {
		sameTranscript(t, bash, preexec, "echo one", "false", "true | false", "echo two words")
	})
}

func TestBashSubshellsAndScriptsRecordNothing(t *testing.T) {
	eachBash(t, func(t *testing.T, bash string) {
		b := newBed(t)
		c := b.collector(t)
		s := b.shell(t, bash, "")
		lines := []string{`(echo ${PS0@P} $_vedette_audit; x=$(echo ${PS0@P}))`, `bash -c 'echo ${PS0@P}'`, "echo last"}
		s.run(lines...)
		all := b.records(t)
		wantCommands(t, all, lines...)
		wantWhole(t, all)
		until(t, "all is told", func() bool { return len(c.told(t)) == len(all) })
	})
}

func TestBashKeepsItsHandsOffTheUsersDescriptors(t *testing.T) {
	b := newBed(t)
	b.collector(t)
	s := b.shell(t, "bash", "")
	s.run("for f in {200..260}; do eval \"exec $f>'$HOME/mine'\"; done", "echo one", "ulimit -n 100", "echo two", "ulimit -f 1", "echo three")
	mine, err := os.ReadFile(b.home + "/mine")
	if err != nil || len(mine) > 0 {
		t.Errorf("the user's file has %q, %v", mine, err)
	}
	want := []string{"echo one", "ulimit -n 100", "echo two", "ulimit -f 1"}
	all := b.records(t)
	if got := commands(all); !slices.Equal(got[1:], want) {
		t.Errorf("recorded are %q", got)
	}
	// The kernel would kill a shell for writing beyond its own limit.
	if out := s.run("echo alive"); !strings.Contains(out, "alive") {
		t.Errorf("after the limit the shell says %q", out)
	}
}

func TestBashAfterExecBeginsANew(t *testing.T) {
	b := newBed(t)
	s := b.shell(t, "bash", "")
	s.run("echo before", "exec bash --rcfile ~/.bashrc -i", "echo after")
	all := b.records(t)
	hellos := 0
	for _, r := range all {
		if r.kind == "H" {
			hellos++
		}
	}
	if got := commands(all); hellos != 2 || len(got) != 3 || !slices.Contains(got, "echo after") {
		t.Errorf("there are %d hellos and %q", hellos, got)
	}
}

func TestBashRecordsWithoutReadlineAndWithoutHistory(t *testing.T) {
	b := newBed(t)
	s := b.shell(t, "bash", "set +o emacs\n", func(cmd *exec.Cmd) { cmd.Args = slices.Insert(cmd.Args, 1, "--noediting") })
	s.run("echo one", "false", "echo two")
	all := b.records(t)
	wantCommands(t, all, "echo one", "false", "echo two")
	wantWhole(t, all)
	var status []int64
	for _, r := range all {
		if r.kind == "E" {
			status = append(status, r.rc)
		}
	}
	if !slices.Equal(status, []int64{0, 1}) {
		t.Errorf("the ends that the next commands told have the status %v", status)
	}
}

func TestBashWithoutTheBuiltinRecordsWhenACommandHasEnded(t *testing.T) {
	eachBash(t, func(t *testing.T, bash string) {
		b := newBed(t, func(o *Options) { o.Library = "" })
		s := b.shell(t, bash, "HISTCONTROL=\n")
		long := ": " + strings.Repeat("y", 6000)
		s.run("echo one", "cd /tmp", "false", "", "cat <<END\rone\rEND", long)
		var all []record // readline may show a prompt anew above a line as long as that
		until(t, "the long one is recorded", func() bool { all = b.records(t); return len(all) >= 6 })
		if len(all) != 6 || all[0].kind != "H" || !strings.HasSuffix(all[0].cmd, "mode=plain") {
			t.Fatalf("the records are %q", quoted(commands(all)))
		}
		got := commands(all)
		if !slices.Equal(got[:4], []string{"echo one", "cd /tmp", "false", "cat <<END\none\nEND\n"}) || got[4] != long {
			t.Errorf("recorded are %q", quoted(got))
		}
		wantWhole(t, all)
		if all[3].rc != 1 || !strings.HasPrefix(all[5].file, b.spool+"/new/") {
			t.Errorf("false ended with %d, and the long one is in %s", all[3].rc, all[5].file)
		}
	})
	lines := []string{"(exit 3) | (exit 4) | true", `echo "$?"`, "false", "echo $?", "true | (exit 7)"}
	prompts := "shows() { printf '<%s %s>' \"$?\" \"${PIPESTATUS[*]}\"; }\nPROMPT_COMMAND=shows\n"
	eachBash(t, func(t *testing.T, bash string) {
		var all [2]string
		for i := range all {
			b := newBed(t, func(o *Options) { o.Library = "" })
			if i == 0 {
				if err := Uninstall(b.root); err != nil {
					t.Fatal(err)
				}
			}
			s := b.shell(t, bash, prompts)
			for _, l := range lines {
				all[i] += s.run(l) + "\n"
			}
		}
		if all[0] != all[1] {
			t.Errorf("without the hook\n%s\nwith it\n%s", all[0], all[1])
		}
	})
}

func TestBashCutsWhatIsLongAndTellsHowLongItWas(t *testing.T) {
	b := newBed(t)
	s := b.shell(t, "bash", "")
	long := ": " + strings.Repeat("ä", 9000)
	s.run(long)
	r := b.records(t)[1]
	if r.full != int64(len(long)) || len(r.cmd) != 16<<10 || !strings.HasPrefix(long, r.cmd) {
		t.Errorf("of %d bytes there are %d, and the record tells %d", len(long), len(r.cmd), r.full)
	}
}

func TestALineWithALeadingSpaceIsRecordedUnlessTheSiteSaysOtherwise(t *testing.T) {
	for _, name := range shells {
		b := newBed(t, func(o *Options) { o.RespectIgnoreSpace = true })
		s := b.shell(t, name, map[string]string{"bash": "HISTCONTROL=ignoreboth\n", "zsh": "setopt histignorespace\n"}[name])
		s.run(" echo private", "echo public")
		all := b.records(t)
		wantCommands(t, all, "echo public")
		wantWhole(t, all)
	}
}

func TestTheNoticeIsShownOnceToPeopleAlone(t *testing.T) {
	notice := "Commands are recorded; it's $policy."
	for _, name := range shells {
		b := newBed(t, func(o *Options) { o.Notice = notice })
		s := b.shell(t, name, "")
		s.run(fmt.Sprintf("%s -i -c true", name), name+" -c true")
		if n := strings.Count(s.Output(), notice); n != 1 {
			t.Errorf("%s shows the notice %d times:\n%s", name, n, s.Output())
		}
	}
}

func TestBashRecordsEachCommandOfAPasteByItself(t *testing.T) {
	eachBash(t, func(t *testing.T, bash string) {
		b := newBed(t)
		s := b.shell(t, bash, "bind 'set enable-bracketed-paste on'\nset +o history\n")
		if err := s.Type("\x1b[200~echo one\nfor i in 1 2\ndo echo $i\ndone\necho three\x1b[201~\r"); err != nil {
			t.Fatal(err)
		}
		var all []record
		until(t, "the last one has ended", func() bool { all = b.records(t); return len(all) >= 7 })
		wantCommands(t, all, "echo one", "for i in 1 2\ndo echo $i\ndone", "echo three")
		wantWhole(t, all)
	})
}

func TestBashRecordsWhatWasTypedAndDidNotRun(t *testing.T) {
	b := newBed(t)
	s := b.shell(t, "bash", "")
	s.run("true", "# a comment", "echo (", "", "true again")
	all := b.records(t)
	wantWhole(t, all)
	wantCommands(t, all, "true", "# a comment", "echo (", "true again")
	for _, r := range all {
		if isRun := r.cmd == "true" || r.cmd == "true again"; (r.kind == "S") != isRun && r.cmd != "" && r.kind != "H" {
			t.Errorf("%q is of kind %s", r.cmd, r.kind)
		}
		if r.kind == "C" && (r.rc != -1 || r.hist < 1) {
			t.Errorf("%q has exit status %d and number %d", r.cmd, r.rc, r.hist)
		}
	}
}
