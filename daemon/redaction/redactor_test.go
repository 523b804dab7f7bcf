package redaction

import "testing"

func TestSecretsAreHiddenInWhateverFormTheyAreRepeated(t *testing.T) {
	const pem = "-----BEGIN KEY-----\nMIGHAgEAMBMG\nByqGSM49AgEG\n-----END KEY-----\n"
	redactor := NewRedactor([]string{"ab", "long", "long-secret", "p@ss word", "line\nline", "4711", "", pem})
	for text, want := range map[string]string{
		"token \"ab\" is wrong":       "token \"" + Mark + "\" is wrong",
		"ab ab,ab":                    Mark + " " + Mark + "," + Mark,
		"about":                       "about",
		"https://x/?q=p%40ss+word":    "https://x/?q=" + Mark,
		`quoted "line\nline"`:         `quoted "` + Mark + `"`,
		"long-secret and long":        Mark + " and " + Mark,
		"nothing":                     "nothing",
		"4711 is a number, 47112 too": Mark + " is a number, " + Mark + "2 too",
		"the key " + pem + "is wrong": "the key " + Mark + "is wrong",
		// As a panic prints it.
		"panic: -----BEGIN KEY-----\n\tMIGHAgEAMBMG\n\tByqGSM49AgEG": "panic: " + Mark + "\n\t" + Mark + "\n\t" + Mark,
	} {
		if got := redactor.Redact(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
	var none *Redactor
	if got := none.Redact("all of it"); got != "all of it" {
		t.Errorf("without secrets it is %q", got)
	}
}
