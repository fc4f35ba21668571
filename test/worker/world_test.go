// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/beanpod-dev/beanpod/internal/testkit/servers"
	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
	"github.com/beanpod-dev/beanpod/internal/workerd/open"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

const (
	// daemons work beside each other, with so many slots each: what one holds at most at any moment, and so what one hard kill
	// of it can repeat at most.
	daemons = 3
	slots   = 10
	// window is the shortest visibility that the daemon has.
	window = 3 * time.Second
	// maxRetries of a poison message, of which there is one in so many.
	maxRetries  = 10
	poisonEvery = 400
	producers   = 8
)

// pod is a daemon and its application.
type pod struct {
	daemon, application *servers.Process
	toBroker            *proxy
	toApplication       *proxy
	ledger              string
}

// world is one run.
type world struct {
	t      *testing.T
	broker *broker
	pods   []*pod
	queue  queue.Queue
	seed   uint64

	lock sync.Mutex
	account
}

// newWorld starts a broker, and pods with the daemon program and its variables.
func newWorld(t *testing.T, k kind, program string, env ...string) *world {
	t.Helper()
	seed := uint64(count("WORKER_SEED", rand.IntN(1<<30)+1))
	t.Logf("WORKER_SEED=%d", seed)
	w := &world{t: t, broker: startBroker(t, k), seed: seed}
	w.account = account{sent: map[int]bool{}, posts: map[int]int{}, done: map[int]int{}, dead: map[int]int{}}
	var err error
	w.queue, err = open.Queue(t.Context(), w.broker.coordinates(w.broker.Address), queue.Options{
		Visibility: window, Retention: time.Hour, MaxAttempts: maxRetries, MaxInFlight: slots, Consumer: "producer",
	}, w.broker.Credentials)
	w.must(err)
	t.Cleanup(func() { _ = w.queue.Close() })
	time.Sleep(w.broker.settles)
	for i := range daemons {
		w.pods = append(w.pods, w.newPod(i, program, env))
	}
	return w
}

func (w *world) newPod(i int, program string, env []string) *pod {
	w.t.Helper()
	dir, address := w.t.TempDir(), w.freeAddress()
	self, err := os.Executable()
	w.must(err)
	p := &pod{
		ledger:        filepath.Join(dir, "ledger"),
		toBroker:      &proxy{address: w.freeAddress(), to: w.broker.Address},
		toApplication: &proxy{address: w.freeAddress(), to: address},
	}
	for _, one := range []*proxy{p.toBroker, p.toApplication} {
		w.must(one.up())
		w.t.Cleanup(one.down)
	}
	p.application = &servers.Process{
		Name: fmt.Sprintf("application %d", i), Log: filepath.Join(dir, "application"), Program: self,
		Env: []string{envApplication + "=" + address, envLedger + "=" + p.ledger}, Ready: func() error { return servers.Answers(address) },
	}
	c := contract.Config{
		Queue: w.broker.coordinates(p.toBroker.address), Application: "http://" + p.toApplication.address, Path: "/", MimeType: "text/plain",
		Connections: slots, ConnectTimeout: 5, InactivityTimeout: 30, VisibilityTimeout: int(window.Seconds()), ErrorVisibilityTimeout: 1, Retention: 3600, MaxRetries: maxRetries, Drain: 30,
	}
	credentials := w.t.TempDir()
	for name, value := range w.broker.credentials(p.toBroker.address) {
		w.must(os.WriteFile(filepath.Join(credentials, name), []byte(value), 0o600))
	}
	text, err := c.Marshal()
	w.must(err)
	p.daemon = &servers.Process{
		Name: fmt.Sprintf("daemon %d", i), Log: filepath.Join(dir, "daemon"), Program: program, Speaks: program == daemonProgram,
		Args: []string{"-address", "127.0.0.1:0", "-credentials", credentials},
		Env:  append([]string{contract.EnvConfig + "=" + text, fmt.Sprintf("%s=worker-%d", contract.EnvInstance, i)}, env...),
	}
	for _, one := range []*servers.Process{p.application, p.daemon} {
		w.t.Cleanup(one.Kill)
		w.must(one.Start())
	}
	return p
}

