package supervisor

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/vedette-monitor/vedette/daemon/process"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// Limits on what a plugin may do to describe itself and to check a configuration.
const (
	answerTimeout = 5 * time.Second
	maxAnswer     = 4 << 20
)

// programs of the plugin directory that are no plugins.
var programs = []string{"vedette", "influxd"}

// Catalog finds plugins and asks them what they are.
type Catalog struct {
	dir string

	mu        sync.Mutex
	manifests map[string]*wire.Manifest // by the program's SHA256
	sums      map[identity]string
	inspected map[string]string // the SHA256 of a path when it was inspected last
}

// NewCatalog returns the catalog of the plugins in a directory.
func NewCatalog(dir string) *Catalog {
	return &Catalog{dir: dir, manifests: map[string]*wire.Manifest{}, sums: map[identity]string{}, inspected: map[string]string{}}
}

// Path is the program of the plugin that source names: a name in the directory, or an absolute path.
func (c *Catalog) Path(source string) string {
	if filepath.IsAbs(source) {
		return source
	}
	return filepath.Join(c.dir, source)
}

// Names lists the plugins in the directory.
func (c *Catalog) Names() []string {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 && !slices.Contains(programs, e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names
}

// Manifest asks the plugin for its description. The same program, by its SHA256, is asked once.
func (c *Catalog) Manifest(source string) (*wire.Manifest, error) {
	m, _, err := c.Inspect(source, nil, nil)
	return m, err
}

// Inspect returns the description of the plugin and the SHA256 of its program. The plugin is asked as the account: one that
// has a user of its own is never run as the daemon's. Before that may, if it is not nil, says whether a program with this SHA256
// may run at all.
func (c *Catalog) Inspect(source string, as *process.Account, may func(sum string) error) (m *wire.Manifest, sum string, err error) {
	path := c.Path(source)
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && filepath.IsAbs(source):
		return nil, "", missingPlugin("there is no program " + source)
	case errors.Is(err, fs.ErrNotExist) || slices.Contains(programs, source):
		return nil, "", missingPlugin(fmt.Sprintf("there is no plugin %q in %s", source, c.dir))
	case err != nil:
		return nil, "", fmt.Errorf("looking for the plugin %q: %w", source, err)
	case !info.Mode().IsRegular() || info.Mode()&0o111 == 0:
		return nil, "", fmt.Errorf("%s is no program: it must be an executable file", path)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	program, err := c.open(path)
	if err != nil {
		return nil, "", err
	}
	defer program.close()
	if may != nil {
		if err := may(program.sum); err != nil {
			return nil, "", err
		}
	}
	c.inspected[path] = program.sum
	if m, ok := c.manifests[program.sum]; ok {
		return m, program.sum, nil
	}
	if m, err = describe(program, as); err != nil {
		return nil, "", fmt.Errorf("the plugin %s did not describe itself: %w", path, err)
	}
	c.manifests[program.sum] = m
	return m, program.sum, nil
}

// open opens a program, and hashes it unless the same file was hashed before. The caller holds mu.
func (c *Catalog) open(path string) (*program, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening the plugin's program: %w", err)
	}
	id, err := identify(file)
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	if sum, ok := c.sums[id]; ok {
		return &program{file, path, sum}, nil
	}
	p, err := hashProgram(file, path)
	if err == nil {
		c.sums[id] = p.sum
	}
	return p, err
}

// missingPlugin is the error for a plugin that is not installed.
type missingPlugin string

func (m missingPlugin) Error() string      { return string(m) }
func (missingPlugin) Is(target error) bool { return target == fs.ErrNotExist }

