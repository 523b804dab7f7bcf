package main

import (
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"github.com/vedette-monitor/vedette/plugins/shell-audit/redact"
	"github.com/vedette-monitor/vedette/sdk"
)

type config struct {
	Redact []string `hcl:"redact,optional" doc:"Regular expressions (RE2) of what must not be recorded, beside the passwords and tokens that are known: their groups are replaced, or all that they match."`

	Kernel     string `hcl:"kernel" default:"auto" one_of:"auto,ebpf,audit,off" doc:"How the kernel is asked what is run: by eBPF, by listening to its audit, by whichever is there, or not. It finds shells without a hook, and what is run where no hook can be."`
	AuditRules bool   `hcl:"audit_rules" default:"false" doc:"With the kernel's audit: add rules for the start of programs, and take them away at the end. Otherwise only what is audited anyway is heard."`
	Exec       string `hcl:"exec" default:"sessions" one_of:"none,sessions,all" doc:"Which of the programs that the kernel sees are recorded: none, those on a terminal or of a login, or all of the host."`

	Rate  float64 `hcl:"rate" default:"500" min:"1" doc:"How many records a second are taken of a user in the long run. What comes faster waits in the spool, and is no more let in when 16 MiB wait."`
	Burst int     `hcl:"burst" default:"5000" min:"1" doc:"How many records of a user are taken at once."`

	Directory   sdk.Path      `hcl:"directory" default:"/var/lib/vedette/audit" doc:"Where the journal and the chain are kept."`
	JournalSize sdk.Size      `hcl:"journal_size" default:"1GiB" min:"16MiB" doc:"How long the journal may grow. What was delivered is deleted first; when all of it waits to be delivered, records wait in the spool."`
	JournalAge  time.Duration `hcl:"journal_age" default:"9600h" min:"1h" doc:"How long what was delivered is kept, for verify and tail."`

	Spool  sdk.Path `hcl:"spool" default:"/var/spool/vedette/audit" doc:"Where the hooks leave their records. After a change the hooks must be installed anew."`
	Socket sdk.Path `hcl:"socket" default:"/run/vedette/audit.sock" doc:"Where the hooks say that they have. After a change they must be installed anew."`

	Shells             []string `hcl:"shells,optional" doc:"The shells that install hooks: bash, zsh, fish; all that are there by default."`
	Notice             string   `hcl:"notice" default:"Commands that are typed on this host are recorded." doc:"What an interactive login is told, in one line; nothing if empty."`
	RespectIgnorespace bool     `hcl:"respect_ignorespace" default:"false" doc:"Leave out what begins with a space, where the user's shell keeps it out of its history."`
}

// Validate implements sdk.Validator.
func (c *config) Validate() error {
	for i, rule := range c.Redact {
		if _, err := redact.New([]string{rule}); err != nil {
			return &sdk.Problem{Path: []string{"redact", strconv.Itoa(i)}, Err: err}
		}
	}
	const longest = 107 // of the path of a socket
	if len(c.Socket) > longest {
		return &sdk.Problem{Path: []string{"socket"}, Err: fmt.Errorf("the path of a socket has at most %d bytes", longest)}
	}
	return nil
}

func (c *config) journal() string  { return filepath.Join(string(c.Directory), "journal") }
func (c *config) chain() string    { return filepath.Join(string(c.Directory), "chain") }
func (c *config) memory() string   { return filepath.Join(string(c.Directory), "memory.json") }
func (c *config) firstKey() string { return filepath.Join(string(c.Directory), "first.key") }
func (c *config) heard() string    { return filepath.Join(string(c.Directory), "kernel") }
func (c *config) hostKey() string  { return filepath.Join(string(c.Directory), "host.key") }
