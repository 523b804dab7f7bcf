package schedule

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
)

// journal notes when tasks were started.
type journal struct {
	mu     sync.Mutex
	starts map[string][]time.Time
}

// job is a task.
type job struct {
	key, name string
	interval  time.Duration
	run       func(ctx context.Context, due time.Time)
}

func (j *job) Key() (k Key)                           { copy(k[:], j.key); return k }
func (j *job) Name() string                           { return j.name }
func (j *job) Interval() time.Duration                { return j.interval }
func (j *job) Run(ctx context.Context, due time.Time) { j.run(ctx, due) }

// task is one that takes a while, and notes its starts.
func (j *journal) task(name string, interval, takes time.Duration) *job {
	return &job{key: name, name: name, interval: interval, run: func(ctx context.Context, due time.Time) {
		j.mu.Lock()
		if j.starts == nil {
			j.starts = map[string][]time.Time{}
		}
		j.starts[name] = append(j.starts[name], due)
		j.mu.Unlock()
		sleep(ctx, takes)
	}}
}

func (j *journal) of(name string) []time.Time {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.starts[name])
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// run runs the schedule until the test's end.
func run(t *testing.T, s *Schedule) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() { s.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		all.Wait()
	})
}

// never is how long a task that hangs takes.
const never = math.MaxInt64 * time.Nanosecond

func checkGaps(t *testing.T, name string, starts []time.Time, interval time.Duration) {
	t.Helper()
	for i := 1; i < len(starts); i++ {
		if gap := starts[i].Sub(starts[i-1]); gap != interval {
			t.Fatalf("%s: start %d came %v after the one before, want %v", name, i, gap, interval)
		}
	}
}

func TestStartsDoNotDriftOverDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		s := New(100, hclog.NewNullLogger())
		intervals := map[string]time.Duration{"a": 5 * time.Second, "b": 7337 * time.Millisecond, "c": time.Minute, "d": time.Hour}
		var tasks []Task
		for name, interval := range intervals {
			tasks = append(tasks, j.task(name, interval, min(interval/3, soon/2)))
		}
		s.Set(tasks)
		run(t, s)
		const days = 3 * 24 * time.Hour
		time.Sleep(days)
		synctest.Wait()
		for name, interval := range intervals {
			starts := j.of(name)
			if starts[1].Sub(starts[0]) != interval {
				starts = starts[1:] // the first came before its moment
			}
			checkGaps(t, name, starts, interval)
			if n, want := time.Duration(len(starts)), days/interval; n < want || n > want+1 {
				t.Errorf("%s has %d starts, want %d", name, n, want)
			}
			if got, want := time.Duration(starts[0].UnixNano())%interval, phase(name, interval, longestQuantum); got != want {
				t.Errorf("the phase of %s is %v, want %v", name, got, want)
			}
		}
		if got := s.Stats(); got.Overrun+got.Crowded > 0 {
			t.Errorf("skipped starts: %+v", got)
		}
	})
}

func TestTasksThatHangDelayNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const all, interval, rounds = 1000, 2 * time.Second, 10
		var j journal
		s := New(all, hclog.NewNullLogger())
		var tasks []Task
		for n := range all {
			takes := 20 * time.Millisecond
			if n%10 == 0 {
				takes = never
			}
			tasks = append(tasks, j.task(fmt.Sprint(n), interval, takes))
		}
		s.Set(tasks)
		run(t, s)
		time.Sleep(rounds * interval)
		synctest.Wait()
		for n := range all {
			name := fmt.Sprint(n)
			starts, want := j.of(name), rounds
			if n%10 == 0 {
				want = 1
			}
			if len(starts) < want || len(starts) > want+1 {
				t.Errorf("%s has %d starts, want %d", name, len(starts), want)
			}
			checkGaps(t, name, starts, interval)
		}
		if got := s.Stats(); got.Overrun < all/10*(rounds-1) || got.Overrun > all/10*rounds || got.Crowded > 0 {
			t.Errorf("the count of what was skipped is %+v", got)
		}
	})
}

func TestATaskNeverRunsTwiceAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		s := New(10, hclog.NewNullLogger())
		// Each run takes two and a half intervals: of three starts two are skipped.
		s.Set([]Task{j.task("slow", time.Second, 2500*time.Millisecond)})
		run(t, s)
		time.Sleep(31 * time.Second)
		synctest.Wait()
		checkGaps(t, "slow", j.of("slow"), 3*time.Second)
		if got := s.Stats(); got.Running > 1 || got.Overrun < 18 || got.Overrun > 21 {
			t.Errorf("got %+v", got)
		}
	})
}

