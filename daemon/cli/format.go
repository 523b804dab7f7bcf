package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/vedette-monitor/vedette/daemon/config"
)

func newFormat() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "fmt PATH…",
		Short: "Write configurations in the usual form",
		Long: `Write configuration files in the usual form: indentation, and = signs below each other. Of a directory these are all
files *.hcl in it. The names of files that change are printed. A file that does not parse is not touched, and reported;
the exit status is then 1.`,
		Args: cobra.MinimumNArgs(1),
	}
	check := cmd.Flags().Bool("check", false, "change nothing; the exit status is 1 if a file is not in the usual form")
	cmd.RunE = func(cmd *cobra.Command, paths []string) error {
		failed := false
		for _, path := range paths {
			names, err := configurationFiles(path)
			if err != nil {
				return err
			}
			for _, name := range names {
				changed, err := formatFile(cmd, name, !*check)
				switch {
				case errors.Is(err, errSaid):
					failed = true
				case err != nil:
					return fmt.Errorf("formatting %s: %w", name, err)
				case changed:
					fmt.Fprintln(cmd.OutOrStdout(), name)
					failed = failed || *check
				}
			}
		}
		if failed {
			return errSaid
		}
		return nil
	}
	return cmd
}

// configurationFiles are the files of a directory, or the one file that path names.
func configurationFiles(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	names, err := filepath.Glob(filepath.Join(path, "*.hcl"))
	if err == nil && len(names) == 0 {
		err = fmt.Errorf("the directory %s has no file whose name ends in .hcl", path)
	}
	return names, err
}

// formatFile reports whether a file is not in the usual form, and puts it into that if it may.
func formatFile(cmd *cobra.Command, name string, write bool) (changed bool, err error) {
	before, err := config.ReadFile(name)
	if err != nil {
		return false, err
	}
	after, diags := config.Format(name, before)
	if _, err := checked[config.Config](cmd, nil, diags); err != nil {
		return false, err
	}
	if bytes.Equal(before, after) || !write {
		return !bytes.Equal(before, after), nil
	}
	return true, replaceFile(name, after)
}

// replaceFile changes a file as a whole or not at all. A link stays a link.
func replaceFile(name string, content []byte) error {
	name, err := filepath.EvalSymlinks(name)
	if err != nil {
		return err
	}
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(name), ".vedette-fmt-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temporary.Name()) }()
	_, err = temporary.Write(content)
	if err == nil {
		err = temporary.Chmod(info.Mode().Perm())
	}
	if err == nil {
		err = temporary.Sync()
	}
	if err := errors.Join(err, temporary.Close()); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), name)
}
