package probe

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"strconv"
	"strings"

	"github.com/theory/jsonpath"
)

// JSONPath is what must hold of a body in JSON.
type JSONPath struct {
	path  *jsonpath.Path
	text  string
	value string
}

// ParseJSONPath reads a path (RFC 9535) that must select something, and something that is value unless that is empty. A string
// is compared by its text; a number, true, false, null, an array or an object by how it is written in JSON.
func ParseJSONPath(path, value string) (JSONPath, error) {
	parsed, err := jsonpath.Parse(path)
	if err != nil {
		return JSONPath{}, fmt.Errorf("JSON path %s: %w", quote(path), err)
	}
	return JSONPath{parsed, path, value}, nil
}

// judgeJSON returns the first thing that does not hold.
func judgeJSON(paths []JSONPath, body []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var document any
	err := decoder.Decode(&document)
	if err == nil {
		if _, more := decoder.Token(); more != io.EOF {
			err = fmt.Errorf("it goes on after its end")
		}
	}
	if err != nil {
		return fmt.Errorf("body is not JSON: %w", err)
	}
	for _, p := range paths {
		nodes := p.path.Select(document)
		if len(nodes) == 0 {
			return fmt.Errorf("nothing in the body is at %s", quote(p.text))
		}
		if p.value != "" && !anyIs(nodes, p.value) {
			return fmt.Errorf("%s in the body is not %s", quote(p.text), quote(p.value))
		}
	}
	return nil
}

func anyIs(nodes []any, value string) bool {
	for _, node := range nodes {
		switch node := node.(type) {
		case string:
			if node == value {
				return true
			}
		case json.Number:
			if string(node) == value || sameNumber(string(node), value) {
				return true
			}
		default:
			written, err := json.Marshal(node)
			if err == nil && string(written) == value {
				return true
			}
		}
	}
	return false
}

// sameNumber tells whether two texts are the same number, such as 3 and 3.0.
func sameNumber(a, b string) bool {
	x, isX := number(a)
	y, isY := number(b)
	return isX && isY && x.Cmp(y) == 0
}

// number is what a text in JSON's form of numbers means, to the last digit; none if it is beyond a float64, whose exponent would make
// it long.
func number(text string) (*big.Rat, bool) {
	if float, err := strconv.ParseFloat(text, 64); err != nil || !json.Valid([]byte(text)) || float == 0 && strings.ContainsAny(text, "eE") {
		return nil, false
	}
	return new(big.Rat).SetString(text)
}
