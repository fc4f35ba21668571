// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package queues_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/beanpod-dev/beanpod/internal/queues"
	"github.com/beanpod-dev/beanpod/internal/scaling"
	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// broker counts what is asked of it.
type broker struct {
	mu      sync.Mutex
	depth   queue.Depth
	err     error
	opened  []map[string]string
	asked   []time.Time
	open    int
	removed int
	hangs   bool
}

func (b *broker) set(change func(*broker)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(b)
}

func (b *broker) looks() []time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]time.Time(nil), b.asked...)
}

func (b *broker) Open(_ context.Context, _ contract.Coordinates, _ queue.Options, credentials map[string]string) (queue.Queue, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.opened = append(b.opened, credentials)
	b.open++
	return &opened{broker: b}, nil
}

// opened can do what the operator needs.
type opened struct {
	queue.Queue
	broker *broker
}

func (o *opened) Depth(ctx context.Context) (queue.Depth, error) {
	o.broker.mu.Lock()
	o.broker.asked = append(o.broker.asked, time.Now())
	depth, err, hangs := o.broker.depth, o.broker.err, o.broker.hangs
	o.broker.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return queue.Depth{}, ctx.Err()
	}
	return depth, err
}

func (o *opened) Close() error {
	o.broker.set(func(b *broker) { b.open-- })
	return nil
}

func (o *opened) Remains(ctx context.Context) (queue.Depth, error) { return o.Depth(ctx) }

func (o *opened) Remove(context.Context) error {
	o.broker.set(func(b *broker) { b.removed++ })
	return nil
}

func source(name string) queues.Source {
	return queues.Source{Coordinates: contract.Coordinates{Provider: contract.NATS, URL: "nats://queues:4222", Name: name, Generated: true}, Namespace: "shop"}
}

func named(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: "shop", Name: name}
}

func request(s queues.Source, current, least int32) queues.Request {
	return queues.Request{
		Source: s, Current: current,
		Wanted: &scaling.Wanted{Min: least, Max: 20, Target: 100, Stabilization: time.Minute, Connections: 50},
	}
}

// start runs a Poller until the test ends.
func start(t *testing.T, open queues.Open, secrets client.Reader) *queues.Poller {
	t.Helper()
	p := queues.NewPoller(open, secrets, time.Now)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Start: %v", err)
		}
	})
	return p
}

// woken waits for the next event.
func woken(t *testing.T, p *queues.Poller) string {
	t.Helper()
	select {
	case e := <-p.Events():
		return e.Object.GetName()
	case <-time.After(10 * time.Second):
		t.Fatal("nobody was woken within 10 seconds")
		return ""
	}
}

// TestReaction puts 1000 messages into an empty queue that nobody consumes, again and again, and measures when the decision is there.
func TestReaction(t *testing.T) {
	t.Parallel()
	const rounds = 5
	var worst, sum time.Duration
	var mu sync.Mutex
	var group sync.WaitGroup
	for i := range rounds {
		group.Go(func() {
			b := &broker{}
			p := start(t, b.Open, nil)
			p.Watch(named("work"), request(source("work"), 0, 0))
			time.Sleep(1200*time.Millisecond + time.Duration(i)*190*time.Millisecond)
			at := time.Now()
			b.set(func(b *broker) { b.depth.Waiting = 1000 })
			woken(t, p)
			took := time.Since(at)
			mu.Lock()
			defer mu.Unlock()
			worst, sum = max(worst, took), sum+took
			if got := p.Watch(named("work"), request(source("work"), 0, 0)).Decision.Replicas; got != 10 {
				t.Errorf("%d instances for 1000 messages at 100 each, want 10 in one step", got)
			}
		})
	}
	group.Wait()
	t.Logf("from a message to the decision: %s on average, %s at worst", sum/rounds, worst)
	if worst > 2*time.Second {
		t.Errorf("the decision took %s, want 2s at most", worst)
	}
}