func (w *world) freeAddress() string {
	w.t.Helper()
	address, err := servers.FreeAddress()
	w.must(err)
	return address
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// produce sends numbered messages, slowly until hurry is closed. What the broker did not acknowledge is not sent again: it may
// be there.
func (w *world) produce(messages int, pace time.Duration, hurry <-chan struct{}) {
	numbers := make(chan int)
	var sending sync.WaitGroup
	for range producers {
		sending.Go(func() {
			for n := range numbers {
				w.send(n)
			}
		})
	}
	began := time.Now()
	for n := 1; n <= messages; n++ {
		select {
		case <-hurry:
		case <-time.After(time.Until(began.Add(time.Duration(n) * pace))):
		}
		numbers <- n
	}
	close(numbers)
	sending.Wait()
}

func (w *world) send(n int) {
	body := strconv.Itoa(n)
	if isPoison(n) {
		body += " " + poison
	}
	ctx, stop := context.WithTimeout(context.Background(), 20*time.Second)
	defer stop()
	err := w.queue.Send(ctx, "", []byte(body), nil)
	w.lock.Lock()
	w.sent[n] = err == nil
	w.lock.Unlock()
	if err != nil {
		time.Sleep(100 * time.Millisecond)
	}
}

// explain allows for duplicates.
func (w *world) explain(duplicates int) {
	w.lock.Lock()
	defer w.lock.Unlock()
	w.hard++
	w.bound += duplicates
}

// finish waits until the queue is empty, stops everything, and reads what is left.
func (w *world) finish(bound time.Duration) time.Duration {
	w.t.Helper()
	began := time.Now()
	for {
		depth, err := w.queue.Depth(w.t.Context())
		if err == nil && depth.Waiting <= 0 && (depth.InFlight == 0 || depth.InFlight < 0 && w.settled(depth.Dead)) {
			break
		}
		if time.Since(began) > bound {
			w.notGone = fmt.Sprintf("after %v without faults the queue is not empty: %+v, %v", bound, depth, err)
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
	took := time.Since(began)
	for _, p := range w.pods {
		w.must(p.daemon.Stop())
		w.must(p.application.Stop())
		if err := w.read(p.ledger); err != nil && !errors.Is(err, os.ErrNotExist) {
			w.t.Fatal(err)
		}
	}
	w.exhume()
	return took
}

// settled asks the ledgers instead of a broker that does not know what is in flight, messages with a delay among it.
func (w *world) settled(dead int64) bool {
	w.t.Helper()
	now := account{posts: map[int]int{}, done: map[int]int{}}
	for _, p := range w.pods {
		if err := now.read(p.ledger); err != nil && !errors.Is(err, os.ErrNotExist) {
			w.t.Fatal(err)
		}
	}
	for number, acknowledged := range w.sent {
		switch {
		case acknowledged && isPoison(number):
			dead--
		case acknowledged && now.done[number] == 0:
			return false
		}
	}
	return dead >= 0
}

// exhume reads the dead letters as a queue of their own.
func (w *world) exhume() {
	w.t.Helper()
	at := w.broker.coordinates(w.broker.Address)
	at.Name, at.Group, at.Generated = at.Name+"-dead", "check", false
	if at.Provider == contract.SQS {
		at.URL = w.queue.DeadLetterURL()
	}
	dead, err := open.Queue(w.t.Context(), at, queue.Options{Visibility: time.Minute, MaxInFlight: 1000, Consumer: "check"}, w.broker.Credentials)
	w.must(err)
	defer func() { _ = dead.Close() }()
	depth, err := w.queue.Depth(w.t.Context())
	w.must(err)
	// Until two receives in a row bring nothing, and not before as many as the broker counts have come.
	for idle, end := 0, time.Now().Add(10*time.Second); idle < 2 || int64(len(w.dead)) < depth.Dead && time.Now().Before(end); {
		letters, err := dead.Receive(w.t.Context(), 100, time.Second/2)
		w.must(err)
		if idle++; len(letters) > 0 {
			idle = 0
		}
		for _, m := range letters {
			var n int
			_, err := fmt.Sscanf(string(m.Body), "%d", &n)
			w.must(err)
			w.dead[n]++
		}
	}
}