// Validate asks the plugin what is wrong with the configuration of an instance that its schema can not say. It returns
// an error if the plugin did not answer, or is not the one that described itself.
func (c *Catalog) Validate(source string, config []byte, as *process.Account) ([]*wire.Problem, error) {
	path := c.Path(source)
	c.mu.Lock()
	program, err := c.open(path)
	inspected, was := c.inspected[path]
	c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	defer program.close()
	if was && inspected != program.sum {
		return nil, fmt.Errorf("the plugin's program %s has changed since it described itself: check the configuration again", path)
	}
	out, err := ask(program, wire.ValidateCommand, config, as)
	if err != nil {
		return nil, fmt.Errorf("the plugin %s did not check its configuration: %w", path, err)
	}
	var problems []*wire.Problem
	if err := json.Unmarshal(out, &problems); err != nil || slices.Contains(problems, nil) {
		return nil, fmt.Errorf("the plugin %s did not check its configuration: `%s %s` printed no list of problems", path, path, wire.ValidateCommand)
	}
	return problems, nil
}

// ask runs a command of the plugin and returns what it prints: without an environment, and not for long. Who is not root
// can not ask as another and does it as himself.
func ask(p *program, command string, input []byte, as *process.Account) ([]byte, error) {
	path := p.path
	out, errOut := limitedBuffer{limit: maxAnswer}, limitedBuffer{limit: 4096}
	cmd := p.command(command)
	cmd.Env = []string{}
	cmd.Dir = "/"
	if os.Geteuid() == 0 {
		as.Use(cmd)
	}
	if input != nil {
		cmd.Stdin = bytes.NewReader(input)
	}
	cmd.Stdout, cmd.Stderr = &out, &errOut
	cmd.WaitDelay = time.Second // for a process that the plugin started and that holds its output
	child, err := process.Start(cmd, syscall.SIGKILL)
	if err != nil {
		return nil, notRun(err)
	}
	timer := time.NewTimer(answerTimeout)
	defer timer.Stop()
	timedOut := false
	select {
	case <-child.Done():
	case <-timer.C:
		timedOut = true
		_ = child.Signal(syscall.SIGKILL)
		<-child.Done()
	}
	err = child.Err()
	switch {
	case timedOut:
		return nil, fmt.Errorf("`%s %s` took longer than %s", path, command, answerTimeout)
	case err != nil:
		if said := clean(strings.TrimSpace(string(errOut.kept))); said != "" {
			err = fmt.Errorf("%w: %s", err, said)
		}
		return nil, err
	case out.overflow:
		return nil, fmt.Errorf("`%s %s` printed more than %d bytes", path, command, maxAnswer)
	}
	return out.kept, nil
}

// notRun says why the kernel did not execute a program: the path in its error is that of a descriptor, and what it does not find is not the
// program.
func notRun(err error) error {
	var at *fs.PathError
	switch {
	case !errors.As(err, &at):
		return err
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("it can not be executed: the interpreter that its first line names, or its loader, does not exist")
	}
	return fmt.Errorf("it can not be executed: %w", at.Err)
}

// describe runs the plugin for its manifest.
func describe(p *program, as *process.Account) (*wire.Manifest, error) {
	path := p.path
	out, err := ask(p, wire.DescribeCommand, nil, as)
	if err != nil {
		return nil, err
	}
	var m wire.Manifest
	if err := json.Unmarshal(out, &m); err != nil {
		return nil, fmt.Errorf("`%s %s` printed no manifest: %w", path, wire.DescribeCommand, err)
	}
	if m.Name == "" || len(m.Roles) == 0 {
		return nil, fmt.Errorf("`%s %s` printed a manifest without a name or a role", path, wire.DescribeCommand)
	}
	if !slices.Contains(m.Protocols, wire.Protocol) {
		side := "the plugin"
		if len(m.Protocols) > 0 && slices.Min(m.Protocols) > wire.Protocol {
			side = "the daemon"
		}
		return nil, fmt.Errorf("%s %s speaks protocol %v and this daemon %d: upgrade %s", m.Name, m.Version, m.Protocols, wire.Protocol, side)
	}
	return &m, nil
}

// limitedBuffer keeps the first bytes and takes the rest without keeping it, so that its writer never blocks.
type limitedBuffer struct {
	kept     []byte
	limit    int
	overflow bool
}

// Write implements io.Writer.
func (b *limitedBuffer) Write(p []byte) (int, error) {
	room := min(b.limit-len(b.kept), len(p))
	b.kept = append(b.kept, p[:room]...)
	b.overflow = b.overflow || room < len(p)
	return len(p), nil
}
