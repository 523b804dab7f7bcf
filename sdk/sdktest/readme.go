package sdktest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/vedette-monitor/vedette/sdk/wire"
)

var heading = regexp.MustCompile(`(?m)^## (.*)$`)

// CheckReadme says how a plugin's README differs from the shape that all have: the name, an example, and the same sections
// in the same order, so that who knows one finds his way in each.
func CheckReadme(m *wire.Manifest, text string) error {
	if !strings.HasPrefix(text, "# "+m.Name+"\n") {
		return fmt.Errorf("it does not begin with the plugin's name: # %s", m.Name)
	}
	what := "What is measured"
	if m.HasRole(wire.RoleNotifier) {
		what = "What is told"
	}
	want := []string{"Example", what, "Reference", "Permissions", "Failure modes", "Troubleshooting"}
	var found []string
	for _, match := range heading.FindAllStringSubmatch(text, -1) {
		found = append(found, match[1])
	}
	if !slices.Equal(found, want) {
		return fmt.Errorf("its sections are %q, and should be %q", found, want)
	}
	_, example, _ := strings.Cut(text, "## Example\n")
	example, _, _ = strings.Cut(example, "\n## ")
	if !strings.Contains(example, "```hcl\n") {
		return errors.New("its section Example has no block of HCL")
	}
	return nil
}

// hasReadme examines the README beside the program; a program that is installed has none.
func (e *examination) hasReadme() (string, error) {
	file := filepath.Join(filepath.Dir(e.binary), "README.md")
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "there is none", nil
	}
	if err != nil {
		return "", err
	}
	if err := CheckReadme(e.manifest, string(text)); err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}
	return "", nil
}
