package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/peterh/liner"
	"github.com/spf13/cobra"

	"github.com/vedette-monitor/vedette/daemon/app"
	"github.com/vedette-monitor/vedette/daemon/config"
)

func newInfluxShell() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "shell",
		Short: "Ask InfluxDB in InfluxQL, at a prompt or from standard input, a line at a time",
		Args:  cobra.NoArgs,
	}
	path, settings, output := configFlag(cmd), variableFlags(cmd), outputFlag(cmd)
	admin := cmd.Flags().Bool("admin", false, "as the private InfluxDB's administrator, who may change and delete")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := located(cmd, *path, *settings)
		if err != nil {
			return err
		}
		s := &shell{cfg: cfg, who: asOf(*admin), output: *output, out: cmd.OutOrStdout(), errOut: cmd.ErrOrStderr()}
		s.database, s.policy, _ = strings.Cut(app.Bucket(cfg), "/")
		if isTerminal(cmd.InOrStdin()) && isTerminal(cmd.OutOrStdout()) {
			return s.prompt(cmd.Context())
		}
		return s.pipe(cmd.Context(), cmd.InOrStdin())
	}
	return cmd
}

// shell answers one line after the other.
type shell struct {
	cfg              *config.Config
	who              app.ReadAs
	database, policy string
	output           format
	out, errOut      io.Writer
}

const shellHelp = `A line is a question in InfluxQL, such as
  SHOW MEASUREMENTS
  SELECT total_time, http_code FROM http_quality WHERE time > now() - 1h
or one of
  use DATABASE        use DATABASE.POLICY: what questions mean that name none
  format table|csv|json
  help
  exit                or Ctrl-D
`

// errLeave ends the shell.
var errLeave = errors.New("leave")

// longestQuestion bounds a line, in bytes.
const longestQuestion = 1 << 20

// pipe answers the lines of a script. It goes on after an error, and fails at the end.
func (s *shell) pipe(ctx context.Context, in io.Reader) error {
	failed := false
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, longestQuestion)
	for lines.Scan() {
		err := s.answer(ctx, lines.Text())
		if errors.Is(err, errLeave) {
			break
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			failed = true
			fmt.Fprintln(s.errOut, "Error:", printable(err.Error()))
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("reading questions: %w", err)
	}
	if failed {
		return errSaid
	}
	return nil
}

// prompt answers a person.
func (s *shell) prompt(ctx context.Context) error {
	line := liner.NewLiner()
	defer line.Close()
	line.SetCtrlCAborts(true)
	history := historyFile()
	if f, err := os.Open(history); err == nil {
		_, _ = line.ReadHistory(f)
		f.Close()
	}
	fmt.Fprintln(s.out, "InfluxQL, a question a line; help says more, Ctrl-D leaves.")
	for {
		text, err := line.Prompt(s.name() + "> ")
		switch {
		case errors.Is(err, liner.ErrPromptAborted):
			continue
		case errors.Is(err, io.EOF):
			fmt.Fprintln(s.out)
			return nil
		case err != nil:
			return err
		}
		if isWorthKeeping(text) {
			line.AppendHistory(text)
			keepHistory(line, history)
		}
		// Ctrl-C ends the question, and not the shell.
		asking, stop := signal.NotifyContext(context.WithoutCancel(ctx), syscall.SIGINT)
		err = s.answer(asking, text)
		cut := asking.Err() != nil
		stop()
		switch {
		case errors.Is(err, errLeave):
			return nil
		case cut:
			fmt.Fprintln(s.errOut, "\nThe question was given up.")
		case err != nil:
			fmt.Fprintln(s.errOut, "Error:", printable(err.Error()))
		}
	}
}

func (s *shell) name() string {
	if s.policy == "" {
		return printable(s.database)
	}
	return printable(s.database + "." + s.policy)
}

// answer answers one line.
func (s *shell) answer(ctx context.Context, line string) error {
	text := strings.TrimSpace(line)
	word, rest, _ := strings.Cut(strings.TrimRight(text, "; "), " ")
	rest = strings.TrimSpace(rest)
	switch strings.ToLower(word) {
	case "", "--":
		return nil
	case "exit", "quit":
		return errLeave
	case "help", "?":
		_, err := io.WriteString(s.out, shellHelp)
		return err
	case "use":
		return s.use(rest)
	case "format":
		return s.output.Set(rest)
	}
	reader, err := app.NewReaderOf(s.cfg, s.who, s.database, s.policy)
	if err != nil {
		return err
	}
	defer reader.Close()
	series, err := reader.Query(ctx, text)
	if err != nil {
		return app.Explain(s.cfg, err)
	}
	return printSeries(s.out, series, s.output)
}

// use takes DATABASE, DATABASE.POLICY or DATABASE/POLICY, with or without quotes.
func (s *shell) use(name string) error {
	parts := strings.FieldsFunc(name, func(r rune) bool { return r == '.' || r == '/' })
	if len(parts) == 0 || len(parts) > 2 {
		return errors.New("use DATABASE, or DATABASE.POLICY")
	}
	s.database, s.policy = strings.Trim(parts[0], `"`), ""
	if len(parts) == 2 {
		s.policy = strings.Trim(parts[1], `"`)
	}
	return nil
}

// isWorthKeeping leaves out of the history what may hold a password.
func isWorthKeeping(line string) bool {
	return strings.TrimSpace(line) != "" && !strings.Contains(strings.ToLower(line), "password")
}

// historyFile is where questions are kept for the next time.
func historyFile() string {
	state := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(state) {
		home, err := os.UserHomeDir()
		if err != nil {
			return ""
		}
		state = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(state, "vedette", "influx_history")
}

// keepHistory writes the history. A shell without one is still a shell.
func keepHistory(line *liner.State, path string) {
	if path == "" || os.MkdirAll(filepath.Dir(path), 0o700) != nil {
		return
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	_, _ = line.WriteHistory(f)
}
