package redact

// gate tells quickly that a line can not have a secret that the built-in rules know: it holds none of some substrings,
// whatever their case. Most lines have none, and cost no more than this.
type gate struct {
	byFirst [256][]string // by both cases of the first letter
}

// words are the substrings beside the names of tools.
var words = []string{
	"pass", "pwd", "pw=", "psw", "secret", "token", "key", "cred", "auth", "cookie", "sig", "://", "login", "identified",
	"sudo", "begin",
}

func newGate() gate {
	var g gate
	add := func(word string) {
		c := word[0]
		g.byFirst[c] = append(g.byFirst[c], word)
		if c >= 'a' && c <= 'z' {
			g.byFirst[c-'a'+'A'] = append(g.byFirst[c-'a'+'A'], word)
		}
	}
	for _, word := range words {
		add(word)
	}
	for _, shape := range shapes {
		add(lower(shape.prefix))
	}
	for name, tool := range tools {
		if tool.secret() {
			add(name)
		}
	}
	return g
}

func (g *gate) opens(s string) bool {
	for i := range len(s) {
		for _, word := range g.byFirst[s[i]] {
			if hasFold(s[i:], word) {
				return true
			}
		}
	}
	return false
}

// hasFold says whether s begins with a lower-case word, whatever its case.
func hasFold(s, word string) bool {
	if len(s) < len(word) {
		return false
	}
	for i := range len(word) {
		if toLower(s[i]) != word[i] {
			return false
		}
	}
	return true
}

func lower(s string) string {
	b := []byte(s)
	for i := range b {
		b[i] = toLower(b[i])
	}
	return string(b)
}

func toLower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

func isAlnum(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}
