package pipeline

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
)

// damageable is a pipeline's directory with a few records in each lane, all but the first of them packed.
type damageable struct {
	dir   string
	files map[string][]byte // by path
	// lines are those of each record, by the segment that it is in, in their order, with the offset at which the record
	// ends.
	lines map[string][][]string
	ends  map[string][]int64
}

func newDamageable(t *testing.T) *damageable {
	t.Helper()
	d := &damageable{dir: t.TempDir(), files: map[string][]byte{}, lines: map[string][][]string{}, ends: map[string][]int64{}}
	p := openPipeline(t, d.dir, Options{})
	s := p.testSource()
	segments := map[string]string{"samples": "samples/00000000000000000001.seg", "records": "records/00000000000000000001.seg"}
	for n := range 3 {
		text := strings.Repeat("packed ", 150)
		if n == 0 {
			text = "short"
		} else {
			p.samples.packFrom, p.records.packFrom = -1, -1
		}
		mustTake(t, s, encode(t, withText(2*n, text), withText(2*n+1, text), audit(2*n, text), audit(2*n+1, text)))
		for lane, stats := range map[string]int64{"samples": p.samples.spool.Size(), "records": p.records.spool.Size()} {
			line := lineOf
			if lane == "records" {
				line = auditLine
			}
			segment := segments[lane]
			d.lines[segment] = append(d.lines[segment], []string{line(2*n, text), line(2*n+1, text)})
			d.ends[segment] = append(d.ends[segment], stats)
		}
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	for _, end := range d.ends {
		if end[2] > 700 {
			t.Fatalf("the blocks were not packed: records end at %v", end)
		}
	}
	err := filepath.WalkDir(d.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, _ := filepath.Rel(d.dir, path)
		d.files[name], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// with makes the directory hold the files, but content in the place of one of them; nil removes it.
func (d *damageable) with(t *testing.T, name string, content []byte) {
	t.Helper()
	files := maps.Clone(d.files)
	files[name] = content
	for _, lane := range []string{"samples", "records"} {
		if err := os.RemoveAll(filepath.Join(d.dir, lane)); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(filepath.Join(d.dir, lane), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range files {
		if content == nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(d.dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// want checks that all is delivered but these records of a segment, that the log tells of the damage if it can be seen, and
// that the pipeline takes and delivers another batch.
func (d *damageable) want(t *testing.T, what, segment string, told bool, lost ...int) {
	t.Helper()
	log := new(bytes.Buffer)
	p, err := Open(d.dir, Options{MinFree: -1}, hclog.New(&hclog.LoggerOptions{Output: log, Level: hclog.Warn}))
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	defer p.Close()
	mustTake(t, p.testSource(), encode(t, numbered(100), audit(100, "")))
	want := []string{lineOf(100, ""), auditLine(100, "")}
	for name, records := range d.lines {
		for i, lines := range records {
			if name != segment || !slices.Contains(lost, i) {
				want = append(want, lines...)
			}
		}
	}
	got := delivered(t, p)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("%s: delivered %d lines, want %d", what, len(got), len(want))
	}
	lane, _, _ := strings.Cut(segment, "/")
	if told && !strings.Contains(log.String(), lane) || strings.Contains(log.String(), "can not be read and is passed over") {
		t.Fatalf("%s: the log says %s", what, log)
	}
}

func TestDamageCostsOnlyTheRecordsThatItTouches(t *testing.T) {
	d := newDamageable(t)
	for segment, ends := range d.ends {
		whole := d.files[segment]
		for off := range whole {
			// Every byte of the last record, and every seventh of the others, for time: the spool's own tests take all.
			if off < int(ends[1]) && off%7 != 0 {
				continue
			}
			damaged := bytes.Clone(whole)
			damaged[off] ^= 1 << (off % 8)
			record := slices.IndexFunc(ends, func(end int64) bool { return int64(off) < end })
			d.with(t, segment, damaged)
			d.want(t, "a flipped bit", segment, true, record)
			if off >= int(ends[1]) {
				d.with(t, segment, whole[:off])
				d.want(t, "a torn end", segment, off > int(ends[1]), 2)
			}
		}
		d.with(t, segment, nil)
		d.want(t, "a removed segment", segment, false, 0, 1, 2)
	}
	for _, lane := range []string{"samples", "records"} {
		cursor := lane + "/cursor"
		d.with(t, cursor, make([]byte, len(d.files[cursor])))
		d.want(t, "a zeroed cursor", lane+"/", true)
		d.with(t, cursor, nil)
		d.want(t, "a removed cursor", lane+"/", true)
	}
}

// readOnly makes a directory read-only for all, root included, until the function that it returns is called. Files in it
// that are open already stay as they are.
func readOnly(t *testing.T, dir string) (writable func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		chmod := func(forbidden, allowed fs.FileMode) {
			err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
				if err != nil {
					return err
				}
				info, err := e.Info()
				if err != nil {
					return err
				}
				return os.Chmod(path, info.Mode().Perm()&^forbidden|allowed)
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		chmod(0o200, 0)
		t.Cleanup(func() { chmod(0, 0o200) })
		return func() { chmod(0, 0o200) }
	}
	mount := func(args ...string) {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", args, err, out)
		}
	}
	mount("mount", "--bind", dir, dir)
	mount("mount", "-o", "remount,ro,bind", dir)
	mounted := true
	writable = func() {
		if mounted {
			mount("umount", "-l", dir)
			mounted = false
		}
	}
	t.Cleanup(writable)
	return writable
}

func TestADirectoryThatCanNotBeWrittenIsNamedInTheError(t *testing.T) {
	for _, there := range []bool{false, true} {
		dir := filepath.Join(t.TempDir(), "spool")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if there {
			if err := openPipeline(t, dir, Options{}).Close(); err != nil {
				t.Fatal(err)
			}
		}
		writable := readOnly(t, dir)
		_, err := Open(dir, Options{}, hclog.NewNullLogger())
		if err == nil || !strings.Contains(err.Error(), dir) || !errors.Is(err, fs.ErrPermission) && !strings.Contains(err.Error(), "read-only") {
			t.Errorf("opening a read-only directory: %v", err)
		}
		writable()
		openPipeline(t, dir, Options{})
	}
}

func TestADirectoryThatBecomesReadOnlyHoldsPointsAndLosesNone(t *testing.T) {
	dir := t.TempDir()
	p := openPipeline(t, dir, Options{MaxBytes: 1 << 20}) // segments of 128 KiB
	p.inOrder()
	s := p.testSource()
	store := new(memory)
	start(t, p, store)
	var want []string
	send := func(n int) *answer {
		want = append(want, lineOf(n, noise(n, 20<<10)))
		return take(s, encode(t, withText(n, noise(n, 20<<10))))
	}
	for n := range 4 {
		a := send(n)
		waitFor(t, "an acknowledgement", func() bool { return a.acknowledged() == 1 })
	}
	writable := readOnly(t, dir)
	var answers []*answer
	for n := 4; n < 12; n++ {
		answers = append(answers, send(n))
	}
	waitFor(t, "batches to be held", func() bool { _, by := p.Held(); return by != nil })
	if _, by := p.Held(); !strings.Contains(by.Error(), dir) {
		t.Errorf("held by %v", by)
	}
	writable()
	waitFor(t, "all acknowledgements", func() bool {
		return !slices.ContainsFunc(answers, func(a *answer) bool { return a.acknowledged() != 1 })
	})
	waitFor(t, "an empty spool", func() bool { return p.waiting() == 0 })
	wantLines(t, store.lines(), want...)
	if st := p.Stats().Samples; st.Gaps != 0 {
		t.Errorf("%+v", st)
	}
}
