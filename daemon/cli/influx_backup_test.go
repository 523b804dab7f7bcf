package cli

import (
	"strings"
	"testing"
)

func TestStatementsAfterARestoreHoldForEveryName(t *testing.T) {
	for database, want := range map[string][]string{
		"again": {`the database "again".`, `vedette query 'SELECT * FROM "again".."http_quality" LIMIT 3'`,
			`INTO "vedette"."autogen"."http_quality" FROM "again"."autogen"`, "\n  DROP DATABASE \"again\"\n"},
		`o"; drop`: {`FROM "o\"; drop".."http_quality" LIMIT 3'`, "\n  DROP DATABASE \"o\\\"; drop\"\n"},
		`back\`:    {"\n  DROP DATABASE \"back\\\\\"\n"},
		"it's":     {`vedette query 'SELECT * FROM "it'\''s".."http_quality" LIMIT 3'`, "\n  DROP DATABASE \"it's\"\n"},
		"a\nb\x1b": {"\n  DROP DATABASE \"a\\nb\ufffd\"\n"},
	} {
		text := afterRestore(database, "vedette")
		for _, part := range want {
			if !strings.Contains(text, part) {
				t.Errorf("%q: it lacks %s:\n%s", database, part, text)
			}
		}
	}
}
