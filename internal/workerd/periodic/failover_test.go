// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package periodic

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

var errLost = errors.New("the connection broke")

// died is what a daemon panics with that is killed.
type died struct{}

// scene is two daemons on one queue, of which the first meets a fault at one of its calls.
type scene struct {
	*world
	// knows says that the queue takes a key once.
	knows bool
	keys  map[string]bool
	calls int
	// at is the number of the call that the fault hits, before or after its effect.
	at    int
	after bool
	fault func(*scene) error
	first *Periodic
	other *Periodic
	ctx   context.Context
	stop  context.CancelFunc
}

// side is what the first daemon sees of the scene.
type side struct{ *scene }

func (s side) call(do func() error) error {
	s.calls++
	hit := s.calls == s.at
	if hit && !s.after {
		if err := s.fault(s.scene); err != nil {
			return err
		}
	}
	err := do()
	if hit && s.after {
		if lost := s.fault(s.scene); lost != nil {
			return lost
		}
	}
	return err
}

func (s *scene) Send(ctx context.Context, key string, body []byte, list []queue.Attribute) error {
	if s.knows && s.keys[key] {
		return nil
	}
	s.keys[key] = true
	return s.world.Send(ctx, key, body, list)
}

func (s side) Send(ctx context.Context, key string, body []byte, list []queue.Attribute) error {
	return s.call(func() error { return s.scene.Send(ctx, key, body, list) })
}

func (s side) Elect(ctx context.Context, holder string, ttl time.Duration) (leader string, err error) {
	err = s.call(func() error { leader, err = s.scene.Elect(ctx, holder, ttl); return err })
	return leader, err
}

func (s side) Record(ctx context.Context) (record []byte, err error) {
	err = s.call(func() error { record, err = s.scene.Record(ctx); return err })
	return record, err
}

func (s side) Keep(ctx context.Context, holder string, record []byte) error {
	return s.call(func() error { return s.scene.Keep(ctx, holder, record) })
}

func (s side) Resign(ctx context.Context, holder string) error {
	return s.call(func() error { return s.scene.Resign(ctx, holder) })
}

func newScene(t *testing.T, knows, fenced bool) *scene {
	t.Helper()
	s := &scene{world: newWorld(), knows: knows, keys: map[string]bool{}}
	s.ctx, s.stop = context.WithCancel(context.Background())
	t.Cleanup(s.stop)
	s.record = []byte(`{"marks":{}}`)
	list := []contract.Task{audit, {Name: "sweep", Path: "/sweep", Schedule: "*/2 * * * *"}, {Name: "seoul", Path: "/s", Schedule: "* * * * *", TimeZone: "Asia/Seoul"}}
	var err error
	if s.first, err = New(Options{Queue: side{s}, Elector: side{s}, Fenced: fenced, Tasks: list, Holder: "first", Clock: s}); err != nil {
		t.Fatal(err)
	}
	if s.other, err = New(Options{Queue: s, Elector: s, Fenced: fenced, Tasks: list, Holder: "other", Clock: s}); err != nil {
		t.Fatal(err)
	}
	s.other.step(s.ctx) // it writes down the tasks, so that they are known
	if err := s.other.resign(s.ctx); err != nil {
		t.Fatal(err)
	}
	s.other.ask = s.Now().Add(every)
	return s
}

// stepFirst says whether the first daemon goes on.
func (s *scene) stepFirst(t *testing.T) (alive bool) {
	t.Helper()
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(died); !ok {
				panic(r)
			}
		}
	}()
	s.first.step(s.ctx)
	if s.ctx.Err() != nil {
		if err := s.first.resign(s.ctx); err != nil {
			t.Error(err)
		}
		return false
	}
	return true
}

// play lets time pass, in which the leaders are counted, and says how often each run was enqueued.
func (s *scene) play(t *testing.T, d time.Duration) map[string]int {
	t.Helper()
	end := s.Now().Add(d)
	for alive := true; s.Now().Before(end); s.tick(time.Second) {
		if alive {
			alive = s.stepFirst(t)
		}
		s.other.step(context.Background())
		if alive && s.first.leads() && s.other.leads() {
			t.Fatalf("two lead at %s", s.Now())
		}
	}
	out := map[string]int{}
	for _, run := range s.sent {
		out[run]++
	}
	return out
}

