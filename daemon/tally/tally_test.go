package tally

import (
	"fmt"
	"strings"
	"testing"
)

func TestReasonsThatDifferInNamesAndNumbersAreOne(t *testing.T) {
	var tally Tally
	for i := range 1000 {
		tally.Add(fmt.Sprintf(`field "f%d \"x\" %d" of "m" is not declared`, i, i))
		tally.Add(fmt.Sprintf("batch %d came where %d was due", i, i+1))
	}
	tally.Add("time is not set")
	sum := strings.Repeat("0123456789abcdef", 4)
	tally.Add("the program has the SHA256 " + sum)
	want := []Entry{
		{`field "…" of "…" is not declared`, 1000, `field "f999 \"x\" 999" of "m" is not declared`},
		{"batch N came where N was due", 1000, "batch 999 came where 1000 was due"},
		{"time is not set", 1, "time is not set"},
		{"the program has the SHA256 N", 1, "the program has the SHA256 " + sum},
	}
	if got := tally.Top(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestEndlessReasonsTakeLittleRoomAndAreAllCounted(t *testing.T) {
	var tally Tally
	const each = 10_000
	for i := range each {
		letters := strings.Map(func(r rune) rune { return 'a' + r - '0' }, fmt.Sprint(i))
		tally.Add(letters + strings.Repeat("long电", 1000))
		tally.Add("the usual one")
	}
	if len(tally.entries) > most+1 {
		t.Errorf("%d reasons are kept", len(tally.entries))
	}
	top := tally.Top()
	if len(top) != shown+1 || top[0].Reason != "the usual one" || top[0].Count != each || top[shown].Reason != Other {
		t.Errorf("the top is %+v", top)
	}
	sum := uint64(0)
	for _, e := range top {
		sum += e.Count
		if len(e.Reason)+len(e.Last) > 2*(longest+len("…")) {
			t.Errorf("an entry has %d bytes", len(e.Reason)+len(e.Last))
		}
	}
	if sum != 2*each {
		t.Errorf("%d of %d were counted", sum, 2*each)
	}
}