func TestWhatFindsNoPlaceWaitsInTurnAndIsCountedWhenItsNextStartIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const all, most = 12, 4
		var j journal
		s := New(most, hclog.NewNullLogger())
		var tasks []Task
		for n := range all {
			// Together they want 12 seconds of work each second, and may do 4.
			tasks = append(tasks, j.task(fmt.Sprint(n), time.Second, time.Second))
		}
		s.Set(tasks)
		run(t, s)
		for range 300 {
			time.Sleep(time.Second / 10)
			synctest.Wait()
			if n := s.Stats().Running; n > most {
				t.Fatalf("%d run at once", n)
			}
		}
		least, largest := math.MaxInt, 0
		for n := range all {
			starts := j.of(fmt.Sprint(n))
			least, largest = min(least, len(starts)), max(largest, len(starts))
		}
		if least < 9 || largest > 11 {
			t.Errorf("of 30 starts a task got between %d and %d, want a third each", least, largest)
		}
		if got := s.Stats(); got.Crowded+got.Overrun < all*30*6/10 {
			t.Errorf("the count of what was skipped is %+v", got)
		}
	})
}

func TestARunThatHadToWaitIsNotStampedAsIfItHadNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		s := New(1, hclog.NewNullLogger())
		const takes = 700 * time.Millisecond
		late := &job{key: "late", name: "x", interval: 10 * time.Second, run: func(_ context.Context, due time.Time) {
			if age := time.Since(due); age > longestQuantum {
				t.Errorf("a run is stamped with a time of %v ago", age)
			}
		}}
		first := j.task("first", 10*time.Second, takes)
		first.name = "x"
		s.Set([]Task{first, late})
		run(t, s)
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := s.Stats(); got.Started < 11 || got.Crowded > 0 {
			t.Errorf("got %+v", got)
		}
	})
}

func TestAChangeOfTheListKeepsTheOthersPhase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		s := New(1000, hclog.NewNullLogger())
		intervals := map[string]time.Duration{}
		random := rand.New(rand.NewPCG(1, 2))
		name := func() string { return fmt.Sprint("target ", random.IntN(60)) }
		s.Set(nil)
		run(t, s)
		kept := []Task{j.task("always", 700*time.Millisecond, time.Millisecond), j.task("hangs", time.Second, never)}
		for range 200 {
			for range random.IntN(20) {
				if random.IntN(3) == 0 {
					delete(intervals, name())
				} else if n := name(); intervals[n] == 0 {
					intervals[n] = time.Duration(1+random.IntN(50)) * 100 * time.Millisecond
				}
			}
			tasks := slices.Clone(kept)
			for _, n := range slices.Sorted(maps.Keys(intervals)) {
				tasks = append(tasks, j.task(n, intervals[n], time.Millisecond))
			}
			s.Set(tasks)
			time.Sleep(time.Duration(random.IntN(3000)) * time.Millisecond)
		}
		synctest.Wait()
		checkGaps(t, "always", j.of("always"), 700*time.Millisecond)
		if n := len(j.of("always")); n < 200 {
			t.Errorf("it was started %d times", n)
		}
		if n := len(j.of("hangs")); n != 1 {
			t.Errorf("what hangs was started %d times at once", n)
		}
	})
}

func TestANewTaskStartsSoonAndThousandsOfThemNotAllAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		s := New(10_000, hclog.NewNullLogger())
		const many = 1000
		var tasks []Task
		for n := range many {
			tasks = append(tasks, j.task(fmt.Sprint(n), 24*time.Hour, time.Millisecond))
		}
		began := time.Now()
		s.Set(tasks)
		run(t, s)
		time.Sleep(many/batch*pause + soon)
		synctest.Wait()
		at := map[time.Time]int{}
		for _, task := range tasks {
			starts := j.of(task.Name())
			if len(starts) == 0 {
				t.Fatalf("%s was not started in %v", task.Name(), time.Since(began))
			}
			at[starts[0]]++
		}
		for when, n := range at {
			if n > 2*batch {
				t.Errorf("%d start at once, after %v", n, when.Sub(began))
			}
		}
		// Who is there already does not start again because others come.
		s.Set(append(tasks, j.task("new", 24*time.Hour, time.Millisecond)))
		time.Sleep(time.Second)
		synctest.Wait()
		if n := len(j.of("new")); n != 1 {
			t.Errorf("a new one was started %d times", n)
		}
		if n := len(j.of("0")); n != 1 {
			t.Errorf("one that is not new was started %d times", n)
		}
	})
}

func TestATaskThatIsGoneIsNotStartedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		s := New(1, hclog.NewNullLogger())
		hang := j.task("hangs", time.Second, 5*time.Second)
		waits := j.task("waits", time.Second, time.Millisecond)
		hang.name, waits.name = "x", "x"
		s.Set([]Task{hang, waits})
		run(t, s)
		time.Sleep(3 * time.Second)
		s.Set([]Task{hang})
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(j.of("waits")); n > 0 {
			t.Errorf("what was gone while it waited was started %d times", n)
		}
	})
}

