package app

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheRunDirectoryIsInTheDataDirectoryWhereASocketFits(t *testing.T) {
	for _, dir := range []string{"/d", "/var/lib/vedette", "/" + strings.Repeat("x", maxSocketPath-longestSocket-len("//run"))} {
		if got, want := runDir(dir), filepath.Join(dir, "run"); got != want {
			t.Errorf("of %s it is %s, want %s", dir, got, want)
		}
	}
}

func TestEverySocketsPathFitsWhateverTheDataDirectory(t *testing.T) {
	t.Setenv("TMPDIR", "/"+strings.Repeat("t", 200))
	seen := map[string]int{}
	for n := 1; n < 300; n++ {
		got := runDir("/" + strings.Repeat("x", n))
		if len(got)+longestSocket > maxSocketPath {
			t.Fatalf("for a data directory of %d bytes: %s", n+1, got)
		}
		if other, taken := seen[got]; taken {
			t.Fatalf("data directories of %d and %d bytes share %s", other, n+1, got)
		}
		seen[got] = n + 1
	}
}

func TestDaemonAndClientFindTheSameRunDirectory(t *testing.T) {
	deep := "/" + strings.Repeat("deep/", 40)
	want := runDir(deep)
	if !strings.HasPrefix(want, "/tmp/vedette-") {
		t.Errorf("it is %s", want)
	}
	// A session of a person has another environment than a service has.
	t.Setenv("TMPDIR", t.TempDir())
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	if got := runDir(deep); got != want {
		t.Errorf("with another environment it is %s, not %s", got, want)
	}
	if got := filepath.Dir(ControlSocket(deep)); got != want {
		t.Errorf("the control socket is in %s, not in %s", got, want)
	}
}

func TestTheRunDirectoryIsMadeForItsUserAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data", "run")
	for _, when := range []string{"anew", "again"} {
		if err := makeRunDir(dir); err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		info, err := os.Lstat(dir)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != os.ModeDir|0o700 {
			t.Errorf("%s: its mode is %v", when, info.Mode())
		}
	}
}

func TestARunDirectoryThatOthersCouldHaveMadeIsRefused(t *testing.T) {
	private := t.TempDir()
	if err := os.Chmod(private, 0o700); err != nil {
		t.Fatal(err)
	}
	directory := func(mode os.FileMode) func(string) error {
		return func(path string) error {
			if err := os.Mkdir(path, 0o700); err != nil {
				return err
			}
			return os.Chmod(path, mode)
		}
	}
	tests := map[string]func(path string) error{
		"a symbolic link to a sound one":  func(path string) error { return os.Symlink(private, path) },
		"a symbolic link to nothing":      func(path string) error { return os.Symlink(filepath.Join(private, "none"), path) },
		"a file":                          func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"a directory that others read":    directory(0o755),
		"a directory that its group uses": directory(0o710),
		"a directory that all write":      directory(0o777),
		"a socket": func(path string) error {
			l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
			if err != nil {
				return err
			}
			l.SetUnlinkOnClose(false)
			return l.Close()
		},
	}
	// Only root can give a directory away.
	if os.Getuid() == 0 {
		tests["a directory of another user"] = func(path string) error {
			if err := os.Mkdir(path, 0o700); err != nil {
				return err
			}
			return os.Chown(path, 65534, 65534)
		}
	}
	for name, prepare := range tests {
		t.Run(name, func(t *testing.T) {
			parent, err := os.MkdirTemp("", "rundir")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(parent) })
			dir := filepath.Join(parent, "run")
			if err := prepare(dir); err != nil {
				t.Fatal(err)
			}
			err = makeRunDir(dir)
			if err == nil {
				t.Fatal("it was taken")
			}
			for _, part := range []string{dir, "remove it", "data_dir"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not say %q", err, part)
				}
			}
		})
	}
}
