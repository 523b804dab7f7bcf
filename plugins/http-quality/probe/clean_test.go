package probe

import (
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCleanURLHidesWhatMustNotBeSeen(t *testing.T) {
	for in, want := range map[string]string{
		"http://user:hunter2@shop.example:8080/a%20b?c=d#hunter2":                               "http://shop.example:8080/a%20b?c=d",
		"http://hunter2@[::1]/":                                                                 "http://[::1]/",
		"https://x/?token=hunter2&page=2&API_Key=hunter2":                                       "https://x/?token=xxx&page=2&API_Key=xxx",
		"https://x/?X-Amz-Signature=hunter2;sessionid=hunter2":                                  "https://x/?X-Amz-Signature=xxx;sessionid=xxx",
		"https://x/?%74oken=hunter2&pass%zz=hunter2":                                            "https://x/?%74oken=xxx&pass%zz=xxx",
		"https://x/?keyword=shoes&q=购物":                                                         "https://x/?keyword=shoes&q=%E8%B4%AD%E7%89%A9",
		"https://x/?next=%2Fhome%3Ftoken%3Dhunter2":                                             "https://x/?next=xxx",
		"https://x/?next=https%3A%2F%2Fme%3Ahunter2%40y%2F":                                     "https://x/?next=xxx",
		"https://x/?https://me:hunter2@y/":                                                      "https://x/?xxx",
		"https://x/?&&a&=&b=":                                                                   "https://x/?&&a&=&b=",
		"https://x/cb?code=hunter2&state=s&Ticket=hunter2&zipcode=1":                            "https://x/cb?code=xxx&state=s&Ticket=xxx&zipcode=1",
		"https://x/?back=%2Fcb%3Fa%3Db%26code%3Dhunter2":                                        "https://x/?back=xxx",
		"https://x/?SAMLResponse=hunter2&PHPSESSID=hunter2&pw=hunter2&tkn=hunter2&hmac=hunter2": "https://x/?SAMLResponse=xxx&PHPSESSID=xxx&pw=xxx&tkn=xxx&hmac=xxx",
		`https://x/?q={"token":"hunter2"}&u=me:hunter2@y`:                                       "https://x/?q=xxx&u=xxx",
		"http:/me:hunter2@y/":                                                                   "http:xxx",
		"https:///me:hunter2@y/":                                                                "https:xxx",
		"/me:hunter2@y/":                                                                        ":xxx",
		"mailto:hunter2":                                                                        "mailto:xxx",
		"http://x/?":                                                                            "http://x/?",
	} {
		u := parseURL(t, in)
		if got := CleanURL(u); got != want {
			t.Errorf("%s is shown as %s, want %s", in, got, want)
		}
		if u.String() != parseURL(t, in).String() {
			t.Errorf("%s was changed to %s", in, u)
		}
	}
	if got := CleanURL(nil); got != "" {
		t.Errorf("nil is shown as %q", got)
	}
}

// What is shown may not depend on a secret at all; that is more than not containing it.
func FuzzCleanURL(f *testing.F) {
	f.Add("http", "x", "/a", "b=c", "user", "hunter2")
	f.Add("https", "x:1", "//a@b", "%74oken=a;b&c", "", "\x00@/?#")
	f.Fuzz(func(t *testing.T, scheme, host, path, query, user, secret string) {
		u := &url.URL{Scheme: scheme, Host: host, Path: path, RawQuery: query}
		want := CleanURL(u)
		if len(want) > maxURLText+len("…") || !utf8.ValidString(want) || strings.ContainsAny(want, "\r\n\x00\x1b") {
			t.Errorf("shown as %q", want)
		}
		u.User, u.Fragment = url.UserPassword(user, secret), secret
		if got := CleanURL(u); got != want {
			t.Errorf("with user %q and password %q shown as %q, else %q", user, secret, got, want)
		}
		withSecret := func(s string) string {
			return CleanURL(&url.URL{Scheme: scheme, Host: host, Path: path, RawQuery: "access_token=" + url.QueryEscape(s) + "&" + query})
		}
		if a, b := withSecret(secret), withSecret(""); a != b {
			t.Errorf("with token %q shown as %q, else %q", secret, a, b)
		}
	})
}

func TestTextFromTheNetworkIsMadePrintable(t *testing.T) {
	for in, want := range map[string]string{
		"plain 购物车": "plain 购物车", "a\x1b[2J\nb\x00": "a?[2J?b?", "\xff\xfe": "??", "a\u202eb": "a?b", "a\u2028b": "a?b",
	} {
		if got := printable(in, 100); got != want {
			t.Errorf("%q is shown as %q, want %q", in, got, want)
		}
	}
	if got := printable(strings.Repeat("物", 100), 10); got != "物物物…" {
		t.Errorf("cut to %q", got)
	}
	if got := quote(strings.Repeat("\x80", 1000)); len(got) > 4*maxQuoted+10 {
		t.Errorf("quoted to %d bytes", len(got))
	}
}
