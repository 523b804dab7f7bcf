package cli

import (
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vedette-monitor/vedette/daemon/config"
)

// variableFlags adds -var and -var-file. What they set comes in the order of the command line.
func variableFlags(cmd *cobra.Command) *[]config.Setting {
	var settings []config.Setting
	cmd.Flags().Var((*variableFlag)(&settings), "var", "value of a variable of the configuration; may be repeated")
	cmd.Flags().Var((*variableFileFlag)(&settings), "var-file", "file with values of variables; may be repeated")
	return &settings
}

type variableFlag []config.Setting

// Set implements pflag.Value.
func (f *variableFlag) Set(text string) error {
	name, value, ok := strings.Cut(text, "=")
	if !ok || name == "" {
		return errors.New("it must be NAME=VALUE")
	}
	*f = append(*f, config.Setting{Name: name, Value: value})
	return nil
}

// String implements pflag.Value. It shows no values: they may be secrets.
func (f *variableFlag) String() string { return "" }

// Type implements pflag.Value.
func (f *variableFlag) Type() string { return "name=value" }

type variableFileFlag []config.Setting

// Set implements pflag.Value.
func (f *variableFileFlag) Set(text string) error {
	if text == "" {
		return errors.New("it must be the name of a file")
	}
	*f = append(*f, config.Setting{File: text})
	return nil
}

// String implements pflag.Value.
func (f *variableFileFlag) String() string { return "" }

// Type implements pflag.Value.
func (f *variableFileFlag) Type() string { return "file" }

// withTwoDashes lets people write -var, -var-file and -check with one dash, as they do with Terraform. Otherwise they
// would be several short flags.
func withTwoDashes(args []string) []string {
	result := slices.Clone(args)
	for i, arg := range result {
		if arg == "--" {
			break
		}
		name, _, _ := strings.Cut(arg, "=")
		switch name {
		case "-var", "-var-file", "-check":
			result[i] = "-" + arg
		}
	}
	return result
}