// TestOneLookForAll has ten Environments watch one queue while there is work: one connection, and one look per second.
func TestOneLookForAll(t *testing.T) {
	t.Parallel()
	b := &broker{depth: queue.Depth{Waiting: 5}}
	p := start(t, b.Open, nil)
	for i := range 10 {
		p.Watch(named(fmt.Sprint("env-", i)), request(source("work"), 1, 1))
	}
	end := time.Now().Add(3500 * time.Millisecond)
	for time.Now().Before(end) {
		p.Watch(named("env-3"), request(source("work"), 1, 1)) // a reconcile
		time.Sleep(20 * time.Millisecond)
	}
	looks := b.looks()
	for i := 1; i < len(looks); i++ {
		if pause := looks[i].Sub(looks[i-1]); pause < 990*time.Millisecond {
			t.Errorf("two looks within %s", pause)
		}
	}
	if len(looks) < 3 || len(looks) > 4 || len(b.opened) != 1 {
		t.Errorf("%d looks over %d connections in 3.5s, want 3 or 4 over 1", len(looks), len(b.opened))
	}
	select {
	case e := <-p.Events():
		t.Errorf("%s was woken although nothing changed", e.Object.GetName())
	default:
	}
}

// TestIdleIsSeldom looks seldom at an empty queue that has instances which wait for it, and at one whose size others decide.
func TestIdleIsSeldom(t *testing.T) {
	t.Parallel()
	b := &broker{}
	p := start(t, b.Open, nil)
	p.Watch(named("waits"), request(source("one"), 1, 1))
	p.Watch(named("fixed"), queues.Request{Source: source("two"), Current: 3})
	time.Sleep(2500 * time.Millisecond)
	if n := len(b.looks()); n != 2 {
		t.Errorf("%d looks at two idle queues in 2.5s, want 2", n)
	}
}

// TestFailures keeps what there is, says so once, pauses longer each time, and opens the queue anew.
func TestFailures(t *testing.T) {
	t.Parallel()
	b := &broker{err: errors.New("connection refused")}
	p := start(t, b.Open, nil)
	p.Watch(named("work"), request(source("work"), 4, 0))
	woken(t, p)
	r := p.Watch(named("work"), request(source("work"), 4, 0))
	if r.Err == nil || !strings.Contains(r.Err.Error(), "connection refused") || r.Decision.Replicas != 4 || r.Depth.Waiting != -1 {
		t.Errorf("reading = %+v, want an error, 4 instances and an unknown depth", r)
	}
	time.Sleep(3500 * time.Millisecond) // at 0, 1 and 3 seconds
	b.mu.Lock()
	looks, opens := len(b.asked), len(b.opened)
	b.mu.Unlock()
	if looks != 3 || opens != 3 {
		t.Errorf("%d looks, %d connections, want 3 and 3", looks, opens)
	}
	b.set(func(b *broker) { b.err, b.depth = nil, queue.Depth{Waiting: 1} })
	woken(t, p)
	if r := p.Watch(named("work"), request(source("work"), 4, 0)); r.Err != nil || r.Depth.Waiting != 1 {
		t.Errorf("reading = %+v, want one message", r)
	}
}

// TestForget closes the connection of a queue that nobody watches any more, also while the broker hangs.
func TestForget(t *testing.T) {
	t.Parallel()
	b := &broker{hangs: true}
	p := start(t, b.Open, nil)
	p.Watch(named("one"), request(source("work"), 1, 1))
	p.Watch(named("two"), request(source("work"), 1, 1))
	for len(b.looks()) == 0 {
		time.Sleep(time.Millisecond)
	}
	p.Forget(named("one"))
	p.Forget(named("two"))
	p.Forget(named("two"))
	for until := time.Now().Add(2 * time.Second); ; time.Sleep(time.Millisecond) {
		b.mu.Lock()
		open := b.open
		b.mu.Unlock()
		if open == 0 {
			return
		}
		if time.Now().After(until) {
			t.Fatalf("%d connections are still open", open)
		}
	}
}

// TestCredentials come from the Secret, and are read again when it changes.
func TestCredentials(t *testing.T) {
	t.Parallel()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "nats"}, Data: map[string][]byte{"user": []byte("ann"), "password": []byte("old")}}
	secrets := fake.NewClientBuilder().WithObjects(secret).Build()
	b := &broker{depth: queue.Depth{Waiting: 500}}
	p := start(t, b.Open, secrets)
	s := source("work")
	s.Secret, s.Version = "nats", "1"
	p.Watch(named("work"), request(s, 0, 0))
	woken(t, p)
	secret.Data["password"] = []byte("new")
	if err := secrets.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	s.Version = "2"
	p.Watch(named("work"), request(s, 0, 0))
	woken(t, p)
	want := []map[string]string{{"user": "ann", "password": "old"}, {"user": "ann", "password": "new"}}
	b.mu.Lock()
	defer b.mu.Unlock()
	if diff := cmp.Diff(want, b.opened); diff != "" {
		t.Error(diff)
	}
}

