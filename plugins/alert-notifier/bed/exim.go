package bed

import (
	_ "embed" // of the server's configuration
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// User is who may log in to an Exim.
const User = "alert"

//go:embed exim.conf
var eximConf string

// Exim is a real mail server. Its user is the system's Debian-exim, so starting it takes root.
type Exim struct {
	Dir string
	// Address is for STARTTLS, and TLSAddress for implicit TLS.
	Address, TLSAddress string
	// CA is trusted to have signed its certificate, and Other is not.
	CA, Other string
}

// StartExim starts a mail server that lets User in with a password. It has the mailboxes ops and ann, grey that is greylisted, and
// full that has no room, all at example.com. It ends with the test.
func StartExim(t testing.TB, password string) *Exim {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("a mail server with a user of its own can be started by root alone; make test-unit leaves this out")
	}
	// Its user must get there, and the directories of a test are for the test alone.
	dir, err := os.MkdirTemp("", "exim")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	account, err := user.Lookup("Debian-exim")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(account.Uid)
	gid, _ := strconv.Atoi(account.Gid)
	e := &Exim{Dir: dir, Address: "127.0.0.1:" + FreePort(t), TLSAddress: "127.0.0.1:" + FreePort(t)}
	for _, sub := range []string{"spool", "spool/mail"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(filepath.Join(dir, sub), uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	e.CA = Certificate(t, dir, "server", "127.0.0.1", "mail.example.com")
	e.Other = Certificate(t, dir, "other", "127.0.0.1")
	_, port, _ := net.SplitHostPort(e.Address)
	_, tlsPort, _ := net.SplitHostPort(e.TLSAddress)
	config := strings.NewReplacer("DIR", dir, "TLSPORT", tlsPort, "PORT", port).Replace(eximConf)
	for name, content := range map[string]string{"exim.conf": config, "password": password} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("/usr/sbin/exim4", "-C", filepath.Join(dir, "exim.conf"), "-bdf", "-q1h")
	var logs []string
	for _, name := range []string{"mainlog", "rejectlog", "paniclog"} {
		logs = append(logs, filepath.Join(dir, "spool", name))
	}
	Serve(t, cmd, func() bool { return Listens(e.Address) }, logs...)
	return e
}

// Mails are those that a mailbox has now, in the order in which they came.
func (e *Exim) Mails(t testing.TB, mailbox string) []string {
	t.Helper()
	// Their names begin with the time.
	files, err := filepath.Glob(filepath.Join(e.Dir, "spool", "mail", mailbox, "new", "*"))
	if err != nil {
		t.Fatal(err)
	}
	var mails []string
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		mails = append(mails, string(text))
	}
	return mails
}

// Mailbox waits until a mailbox has so many mails, and returns them.
func (e *Exim) Mailbox(t testing.TB, name string, count int) []string {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		mails := e.Mails(t, name)
		if len(mails) == count {
			return mails
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s has %d mails, and not %d", name, len(mails), count)
		}
	}
}
