package main

import (
	"cmp"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/vedette-monitor/vedette/plugins/shell-audit/chain"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/identity"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/record"
	"github.com/vedette-monitor/vedette/plugins/shell-audit/text"
)

// shellKey tells a shell from all others since the host was booted.
type shellKey struct {
	UID   int   `json:"uid"`
	PID   int   `json:"pid"`
	Birth int64 `json:"birth"`
}

// MarshalText and UnmarshalText are for maps in JSON.
func (k shellKey) MarshalText() ([]byte, error) {
	return fmt.Appendf(nil, "%d %d %d", k.UID, k.PID, k.Birth), nil
}

// UnmarshalText reads what MarshalText writes.
func (k *shellKey) UnmarshalText(b []byte) error {
	_, err := fmt.Sscanf(string(b), "%d %d %d", &k.UID, &k.PID, &k.Birth)
	return err
}

// shell is a shell that writes records.
type shell struct {
	key  shellKey
	name string // bash, zsh, fish
	// process is what the kernel says of it, if known; it is found out once.
	process identity.Process
	known   bool
	// What the shell says of itself.
	terminal, client, address string
	parent                    int

	connected bool
	proven    bool      // the kernel has named it as the sender of a record
	seq       int64     // of its newest record
	last      time.Time // of its newest command
}

// learn takes what the shell says of itself, all of it text from elsewhere.
func (s *shell) learn(hello record.Record) {
	const longest = 64
	s.terminal = text.Cut(text.Clean(strings.TrimPrefix(hello.Claim("tty"), "/dev/")), longest)
	_, _ = fmt.Sscanf(hello.Claim("ppid"), "%d", &s.parent)
	// SSH_CONNECTION: the client's address and port, then the server's.
	if parts := strings.Fields(hello.Claim("ssh")); len(parts) == 4 {
		for i, to := range map[int]*string{0: &s.client, 2: &s.address} {
			if addr, err := netip.ParseAddr(parts[i]); err == nil {
				*to = addr.WithZone("").String()
			}
		}
	}
}

// identify asks the kernel who the shell is, unless it has said so before.
func (s *shell) identify() {
	if s.known {
		return
	}
	if p, err := identity.Of(s.key.PID, s.key.Birth); err == nil && (p.UID == s.key.UID || p.EUID == s.key.UID) {
		s.process, s.known = p, true
	}
}

// user is the user whom rows of the shell are of. Who may write to a user's file may name any process of that user, so the login of a
// process counts only where the kernel has named the process itself.
func (s *shell) user(names *identity.Names) string {
	if s.known && s.proven && s.process.Attested {
		return names.Of(int(s.process.LoginUID))
	}
	return names.Of(s.key.UID)
}

// session is the name of a shell in all of a host's history.
func session(k shellKey) string { return fmt.Sprintf("%s-%d-%d", bootID, k.PID, k.Birth) }

// bootID tells boots apart.
var bootID = func() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil || len(b) < 8 {
		return "00000000"
	}
	return string(b[:8])
}()

// who are the fields that tell the shell.
func (s *shell) who() []chain.Value {
	f := []chain.Value{
		chain.Int("uid", int64(s.key.UID)), chain.Int("pid", int64(s.key.PID)), chain.String("session", session(s.key)),
	}
	terminal := s.terminal
	if s.known {
		terminal = s.process.Terminal
	}
	if terminal != "" {
		f = append(f, chain.String("tty", terminal))
	}
	return f
}

// fields are those of a shell that the rows of its commands have; own is the address of the host.
func (s *shell) fields(own string) []chain.Value {
	f := s.who()
	add := func(name, value string) {
		if value != "" {
			f = append(f, chain.String(name, value))
		}
	}
	parent := s.parent
	if s.known {
		parent = s.process.Parent
		if s.process.LoginUID != identity.NoLogin {
			f = append(f, chain.Int("auid", int64(s.process.LoginUID)), chain.Bool("login_attested", s.proven && s.process.Attested))
		}
		add("exe", text.Clean(s.process.Exe))
	}
	if parent > 0 {
		f = append(f, chain.Int("ppid", int64(parent)))
	}
	add("ssh_client", s.client)
	add("address", cmp.Or(s.address, own))
	return f
}