func TestStartsComeInBatchesAndOverTheWholeInterval(t *testing.T) {
	for _, tc := range []struct {
		tasks    int
		interval time.Duration
		quantum  time.Duration
	}{
		{10, time.Minute, 100 * time.Millisecond},
		{1000, 2 * time.Second, 50 * time.Millisecond},
		{10000, time.Minute, 100 * time.Millisecond},
		{10000, 10 * time.Second, 20 * time.Millisecond},
		{50, 100 * time.Millisecond, 50 * time.Millisecond},
		{100000, time.Second, time.Millisecond},
	} {
		var tasks []Task
		for n := range tc.tasks {
			tasks = append(tasks, &job{name: fmt.Sprint("shop ", n), interval: tc.interval})
		}
		q := quantum(tasks)
		if q != tc.quantum {
			t.Errorf("%d tasks each %v: the quantum is %v, want %v", tc.tasks, tc.interval, q, tc.quantum)
		}
		const parts = 4
		var inPart [parts]int
		for _, task := range tasks {
			p := phase(task.Name(), task.Interval(), q)
			if p < 0 || p >= tc.interval || p%q != 0 {
				t.Fatalf("phase %v of %v by %v", p, tc.interval, q)
			}
			inPart[p*parts/tc.interval]++
		}
		for part, n := range inPart {
			// Five times the standard deviation.
			if want := float64(tc.tasks) / parts; math.Abs(float64(n)-want) > 5*math.Sqrt(want)+1 {
				t.Errorf("%d of %d tasks start in part %d of %d", n, tc.tasks, part+1, parts)
			}
		}
	}
}

func TestThePhaseOfANameIsTheSameForEver(t *testing.T) {
	// Other daemons, and this one after a restart, must find the same.
	for name, want := range map[string]time.Duration{"shop": 33100 * time.Millisecond, "": 53300 * time.Millisecond, "网上商城": 49300 * time.Millisecond} {
		if got := phase(name, time.Minute, longestQuantum); got != want {
			t.Errorf("the phase of %q is %v, want %v", name, got, want)
		}
	}
}

func TestAPhaseMovesByLessThanTheQuantumWhenThatChanges(t *testing.T) {
	for n := range 1000 {
		name := fmt.Sprint(n)
		long := phase(name, time.Minute, longestQuantum)
		for _, q := range quanta {
			if moved := (phase(name, time.Minute, q) - long).Abs(); moved >= longestQuantum {
				t.Fatalf("the phase of %s moves by %v", name, moved)
			}
		}
	}
}

func TestStartsFollowTheClockWhenItIsSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		s := New(10, hclog.NewNullLogger())
		var mu sync.Mutex
		var step time.Duration
		s.wall = func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return time.Now().Add(step)
		}
		const interval = 10 * time.Second
		s.Set([]Task{j.task("a", interval, time.Millisecond)})
		run(t, s)
		for _, by := range []time.Duration{3 * time.Second, -7 * time.Second, 24 * time.Hour, 50 * time.Millisecond} {
			time.Sleep(time.Minute)
			mu.Lock()
			step += by
			mu.Unlock()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		want := phase("a", interval, longestQuantum)
		starts := j.of("a")
		for _, start := range starts {
			if got := time.Duration(start.UnixNano()) % interval; got != want {
				t.Errorf("the phase of the start at %v is %v, want %v", start, got, want)
			}
		}
		if n := len(starts); n < 26 || n > 34 {
			t.Errorf("%d starts in 5 minutes", n)
		}
	})
}

func TestOneBadRunCostsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		s := New(1, hclog.NewNullLogger())
		s.Set([]Task{
			&job{key: "bad", name: "bad", interval: time.Second, run: func(context.Context, time.Time) { panic("bad") }},
			j.task("good", time.Second, time.Millisecond),
		})
		run(t, s)
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(j.of("good")); n < 59 {
			t.Errorf("the good one was started %d times in a minute", n)
		}
		if s.Stats().Running != 0 {
			t.Error("the bad ones still count as running")
		}
	})
}

func TestRunReturnsWhenAllRunsHave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(10, hclog.NewNullLogger())
		ended := 0
		s.Set([]Task{&job{key: "a", name: "a", interval: time.Second, run: func(ctx context.Context, _ time.Time) {
			<-ctx.Done()
			time.Sleep(time.Second)
			ended++
		}}})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		s.Run(ctx)
		if ended != 1 {
			t.Errorf("%d runs have ended", ended)
		}
	})
}

func TestATaskThatIsGoneIsNotHeldByThoseThatStay(t *testing.T) {
	s := New(10, hclog.NewNullLogger())
	const all = 1000
	var gone atomic.Int64
	tasks := make([]Task, all)
	for n := range tasks {
		one := &job{key: fmt.Sprint(n), name: fmt.Sprint(n), interval: time.Hour}
		runtime.AddCleanup(one, func(int) { gone.Add(1) }, 0)
		tasks[n] = one
	}
	s.Set(tasks)
	stays := tasks[:1:1]
	clear(tasks[1:])
	s.Set(stays)
	for end := time.Now().Add(10 * time.Second); gone.Load() < all-1; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d of %d are gone", gone.Load(), all-1)
		}
		runtime.GC()
	}
	runtime.KeepAlive(s)
}
