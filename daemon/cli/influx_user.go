package cli

import (
	"bufio"
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vedette-monitor/vedette/daemon/app"
	"github.com/vedette-monitor/vedette/daemon/config"
	"github.com/vedette-monitor/vedette/daemon/influx"
)

func newInfluxUserAdd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Make a user who may read the points and records, and nothing else",
		Long: `Make a user who may read the points and records, and nothing else, for people and for Chronograf. The password is made and
shown once, or read from standard input.`,
		Args: cobra.ExactArgs(1),
	}
	path, settings := configFlag(cmd), variableFlags(cmd)
	fromInput := cmd.Flags().Bool("password-stdin", false, "read the password from standard input: its first line")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		name := args[0]
		password := rand.Text()
		if *fromInput {
			var err error
			if password, err = firstLine(cmd.InOrStdin()); err != nil {
				return err
			}
		}
		if err := checkUser(name, password); err != nil {
			return err
		}
		return withUsers(cmd, *path, *settings, func(cfg *config.Config, setup *influx.Setup1, users []influx.UserInfo, _ []string) error {
			if slices.ContainsFunc(users, func(u influx.UserInfo) bool { return u.Name == name }) {
				return fmt.Errorf("there is a user %q already; for another password remove it first: vedette influx user remove", name)
			}
			database, _, _ := strings.Cut(app.Bucket(cfg), "/")
			if err := setup.User(cmd.Context(), name, password, influx.Read, database); err != nil {
				return err
			}
			if *fromInput {
				fmt.Fprintf(cmd.OutOrStdout(), "%s may read the database %s\n", printable(name), printable(database))
				return nil
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "%s may read the database %s. The password is shown this once:\n", printable(name), printable(database))
			fmt.Fprintln(cmd.OutOrStdout(), password)
			return nil
		})
	}
	return cmd
}

// checkUser refuses what InfluxDB would take and nobody could use: 1.x reads a token up to the first colon, and cuts it at
// spaces.
func checkUser(name, password string) error {
	switch {
	case name == "" || strings.ContainsAny(name, ": \t\r\n"):
		return fmt.Errorf("%q can not be a user's name: it must not be empty and holds neither colons nor spaces", name)
	case password == "":
		return errors.New("the password is empty")
	case strings.ContainsAny(password, " \t\r\n"):
		return errors.New("the password holds a space, which InfluxDB cannot read in a token")
	}
	return nil
}

func firstLine(from io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(from, 4096)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("reading the password: %w", err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}

func newInfluxUserList() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the users and what they may do",
		Args:  cobra.NoArgs,
	}
	path, settings, output := configFlag(cmd), variableFlags(cmd), outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return withUsers(cmd, *path, *settings, func(_ *config.Config, _ *influx.Setup1, users []influx.UserInfo, own []string) error {
			if *output == asJSON {
				return printJSON(cmd.OutOrStdout(), users)
			}
			header := []string{"USER", "MAY", "REMARK"}
			var rows [][]string
			for _, u := range users {
				var may []string
				if u.Administrator {
					may = append(may, "everything")
				}
				for _, database := range slices.Sorted(maps.Keys(u.Privileges)) {
					may = append(may, strings.ToLower(u.Privileges[database])+" "+database)
				}
				remark := ""
				if slices.Contains(own, u.Name) {
					remark = "the daemon's own"
				}
				rows = append(rows, []string{u.Name, strings.Join(may, ", "), remark})
			}
			if *output == asCSV {
				return printCSV(cmd.OutOrStdout(), header, rows)
			}
			return printTable(cmd.OutOrStdout(), header, rows)
		})
	}
	return cmd
}

func newInfluxUserRemove() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "remove NAME",
		Short: "Remove a user",
		Args:  cobra.ExactArgs(1),
	}
	path, settings := configFlag(cmd), variableFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return withUsers(cmd, *path, *settings, func(_ *config.Config, setup *influx.Setup1, users []influx.UserInfo, own []string) error {
			if slices.Contains(own, args[0]) {
				return fmt.Errorf("%q is the daemon's own user", args[0])
			}
			at := slices.IndexFunc(users, func(u influx.UserInfo) bool { return u.Name == args[0] })
			if at < 0 {
				return fmt.Errorf("there is no user %q", args[0])
			}
			if users[at].Administrator {
				return fmt.Errorf("%q is an administrator; remove it with influx or in Chronograf, if you mean it", args[0])
			}
			if err := setup.RemoveUser(cmd.Context(), args[0]); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s was removed\n", printable(args[0]))
			return nil
		})
	}
	return cmd
}

// withUsers finds the users, and those that are the daemon's own.
func withUsers(cmd *cobra.Command, path string, settings []config.Setting,
	do func(cfg *config.Config, setup *influx.Setup1, users []influx.UserInfo, own []string) error) error {
	cfg, err := located(cmd, path, settings)
	if err != nil {
		return err
	}
	own, err := app.OwnUsers(cfg)
	if err != nil {
		return err
	}
	setup, err := app.NewSetup1(cmd.Context(), cfg)
	if err != nil {
		return app.Explain(cfg, err)
	}
	defer setup.Close()
	users, err := setup.Users(cmd.Context())
	if err != nil {
		return app.Explain(cfg, err)
	}
	slices.SortFunc(users, func(a, b influx.UserInfo) int { return cmp.Compare(a.Name, b.Name) })
	return do(cfg, setup, users, own)
}
