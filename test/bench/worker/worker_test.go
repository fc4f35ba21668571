// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package worker measures the queue daemon against a bare receive-POST-acknowledge loop on the same broker in the same run.
// `make bench-worker` runs it; it asserts ratios, because machines differ.
package worker

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/beanpod-dev/beanpod/internal/testkit/servers"
	"github.com/beanpod-dev/beanpod/internal/workerd"
	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue/nats"
)

const (
	messages    = 20_000
	connections = 50
	size        = 1024
)

// rounds alternate the two, because machines are not equally fast from one moment to the next.
const rounds = 5

func TestThroughput(t *testing.T) {
	for name, takes := range map[string]time.Duration{"an application that answers at once": 0, "one that takes 10 ms": 10 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			address := servers.Start(t, contract.NATS).Address
			var bare, daemon, ratios []result
			for i := range rounds {
				b := measure(t, address, fmt.Sprintf("bare-%d", i), takes, runBare)
				d := measure(t, address, fmt.Sprintf("daemon-%d", i), takes, runDaemon)
				bare, daemon = append(bare, b), append(daemon, d)
				ratios = append(ratios, result{d.rate / b.rate, b.cpu / d.cpu, d.allocations - b.allocations, d.bytes - b.bytes})
			}
			b, d, r := median(bare), median(daemon), median(ratios)
			t.Logf("bench-worker: %d messages of %d bytes, %d at a time, application %s, medians of %d rounds: bare %.0f/s, daemon %.0f/s, ratio %.2f; "+
				"CPU of application, client and daemon together per message: bare %.0f us, daemon %.0f us, ratio %.2f; the daemon allocates %.0f times and %.0f bytes more than bare",
				messages, size, connections, takes, rounds, b.rate, d.rate, r.rate, b.cpu, d.cpu, r.cpu, r.allocations, r.bytes)
			if r.rate < 0.5 {
				t.Errorf("the daemon reaches %.2f of a bare loop, want half at least", r.rate)
			}
		})
	}
}

// result is for each second, or for each message: CPU in microseconds.
type result struct{ rate, cpu, allocations, bytes float64 }

func median(all []result) result {
	of := func(field func(result) float64) float64 {
		var list []float64
		for _, r := range all {
			list = append(list, field(r))
		}
		slices.Sort(list)
		return list[len(list)/2]
	}
	return result{
		of(func(r result) float64 { return r.rate }), of(func(r result) float64 { return r.cpu }),
		of(func(r result) float64 { return r.allocations }), of(func(r result) float64 { return r.bytes }),
	}
}

// used is how much CPU this process has used, in microseconds.
func used() float64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1000
}

// measure fills a queue and has it emptied.
func measure(t *testing.T, address, name string, takes time.Duration, run func(*testing.T, string, contract.Coordinates, string) func()) result {
	t.Helper()
	var done atomic.Int64
	finished := make(chan struct{})
	app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		time.Sleep(takes)
		if done.Add(1) == messages {
			close(finished)
		}
	}))
	defer app.Close()
	at := contract.Coordinates{Provider: contract.NATS, URL: "nats://" + address, Name: name, Group: "bench", Generated: true}
	fill(t, at)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began, cpu := time.Now(), used()
	stop := run(t, address, at, app.URL)
	<-finished
	took := time.Since(began)
	cpu = used() - cpu
	runtime.ReadMemStats(&after)
	stop()
	return result{messages / took.Seconds(), cpu / messages, float64(after.Mallocs-before.Mallocs) / messages, float64(after.TotalAlloc-before.TotalAlloc) / messages}
}

func options() queue.Options {
	return queue.Options{Visibility: time.Minute, Retention: time.Hour, MaxAttempts: 10, MaxInFlight: connections, Consumer: "bench"}
}

func fill(t *testing.T, at contract.Coordinates) {
	t.Helper()
	q, err := nats.Open(t.Context(), at, options(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	var sending sync.WaitGroup
	body := bytes.Repeat([]byte("x"), size)
	for range 20 {
		sending.Go(func() {
			for range messages / 20 {
				if err := q.Send(context.Background(), "", body, nil); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	sending.Wait()
}

// runBare pulls in batches, POSTs and acknowledges with confirmation, and does nothing else.
func runBare(t *testing.T, address string, at contract.Coordinates, app string) func() {
	t.Helper()
	connection, err := client.Connect("nats://" + address)
	if err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(connection)
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := js.Consumer(t.Context(), at.Name, at.Group)
	if err != nil {
		t.Fatal(err)
	}
	posts := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections, DisableCompression: true}}
	ctx, stop := context.WithCancel(context.Background())
	work := make(chan jetstream.Msg)
	for range connections {
		go func() {
			for m := range work {
				answer, err := posts.Post(app, "application/json", bytes.NewReader(m.Data()))
				if err != nil {
					continue
				}
				_, _ = io.Copy(io.Discard, answer.Body)
				_ = answer.Body.Close()
				_ = m.DoubleAck(ctx)
			}
		}()
	}
	go func() {
		defer close(work)
		for ctx.Err() == nil {
			batch, err := consumer.Fetch(connections, jetstream.FetchMaxWait(time.Second))
			if err != nil {
				continue
			}
			for m := range batch.Messages() {
				work <- m
			}
		}
	}()
	return func() { stop(); connection.Close() }
}

func runDaemon(t *testing.T, _ string, at contract.Coordinates, app string) func() {
	t.Helper()
	d, err := workerd.New(contract.Config{
		Queue: at, Application: app, Path: "/", MimeType: "application/json", Connections: connections, ConnectTimeout: 5, InactivityTimeout: 30,
		VisibilityTimeout: 60, ErrorVisibilityTimeout: 2, Retention: 3600, MaxRetries: 10, Drain: 5,
	}, workerd.Parts{
		Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry(), Consumer: "bench",
		Open: func(ctx context.Context, o queue.Options) (queue.Queue, error) { return nats.Open(ctx, at, o, nil) },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	return func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}
