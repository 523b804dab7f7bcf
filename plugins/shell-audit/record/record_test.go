package record

import (
	"math"
	"strings"
	"testing"
)

func typed() Record {
	return Record{
		Kind: Start, Shell: "bash", PID: 4711, Birth: 123456, Seq: 7, History: 501, Started: 1_760_000_000_000_000,
		Exit: NoExitCode, Cwd: "/home/an\tna", Command: "echo 'a\nb' \x1b[31m \xff", Full: 18,
	}
}

func encode(t testing.TB, r Record) string {
	t.Helper()
	b, err := r.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestARecordIsWrittenAsItIsDefined(t *testing.T) {
	want := "1 S raw bash 4711 123456 7 501 1760000000000000 0 -1 11 18 18\n/home/an\tnaecho 'a\nb' \x1b[31m \xff\x00"
	if got := encode(t, typed()); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	got, err := Parse([]byte(want))
	if err != nil || got != typed() {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestWhatIsTooLongIsCutAndItsLengthIsTold(t *testing.T) {
	r := typed()
	r.Cwd, r.Command = strings.Repeat("d", 5000), strings.Repeat("c", 100_000)
	b := encode(t, r)
	if len(b) > MaxSize {
		t.Fatalf("the record has %d bytes", len(b))
	}
	got, err := Parse([]byte(b))
	if err != nil || len(got.Cwd) != MaxCwd || len(got.Command) != MaxCommand || got.Full != 100_000 || !got.Truncated {
		t.Errorf("%d %d %d %v %v", len(got.Cwd), len(got.Command), got.Full, got.Truncated, err)
	}
}

func TestPercentEncodedTextsAreDecoded(t *testing.T) {
	for name, tt := range map[string]struct {
		record, cwd, command string
		full                 int64
		truncated            bool
	}{
		"whole":                {"1 C url fish 9 1 1 -1 5 6 0 4 16 16\n/%7Eecho%20%E7%89%A9\x00", "/~", "echo 物", 8, false},
		"cut within an escape": {"1 C url fish 9 1 1 -1 5 6 0 1 9 40\n/echo%20%E\x00", "/", "echo ", 40, true},
		"a NUL":                {"1 C url fish 9 1 1 -1 5 6 0 1 4 4\n/a%00\x00", "/", "a\x00", 2, false},
		"lower case":           {"1 C url fish 9 1 1 -1 5 6 0 1 3 3\n/%2f\x00", "/", "/", 1, false},
	} {
		got, err := Parse([]byte(tt.record))
		if err != nil || got.Cwd != tt.cwd || got.Command != tt.command || got.Full != tt.full || got.Truncated != tt.truncated {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestWhatIsNoRecordIsRefusedWithTheReason(t *testing.T) {
	good := "1 S raw bash 4711 12 7 -1 17 0 -1 1 4 4\n/true\x00"
	if _, err := Parse([]byte(good)); err != nil {
		t.Fatal(err)
	}
	change := func(from, to string) string { return strings.Replace(good, from, to, 1) }
	for b, want := range map[string]string{
		"":                                                       "end with a NUL",
		strings.TrimSuffix(good, "\x00"):                         "end with a NUL",
		good + good:                                              "NUL within",
		change("true", "tr\x00e"):                                "NUL within",
		change("\n", " "):                                        "no header",
		change("1 S", "2 S"):                                     "version",
		change("1 S", " S"):                                      "version",
		change(" S ", " T "):                                     `kind is "T"`,
		change(" S ", " SE "):                                    "kind",
		change("raw", "hex"):                                     "encoding",
		change("bash", "Bash"):                                   "shell",
		change("bash", "bashbashbashbash1"):                      "shell",
		change("bash", ""):                                       "shell",
		change("4711", "0"):                                      "pid",
		change("4711", "2147483648"):                             "pid",
		change("4711", "04711"):                                  "pid",
		change("4711", "+4711"):                                  "pid",
		change(" 12 ", " -12 "):                                  "start",
		change(" 7 ", " 0 "):                                     "seq",
		change(" 7 ", " 9223372036854775808 "):                   "seq",
		change(" 7 ", " 99999999999999999999 "):                  "seq",
		change(" -1 17", " -2 17"):                               "hist",
		change(" -1 17", " -0 17"):                               "hist",
		change(" 17 ", " 9223372036854776 "):                     "t0",
		change("0 -1 1 4", "0 - 1 4"):                            "rc",
		change("-1 1 4 4", "-1 1025 4 4"):                        "cwdlen",
		change("1 4 4", "1 16385 16385"):                         "cmdlen",
		change("1 4 4", "1 4 3"):                                 "fulllen",
		change("1 4 4", "1 4"):                                   "fulllen",
		change("1 4 4", "1 4 4 4"):                               "14 fields",
		change("1 4 4", "1 4 4 "):                                "14 fields",
		change("1 4 4", "1 5 5"):                                 "claims 1 and 5",
		change("1 4 4", "1 3 3"):                                 "claims 1 and 3",
		change("1 4 4", "1 16384 999999"):                        "claims 1 and 16384",
		change(" S ", " E "):                                     "end has a command",
		change("raw", "url") + "":                                "",
		strings.Replace(change("raw", "url"), "true", "%t2e", 1): "no escape",
		strings.Replace(change("raw", "url"), "true", "tru%", 1): "no escape",
		change("\n", strings.Repeat(" ", MaxSize)+"\n"):          "the most is",
	} {
		_, err := Parse([]byte(b))
		if want == "" != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%.80q: %v, want %q", b, err, want)
		}
	}
}

func TestNoRecordIsWrittenThatCanNotBeRead(t *testing.T) {
	for name, change := range map[string]func(*Record){
		"kind":    func(r *Record) { r.Kind = 'Z' },
		"shell":   func(r *Record) { r.Shell = "b sh" },
		"end":     func(r *Record) { r.Kind = End },
		"pid":     func(r *Record) { r.PID = 0 },
		"seq":     func(r *Record) { r.Seq = 0 },
		"start":   func(r *Record) { r.Birth = -1 },
		"history": func(r *Record) { r.History = -2 },
		"time":    func(r *Record) { r.Started = math.MaxInt64 },
		"exit":    func(r *Record) { r.Exit = math.MaxInt32 + 1 },
	} {
		r := typed()
		change(&r)
		if b, err := r.Append([]byte("before")); err == nil || string(b) != "before" {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
}

func TestClaimsAreFoundByTheirName(t *testing.T) {
	r := typed()
	r.Kind, r.Command = Hello, Claims("version", "5.2.15", "ssh", "10.0.0.1 5 10.0.0.2 22", "user", "a\x1fmode=builtin")
	got, err := Parse([]byte(encode(t, r)))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"version": "5.2.15", "ssh": "10.0.0.1 5 10.0.0.2 22", "user": "a mode=builtin", "mode": "", "vers": "",
	} {
		if got := got.Claim(name); got != want {
			t.Errorf("%s is claimed to be %q, want %q", name, got, want)
		}
	}
	r.Kind = Start
	if got := r.Claim("version"); got != "" {
		t.Errorf("a typed line claims %q", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(encode(f, typed()))
	f.Add("1 C url fish 9 1 1 -1 5 6 0 4 16 16\n/%7Eecho%20%E7%89%A9\x00")
	f.Add("1 C url fish 9 1 1 -1 1 1 0 4 16 17\n/%000000%000 0000000\x00")
	f.Add("1 E raw zsh 9 1 1 -1 5 6 -9 0 0 0\n\x00")
	f.Fuzz(func(t *testing.T, b string) {
		r, err := Parse([]byte(b))
		if err != nil {
			if r != (Record{}) {
				t.Fatalf("refused, and yet %+v", r)
			}
			return
		}
		again, err := Parse([]byte(encode(t, r)))
		if r.Truncated && again.Truncated && again.Full > r.Full {
			again.Full = r.Full // the length in another encoding
		}
		if err != nil || again != r && len(r.Command) <= MaxCommand/3 && len(r.Cwd) <= MaxCwd/3 {
			t.Fatalf("%+v became %+v, %v", r, again, err)
		}
	})
}

func FuzzWhatIsWrittenIsReadBack(f *testing.F) {
	f.Add(byte('S'), "bash", 1, int64(5), int64(1), int64(-1), int64(0), int64(0), -1, "/", "ls\x00", int64(3), false)
	f.Add(byte('E'), "zsh", 1, int64(5), int64(1), int64(3), int64(9), int64(10), 300, "", "", int64(0), false)
	f.Fuzz(func(t *testing.T, kind byte, shell string, pid int, birth, seq, hist, t0, t1 int64, exit int, cwd, command string, full int64, cut bool) {
		r := Record{Kind(kind), shell, pid, birth, seq, hist, Micros(t0), Micros(t1), exit, cwd, command, full, cut}
		b, err := r.Append(nil)
		if err != nil {
			return
		}
		got, err := Parse(b)
		if err != nil {
			t.Fatalf("%+v was written and is refused: %v", r, err)
		}
		if !strings.HasPrefix(cwd, got.Cwd) || !strings.HasPrefix(command, got.Command) {
			t.Fatalf("%q in %q became %q in %q", command, cwd, got.Command, got.Cwd)
		}
		if cut || len(command) > MaxCommand {
			if !got.Truncated {
				t.Fatal("it is not told that the command was cut")
			}
		} else if !got.Truncated && got.Command != command {
			t.Fatalf("%q became %q", command, got.Command)
		}
		r.Cwd, r.Command, r.Full, r.Truncated = got.Cwd, got.Command, got.Full, got.Truncated
		if got != r {
			t.Fatalf("%+v became %+v", r, got)
		}
	})
}
