package hook

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// The block is what a start-up file of others gets: a line between two markers. The first marker says what was there before, so that
// the block can be taken out again without a trace.
const (
	blockBegins  = "# >>> vedette audit"
	blockEnds    = "# <<< vedette audit <<<\n"
	wholeLine    = " >>>\n"
	afterPartial = ", after a line without an end >>>\n"
	ownFile      = ", in a file of its own >>>\n"
)

// without is a text without the block, the block's line, and whether the file was made for it.
func without(text []byte) (rest []byte, line string, own bool, err error) {
	begin := bytes.Index(text, []byte(blockBegins))
	if begin < 0 {
		return text, "", false, nil
	}
	length := bytes.Index(text[begin:], []byte(blockEnds))
	if length < 0 || bytes.Contains(text[begin+length:], []byte(blockBegins)) {
		return nil, "", false, fmt.Errorf("the block that begins with %q has no end or is there twice: remove it by hand", blockBegins)
	}
	marker, line, _ := strings.Cut(string(text[begin:begin+length]), "\n")
	tail := text[begin+length+len(blockEnds):]
	switch kind := strings.TrimPrefix(marker, blockBegins) + "\n"; kind {
	case afterPartial:
		if begin > 0 && len(tail) == 0 {
			begin-- // the end of line that was added
		}
	case ownFile:
		own = len(tail) == 0 && begin == 0
	case wholeLine:
	default:
		return nil, "", false, fmt.Errorf("the line %q was changed: remove the block by hand", marker)
	}
	return append(bytes.Clone(text[:begin]), tail...), line, own, nil
}

// with is a text with the block at its end. A nil text is a file that is not there.
func with(text []byte, line string) []byte {
	kind := wholeLine
	switch {
	case text == nil:
		kind = ownFile
	case len(text) > 0 && text[len(text)-1] != '\n':
		text = append(bytes.Clone(text), '\n')
		kind = afterPartial
	}
	return append(bytes.Clone(text), blockBegins+kind+line+blockEnds...)
}

const sealed = "# Vedette's audit of commands, "

// seal puts a line before a script that tells its version and the hash of the rest.
func seal(version string, body []byte) []byte {
	sum := sha256.Sum256(body)
	return append([]byte(sealed+strings.Join(strings.Fields(version), "_")+", sha256 "+hex.EncodeToString(sum[:])+"\n"), body...)
}

// unseal is the version of a script, and whether the rest is what it was sealed with.
func unseal(text []byte) (version string, whole bool) {
	first, body, _ := bytes.Cut(text, []byte("\n"))
	told, ok := strings.CutPrefix(string(first), sealed)
	version, sum, found := strings.Cut(told, ", sha256 ")
	if !ok || !found {
		return "", false
	}
	is := sha256.Sum256(body)
	return version, sum == hex.EncodeToString(is[:])
}
