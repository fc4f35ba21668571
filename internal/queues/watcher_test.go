// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package queues

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/beanpod-dev/beanpod/internal/snapshot"
	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
)

// daemons answer as a test tells them, and count how often they are asked.
type daemons struct {
	mu      sync.Mutex
	answers map[string]contract.Status
	asked   int
}

func (d *daemons) Ask(_ context.Context, addresses []string) map[string]contract.Status {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked++
	out := map[string]contract.Status{}
	for _, a := range addresses {
		if s, ok := d.answers[a]; ok {
			out[a] = s
		}
	}
	return out
}

func (d *daemons) say(address string, s contract.Status) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.answers[address] = s
}

func TestSum(t *testing.T) {
	t.Parallel()
	instances := map[string]string{"10.0.0.1": "a", "10.0.0.2": "b"}
	for name, tt := range map[string]struct {
		answers map[string]contract.Status
		want    snapshot.Queue
	}{
		"nobody answers":      {want: snapshot.Queue{}},
		"all is well":         {answers: map[string]contract.Status{"10.0.0.1": {Oldest: 10}}, want: snapshot.Queue{Known: true}},
		"not known":           {answers: map[string]contract.Status{"10.0.0.1": {Waiting: -1, Dead: -1, Oldest: -1}}, want: snapshot.Queue{Known: true}},
		"one polls":           {answers: map[string]contract.Status{"10.0.0.1": {Polled: 500}, "10.0.0.2": {Polled: 3}}, want: snapshot.Queue{Known: true}},
		"nobody polls":        {answers: map[string]contract.Status{"10.0.0.1": {Polled: 500}, "10.0.0.2": {Polled: 180}}, want: snapshot.Queue{Known: true, Silent: true}},
		"old, dead, a leader": {answers: map[string]contract.Status{"10.0.0.1": {Oldest: 300, Dead: 2}, "10.0.0.2": {Oldest: 3600, Dead: 1, Leader: true}}, want: snapshot.Queue{Known: true, Age: snapshot.AgeVeryOld, Dead: 2, Leader: "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, sum(instances, tt.answers)); diff != "" {
				t.Errorf("want -, got +:\n%s", diff)
			}
		})
	}
}

// An Environment is woken when what is known changes, and only then; it is asked about every 15 seconds, and not when it is gone.
func TestWatcher(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &daemons{answers: map[string]contract.Status{"10.0.0.1": {}}}
		w := NewWatcher(d)
		ctx, stop := context.WithCancel(t.Context())
		go func() { _ = w.Start(ctx) }()
		woken := 0
		go func() {
			for {
				select {
				case <-w.Events():
					woken++
				case <-ctx.Done():
					return
				}
			}
		}()
		name := types.NamespacedName{Namespace: "team", Name: "jobs"}
		instances := map[string]string{"10.0.0.1": "jobs-1"}
		if got := w.Look(name, instances); got.Known {
			t.Errorf("known before anybody was asked: %+v", got)
		}
		pass := func(d time.Duration) { time.Sleep(d); synctest.Wait() }
		pass(2 * time.Second)
		if got := w.Look(name, instances); !got.Known || woken != 1 {
			t.Errorf("%+v, woken %d times, want once", got, woken)
		}
		pass(5 * time.Minute)
		if d.asked < 19 || d.asked > 22 || woken != 1 {
			t.Errorf("asked %d times in five minutes, woken %d", d.asked, woken)
		}
		d.say("10.0.0.1", contract.Status{Dead: 1})
		pass(17 * time.Second)
		if got := w.Look(name, instances); got.Dead != 1 || woken != 2 {
			t.Errorf("%+v, woken %d times, want twice", got, woken)
		}
		w.Forget(name)
		before := d.asked
		pass(time.Minute)
		if d.asked != before {
			t.Error("asked for an Environment that is gone")
		}
		stop()
		synctest.Wait()
	})
}

// The daemons are asked over HTTP; what does not answer, or not in time, is absent.
func TestDaemons(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/status" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(`{"inFlight":3,"polledSecondsAgo":1,"waiting":7,"dead":-1,"oldestSeconds":60,"leader":true}`))
	}))
	t.Cleanup(server.Close)
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	number, _ := strconv.Atoi(port)
	got := Daemons{Port: number}.Ask(t.Context(), []string{"127.0.0.1", "127.0.0.77", "no address"})
	want := map[string]contract.Status{"127.0.0.1": {InFlight: 3, Polled: 1, Waiting: 7, Dead: -1, Oldest: 60, Leader: true}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}
