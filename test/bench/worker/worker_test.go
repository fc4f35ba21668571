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
			var bare, same, daemon, toBare, toSame []result
			for i := range rounds {
				b := measure(t, address, fmt.Sprintf("bare-%d", i), takes, bareWith(http.Header{"Content-Type": {"application/json"}}))
				s := measure(t, address, fmt.Sprintf("same-%d", i), takes, bareWith(contractHeaders))
				d := measure(t, address, fmt.Sprintf("daemon-%d", i), takes, runDaemon)
				bare, same, daemon = append(bare, b), append(same, s), append(daemon, d)
				toBare, toSame = append(toBare, d.over(b)), append(toSame, d.over(s))
			}
			b, s, d, r := median(bare), median(same), median(daemon), median(toSame)
			t.Logf("bench-worker: %d messages of %d bytes, %d at a time, application %s, medians of %d rounds: bare %.0f/s, bare with the contract's headers %.0f/s, daemon %.0f/s, ratio to them %.2f and %.2f; "+
				"CPU of application and client together per message: %.0f, %.0f and %.0f us; the daemon allocates %.0f times and %.0f bytes more than the loop with the same headers",
				messages, size, connections, takes, rounds, b.rate, s.rate, d.rate, median(toBare).rate, r.rate, b.cpu, s.cpu, d.cpu, r.allocations, r.bytes)
			if r.rate < 0.75 {
				t.Errorf("the daemon reaches %.2f of a loop that sends the same, want 0.75 at least", r.rate)
			}
		})
	}
}

// result is for each second, or for each message: CPU in microseconds.
type result struct{ rate, cpu, allocations, bytes float64 }

// over is how much faster r is, and how much more it takes.
func (r result) over(o result) result {
	return result{r.rate / o.rate, r.cpu - o.cpu, r.allocations - o.allocations, r.bytes - o.bytes}
}

// contractHeaders are as many as the daemon sends with each message, and as long.
var contractHeaders = http.Header{
	"User-Agent": {"aws-sqsd/3.0"}, "Content-Type": {"application/json"}, "X-Aws-Sqsd-Msgid": {"daemon-0:12345"}, "X-Aws-Sqsd-Queue": {"daemon-0"}, "X-Aws-Sqsd-Path": {"/"},
	"X-Aws-Sqsd-Receive-Count": {"1"}, "X-Aws-Sqsd-First-Received-At": {"2026-11-29T03:04:05Z"}, "X-Aws-Sqsd-Sent-At": {"2026-11-29T03:04:05Z"},
}

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

// bareWith pulls in batches, POSTs with these headers and acknowledges with confirmation, and does nothing else.
func bareWith(headers http.Header) func(*testing.T, string, contract.Coordinates, string) func() {
	return func(t *testing.T, address string, at contract.Coordinates, app string) func() {
		t.Helper()
		return runBare(t, address, at, app, headers)
	}
}

func runBare(t *testing.T, address string, at contract.Coordinates, app string, headers http.Header) func() {
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
				request, err := http.NewRequest(http.MethodPost, app, bytes.NewReader(m.Data()))
				if err != nil {
					continue
				}
				request.Header = headers
				answer, err := posts.Do(request)
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
