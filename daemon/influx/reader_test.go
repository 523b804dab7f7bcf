package influx_test

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/influx"
)

func reader(t testing.TB, o influx.ReaderOptions) *influx.Reader {
	t.Helper()
	if o.URL == "" {
		o.URL = server.Credentials().URL
	}
	if o.Token == "" {
		o.Token = server.Credentials().Admin.Token()
	}
	r, err := influx.NewReader(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func store(t testing.TB, db string, text ...string) {
	t.Helper()
	w, refused := writerTo(t, influx.WriterOptions{Bucket: db})
	if got, err := w.Write(limited(t), lines(text...)); err != nil || got.Stored != len(text) {
		t.Fatalf("result %+v, %v, refused %q", got, err, refused.why)
	}
}

func TestReaderKeepsEveryTypeAndEveryDigit(t *testing.T) {
	db := database(t)
	at := time.Now().Truncate(time.Hour).Add(123456789).UTC()
	store(t, db, fmt.Sprintf(`m,host=a f=0.1,i=9223372036854775807i,b=true,s="say \"hi\"" %d`, at.UnixNano()),
		fmt.Sprintf(`m,host=a f=3 %d`, at.Add(1).UnixNano()))

	got, err := reader(t, influx.ReaderOptions{Database: db}).Query(limited(t), "SELECT f, i, b, s FROM m GROUP BY host")
	if err != nil || len(got) != 1 || len(got[0].Rows) != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	if s := got[0]; s.Name != "m" || s.Tags["host"] != "a" || strings.Join(s.Columns, " ") != "time f i b s" {
		t.Errorf("series: %+v", s)
	}
	row := got[0].Rows[0]
	if when, ok := row[0].Time(); !ok || !when.Equal(at) {
		t.Errorf("time %v, want %v", when, at)
	}
	if f, ok := row[1].Float(); !ok || f != 0.1 {
		t.Errorf("float %v", f)
	}
	if i, ok := row[2].Int(); !ok || i != 9223372036854775807 {
		t.Errorf("integer %v", i)
	}
	if b, ok := row[3].Bool(); !ok || !b {
		t.Errorf("boolean %v", b)
	}
	if s, ok := row[4].Text(); !ok || s != `say "hi"` {
		t.Errorf("text %v", s)
	}
	if null := got[0].Rows[1]; !null[2].IsNull() || null[2].String() != "" || null[1].String() != "3" {
		t.Errorf("row with nulls: %v", null)
	}
	if text, err := json.Marshal(row[1:]); err != nil || string(text) != `[0.1,9223372036854775807,true,"say \"hi\""]` {
		t.Errorf("as JSON: %s, %v", text, err)
	}

	got, err = reader(t, influx.ReaderOptions{Database: db, Times: influx.RFC3339}).Query(limited(t), "SELECT f FROM m LIMIT 1")
	if err != nil || got[0].Rows[0][0].String() != at.Format(time.RFC3339Nano) {
		t.Fatalf("%+v, %v", got, err)
	}
	if when, ok := got[0].Rows[0][0].Time(); !ok || !when.Equal(at) {
		t.Errorf("time %v, want %v", when, at)
	}
}

func TestReaderJoinsWhatInfluxDBCuts(t *testing.T) {
	db := database(t)
	batch := points(25000)
	store(t, db, batch...)
	store(t, db, strings.Replace(points(1)[0], "host=a", "host=b", 1))
	got, err := reader(t, influx.ReaderOptions{Database: db}).Query(limited(t),
		"SELECT n FROM m GROUP BY host; SHOW MEASUREMENTS; SELECT n FROM m WHERE host = 'none'; SELECT count(n) FROM m")
	if err != nil {
		t.Fatal(err)
	}
	var shape []string
	for _, s := range got {
		shape = append(shape, fmt.Sprintf("%d %s %s %d", s.Statement, s.Name, s.Tags["host"], len(s.Rows)))
	}
	if want := "0 m a 25000, 0 m b 1, 1 measurements  1, 3 m  1"; strings.Join(shape, ", ") != want {
		t.Errorf("got %s, want %s", strings.Join(shape, ", "), want)
	}
	for i, row := range got[0].Rows {
		if n, ok := row[1].Int(); !ok || n != int64(i) {
			t.Fatalf("row %d holds %v", i, row)
		}
	}
}

func TestReaderPassesOnWhatInfluxDBSays(t *testing.T) {
	db := database(t)
	store(t, db, points(1)...)
	c := server.Credentials()
	for name, c := range map[string]struct {
		o         influx.ReaderOptions
		q         string
		status    int
		statement int
		words     string
		tables    int
	}{
		"syntax": {q: "SELEKT", status: 400, words: "found SELEKT, expected SELECT"},
		"statement": {o: influx.ReaderOptions{Database: "nowhere"}, q: "SELECT v FROM m",
			status: 200, words: "database not found: nowhere"},
		"second statement": {o: influx.ReaderOptions{Database: db}, q: `SELECT v FROM m; SELECT v FROM "x"."y"."z"`,
			status: 200, statement: 1, words: "statement 2: database not found: x", tables: 1},
		"credentials": {o: influx.ReaderOptions{Token: "vedette_admin:wrong-password"}, q: "SHOW DATABASES",
			status: 401, words: "authorization failed"},
		"grant": {o: influx.ReaderOptions{Token: c.Reader.Token()}, q: "SHOW USERS",
			status: 403, words: "requires admin privilege"},
		"policy": {o: influx.ReaderOptions{Database: db, Policy: "nowhere"}, q: "SELECT v FROM m",
			status: 200, words: "retention policy not found"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := reader(t, c.o).Query(limited(t), c.q)
			var refused *influx.QueryError
			if !errors.As(err, &refused) || refused.Status != c.status || refused.Statement != c.statement ||
				!strings.Contains(err.Error(), c.words) || strings.Contains(err.Error(), "wrong-password") || len(got) != c.tables {
				t.Errorf("%d tables, error %v", len(got), err)
			}
		})
	}
}

func TestReaderKnowsAnAnswerThatIsNotInfluxDBs(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"page":      page(200),
		"cut short": func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{"results":[{"series":[{"name"`) },
		"redirect":  status(302, "", "Location", "/"),
		"error":     func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{"error":"out of memory"}`) },
		"odd cell": func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, `{"results":[{"series":[{"values":[[{}]]}]}]}`)
		},
	} {
		_, url := play(t, answer)
		if got, err := reader(t, influx.ReaderOptions{URL: url}).Query(limited(t), "SHOW DATABASES"); err == nil {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestSetUpCanBeRepeatedAndFollowsTheWish(t *testing.T) {
	s, name := setup(t), `odd "name" `+rand.Text()
	policies := func() string {
		var all []string
		for _, table := range query(t, name, "SHOW RETENTION POLICIES") {
			for _, row := range table.Rows {
				all = append(all, fmt.Sprint(row))
			}
		}
		return strings.Join(all, " ")
	}
	day := 24 * time.Hour
	for _, c := range []struct {
		wish []influx.RetentionPolicy
		want string
	}{
		{nil, "[autogen 0s 168h0m0s 1 true]"},
		{[]influx.RetentionPolicy{{Name: "autogen", Duration: 32 * day, Default: true}}, "[autogen 768h0m0s 24h0m0s 1 true]"},
		{[]influx.RetentionPolicy{{Name: "autogen", Duration: 32 * day, Default: true}}, "[autogen 768h0m0s 24h0m0s 1 true]"},
		{[]influx.RetentionPolicy{{Name: "autogen", Duration: 5 * time.Hour, Default: true},
			{Name: "records", Duration: 400 * day}},
			"[autogen 5h0m0s 1h0m0s 1 true] [records 9600h0m0s 168h0m0s 1 false]"},
		{[]influx.RetentionPolicy{{Name: "autogen", Default: true}, {Name: "records", Duration: 400 * day, Shard: 30 * day}},
			"[autogen 0s 168h0m0s 1 true] [records 9600h0m0s 720h0m0s 1 false]"},
	} {
		if err := s.Database(limited(t), name, c.wish...); err != nil {
			t.Fatal(err)
		}
		if got := policies(); got != c.want {
			t.Errorf("policies %s, want %s", got, c.want)
		}
	}
	short := influx.RetentionPolicy{Name: "short", Duration: time.Minute}
	if err := s.Database(limited(t), name, short); err == nil || !strings.Contains(err.Error(), "1h") {
		t.Errorf("a policy of a minute: %v", err)
	}

	user, password := "odd's_user_"+rand.Text(), `it's"odd"\or:'not`
	for _, p := range []string{"before", password, password} {
		if err := s.User(limited(t), user, p, influx.Read, name); err != nil {
			t.Fatal(err)
		}
	}
	r := reader(t, influx.ReaderOptions{Token: user + ":" + password, Database: name})
	if _, err := r.Query(limited(t), "SHOW MEASUREMENTS"); err != nil {
		t.Error(err)
	}
	err := s.Admin(limited(t), server.Credentials().Admin.Name, "another-password")
	if err == nil || strings.Contains(err.Error(), "another-password") {
		t.Errorf("an administrator with another password: %v", err)
	}
}