// TestMissingSecret says which one.
func TestMissingSecret(t *testing.T) {
	t.Parallel()
	b := &broker{}
	p := start(t, b.Open, fake.NewClientBuilder().Build())
	s := source("work")
	s.Secret = "nats"
	p.Watch(named("work"), request(s, 2, 0))
	woken(t, p)
	if r := p.Watch(named("work"), request(s, 2, 0)); r.Err == nil || !strings.Contains(r.Err.Error(), "Secret nats") || r.Decision.Replicas != 2 {
		t.Errorf("reading = %+v, want an error that names the Secret, and 2 instances", r)
	}
}

// consenting is somebody who wants the queue deleted.
func consenting(force bool) queues.Consent {
	return func(context.Context) (bool, error) { return force, nil }
}

// TestConsent: who takes it back at the last moment keeps the queue, and so does a broker that has other deletions to do.
func TestConsent(t *testing.T) {
	t.Parallel()
	b := &broker{}
	d := queues.NewDeleter(b.Open, nil)
	recalled := errors.New("recalled")
	_, err := d.Delete(t.Context(), source("work"), func(ctx context.Context) (bool, error) {
		_, busy := d.Delete(ctx, source("other"), func(ctx context.Context) (bool, error) {
			_, busy := d.Delete(ctx, source("third"), consenting(true))
			return true, busy
		})
		if !errors.Is(busy, queues.ErrBusy) {
			t.Errorf("a third deletion at a time: %v", busy)
		}
		return true, recalled
	})
	if !errors.Is(err, recalled) || b.removed != 0 || b.open != 0 {
		t.Errorf("Delete: %v, removed %d, %d connections open", err, b.removed, b.open)
	}
	if _, err := d.Delete(t.Context(), source("third"), consenting(false)); err != nil || b.removed != 1 {
		t.Errorf("Delete afterwards: %v, removed %d", err, b.removed)
	}
}

func TestDelete(t *testing.T) {
	t.Parallel()
	foreign := source("work")
	foreign.Coordinates.Generated = false
	for _, tc := range []struct {
		name    string
		source  queues.Source
		depth   queue.Depth
		force   bool
		removed int
		err     string
	}{
		{"empty", source("work"), queue.Depth{}, false, 1, ""},
		{"waiting", source("work"), queue.Depth{Waiting: 2}, false, 0, "2 waiting"},
		{"in flight", source("work"), queue.Depth{InFlight: 1}, false, 0, "1 in flight"},
		{"dead", source("work"), queue.Depth{Dead: 7}, false, 0, "7 in the dead-letter queue"},
		{"not known", source("work"), queue.Depth{InFlight: -1}, false, 0, "an unknown number in flight"},
		{"forced", source("work"), queue.Depth{Waiting: 2, Dead: 7}, true, 1, ""},
		{"somebody else's", foreign, queue.Depth{}, true, 0, "was not made for an Environment"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := &broker{depth: tc.depth}
			_, err := queues.NewDeleter(b.Open, nil).Delete(t.Context(), tc.source, consenting(tc.force))
			if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Errorf("Delete: %v, want %q", err, tc.err)
			}
			if b.removed != tc.removed || b.open != 0 {
				t.Errorf("removed %d times, %d connections open; want %d and none", b.removed, b.open, tc.removed)
			}
		})
	}
}

// TestMetrics has series for what is known, and none after the Environment is gone.
func TestMetrics(t *testing.T) {
	t.Parallel()
	b := &broker{depth: queue.Depth{Waiting: 500, InFlight: -1, Dead: 2, Oldest: 3 * time.Second}}
	p := start(t, b.Open, nil)
	p.Watch(named("work"), request(source("work"), 0, 0))
	woken(t, p)
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(p)
	if got, want := series(t, registry), []string{
		"beanpod_queue_messages{dead}=2", "beanpod_queue_messages{waiting}=500", "beanpod_queue_oldest_seconds{}=3", "beanpod_queue_wanted_instances{}=5",
	}; !cmp.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
	p.Forget(named("work"))
	if got := series(t, registry); len(got) != 0 {
		t.Errorf("series of an Environment that is gone: %v", got)
	}
}

// series are those of Environments.
func series(t *testing.T, registry *prometheus.Registry) []string {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if m.GetGauge() == nil {
				continue
			}
			state := ""
			for _, l := range m.GetLabel() {
				if l.GetName() == "state" {
					state = l.GetValue()
				}
			}
			out = append(out, fmt.Sprintf("%s{%s}=%v", f.GetName(), state, m.GetGauge().GetValue()))
		}
	}
	return out
}
