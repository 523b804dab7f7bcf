package hook

import "testing"

func TestBashRecordsWhatIsTyped(t *testing.T) {
	b := newBed(t)
	s := b.shell(t, "bash", "")
	s.run("echo one", " echo two", "false", "cd /tmp", "echo 'a b'", "")
	all := b.records(t)
	for _, r := range all {
		t.Logf("%q %q %q", r.line, r.cwd, r.cmd)
	}
	wantCommands(t, all, "echo one", " echo two", "false", "cd /tmp", "echo 'a b'")
	wantWhole(t, all)
}
func TestZshRecordsWhatIsTyped(t *testing.T) {
	b := newBed(t)
	s := b.shell(t, "zsh", "")
	s.run("echo one", " echo two", "false", "cd /tmp", "echo 'a b'", "")
	all := b.records(t)
	for _, r := range all {
		t.Logf("%q %q %q", r.line, r.cwd, r.cmd)
	}
	wantCommands(t, all, "echo one", " echo two", "false", "cd /tmp", "echo 'a b'")
	wantWhole(t, all)
}
func TestFishRecordsWhatIsTyped(t *testing.T) {
	b := newBed(t)
	s := b.shell(t, "fish", "")
	s.run("echo one", " echo two", "false", "cd /tmp", "echo 'a b'", "")
	all := b.records(t)
	for _, r := range all {
		t.Logf("%q %q %q", r.line, r.cwd, r.cmd)
	}
	wantCommands(t, all, "echo one", " echo two", "false", "cd /tmp", "echo 'a b'")
	wantWhole(t, all)
}
