package embedded

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	credentialsFile = "credentials.json"
	metaDir         = "meta"

	// Database is the name of the database that the daemon writes.
	Database = "vedette"
	// Policy is the retention policy of raw points, the database's default.
	Policy = "autogen"
)

// User is a user of InfluxDB.
type User struct {
	Name     string `json:"name"`
	Password string `json:"password"`
}

// Token is the user as InfluxDB 1.x takes it in place of a token.
func (u User) Token() string { return u.Name + ":" + u.Password }

// String leaves the password out.
func (u User) String() string { return u.Name }

// GoString leaves the password out.
func (u User) GoString() string { return u.Name }

// Credentials are how to reach the private InfluxDB.
type Credentials struct {
	URL string `json:"url"` // of the last start
	// Socket is the unix socket of the last start, if there is one. Whoever has the passwords connects there: when InfluxDB
	// is down anybody on the machine can listen on its port, but not on a socket in a directory of the daemon's own.
	Socket string `json:"socket,omitempty"`
	// Backup is the address of the service for backup and restore, of the last start.
	Backup   string `json:"backup,omitempty"`
	Database string `json:"database"`
	Admin    User   `json:"admin"`
	Writer   User   `json:"writer"` // may write the database, and nothing else
	Reader   User   `json:"reader"` // may read the database, and nothing else
}

// ReadCredentials reads what the daemon that uses dir has stored. Any process of the same user may call it. Before the
// first start the error is fs.ErrNotExist.
func ReadCredentials(dir string) (Credentials, error) {
	path := filepath.Join(dir, credentialsFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return Credentials{}, fmt.Errorf("read the credentials of the embedded InfluxDB: %w", err)
	}
	var c Credentials
	// The error of json.Unmarshal may repeat what it stumbled over.
	if json.Unmarshal(text, &c) != nil || c.Database == "" || c.Admin.Password == "" || c.Writer.Password == "" ||
		c.Reader.Password == "" {
		return Credentials{}, fmt.Errorf("read the credentials of the embedded InfluxDB: %s is damaged: restore it from "+
			"a copy; without it the database beside it cannot be opened", path)
	}
	return c, nil
}

// ensureCredentials returns the stored credentials, or makes them before InfluxDB is started for the first time. Once
// InfluxDB knows a password it is the only one that works, so none is made where InfluxDB was before.
func ensureCredentials(dir, url, socket, backup string) (Credentials, error) {
	c, err := ReadCredentials(dir)
	switch {
	case err == nil && c.URL == url && c.Socket == socket && c.Backup == backup:
		return c, nil
	case err == nil:
		c.URL, c.Socket, c.Backup = url, socket, backup
	case !errors.Is(err, fs.ErrNotExist):
		return c, err
	default:
		if _, err := os.Stat(filepath.Join(dir, metaDir, "meta.db")); err == nil {
			return c, fmt.Errorf("%s is gone, and with it the passwords of the database beside it: restore the file from "+
				"a copy, or move %s away to begin with an empty database", filepath.Join(dir, credentialsFile), dir)
		}
		c = Credentials{
			URL:      url,
			Socket:   socket,
			Backup:   backup,
			Database: Database,
			Admin:    User{"vedette_admin", rand.Text()},
			Writer:   User{"vedette_writer", rand.Text()},
			Reader:   User{"vedette_reader", rand.Text()},
		}
	}
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return c, fmt.Errorf("encode credentials: %w", err)
	}
	return c, writeFile(filepath.Join(dir, credentialsFile), append(text, '\n'))
}

// writeFile replaces a private file at once: whoever reads it, even after a crash, sees the old or the new text.
func writeFile(path string, text []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("write %s: %w", path, err)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