func (s *scene) tick(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

// pause is a daemon that stands still for 70 seconds in the middle of a call, while the other one goes on.
func pause(s *scene) error {
	for range 70 {
		s.tick(time.Second)
		s.other.step(context.Background())
	}
	return nil
}

// Whatever happens to the leader, before or after the effect of whichever call: no run is lost; with a queue that knows keys again none
// is enqueued twice; without one at most those that it was sending, of which a fenced one has one at a time, and none if it was stopped
// as it should.
func TestFaultAtEveryCall(t *testing.T) {
	t.Parallel()
	for _, fenced := range []bool{false, true} {
		t.Run(fmt.Sprintf("fenced %t", fenced), func(t *testing.T) { t.Parallel(); faultAtEveryCall(t, fenced) })
	}
}

func faultAtEveryCall(t *testing.T, fenced bool) {
	t.Helper()
	calm := newScene(t, false, fenced)
	want := calm.play(t, 6*time.Minute)
	if len(want) != 6+3+6 || calm.calls < 30 {
		t.Fatalf("%d calls enqueued %v", calm.calls, want)
	}
	faults := map[string]func(*scene) error{
		"killed": func(*scene) error { panic(died{}) },
		"fails":  func(*scene) error { return errLost },
		"paused": pause,
		"stops":  func(s *scene) error { s.stop(); return nil },
		"killed, record lost": func(s *scene) error {
			s.world.record = nil
			panic(died{})
		},
	}
	for name, fault := range faults {
		for _, knows := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, keys known %t", name, knows), func(t *testing.T) {
				t.Parallel()
				most := 0
				for at := range calm.calls {
					for _, after := range []bool{false, true} {
						s := newScene(t, knows, fenced)
						s.at, s.after, s.fault = at+1, after, fault
						most = max(most, judge(t, fmt.Sprintf("call %d, after %t", at+1, after), want, s.play(t, 8*time.Minute)))
					}
				}
				limit := map[string]int{"killed": 3, "fails": 1, "paused": 3, "killed, record lost": 3}[name]
				if fenced && name != "killed, record lost" {
					limit = min(limit, 1)
				}
				if knows {
					limit = 0
				}
				if most > limit {
					t.Errorf("%d runs were enqueued twice, the limit is %d", most, limit)
				}
			})
		}
	}
}

// judge counts what was enqueued more than once.
func judge(t *testing.T, what string, want, got map[string]int) int {
	t.Helper()
	twice := 0
	for run := range want {
		if got[run] == 0 {
			t.Errorf("%s: %s was lost", what, run)
		}
	}
	for run, times := range got {
		if twice += times - 1; times > 1 && want[run] == 0 {
			t.Errorf("%s: %s was never due and enqueued %d times", what, run, times)
		}
	}
	return twice
}

// Who was replaced while it stood still, and believes that it leads because its clock stood still too, cannot send.
func TestFence(t *testing.T) {
	t.Parallel()
	s := newScene(t, false, true)
	s.play(t, time.Minute)
	s.world.leader, s.world.until = "a third one", s.Now().Add(time.Hour)
	before := len(s.sent)
	for range 20 { // the first one has not asked since
		s.first.ask, s.first.until = s.Now().Add(every), s.Now().Add(trust)
		s.tick(3 * time.Second)
		s.first.sendDue(s.ctx)
	}
	if len(s.sent) != before {
		t.Errorf("%v was sent by who did not lead", s.sent[before:])
	}
}

// slow is a queue that needs a second for each message.
type slow struct{ *scene }

func (s slow) Send(ctx context.Context, key string, body []byte, list []queue.Attribute) error {
	s.tick(time.Second)
	return s.scene.Send(ctx, key, body, list)
}

// A hundred tasks that are due at once take longer than a lead: it is renewed in between, and nothing is sent twice.
func TestSlowQueue(t *testing.T) {
	t.Parallel()
	s := newScene(t, false, false)
	var list []contract.Task
	for i := range 100 {
		list = append(list, contract.Task{Name: fmt.Sprint(i), Path: "/", Schedule: "5 10 * * *"})
	}
	p, err := New(Options{Queue: slow{s}, Elector: s, Tasks: list, Holder: "slow", Clock: s})
	if err != nil {
		t.Fatal(err)
	}
	for end := s.Now().Add(8 * time.Minute); s.Now().Before(end); s.tick(time.Second) {
		p.step(t.Context())
		s.other.step(t.Context())
		if s.other.leads() {
			t.Fatal("the lead was lost")
		}
	}
	if len(s.sent) != 100 {
		t.Errorf("%d messages", len(s.sent))
	}
}

// Who could not write its record still knows what it sent.
func TestRecordNotWritten(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.record = []byte(`{"marks":{}}`)
	a := w.daemon(t, "a", contract.Task{Name: "audit", Path: "/audit", Schedule: "1 * * * *"})
	w.pass(t, 20*time.Second, a)
	w.failing = "Keep"
	w.pass(t, 15*time.Second, a)
	w.failing = "all"
	w.pass(t, 60*time.Second, a) // its lead ends
	w.failing = ""
	w.pass(t, 20*time.Second, a)
	w.want(t, at("10:01:00"))
}

// Days pass, clocks are set, and nothing stops or comes twice.
func TestClockIsSet(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.record = []byte(`{"marks":{}}`)
	daily := contract.Task{Name: "daily", Path: "/", Schedule: "30 2 * * *", TimeZone: "Europe/Berlin"}
	a := w.daemon(t, "a", daily)
	w.now = time.Date(2027, 3, 26, 0, 0, 0, 0, time.UTC)
	w.pass(t, 4*24*time.Hour, a)
	// On the 28th the clocks skip half past two.
	w.want(t, "daily / 2027-03-26T01:30:00Z", "daily / 2027-03-27T01:30:00Z", "daily / 2027-03-29T00:30:00Z")
	w.now = w.now.Add(365 * 24 * time.Hour)
	w.pass(t, 2*time.Hour, a)
	w.now = w.now.Add(-365 * 24 * time.Hour)
	w.until = time.Time{}
	w.sent = nil
	w.pass(t, 24*time.Hour, a)
	w.want(t, "daily / 2027-03-31T00:30:00Z")
}
