// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// job is what the program does behind a queue daemon.
type job struct {
	// takes is how long a message takes.
	takes time.Duration
	// ledger is where each message that was worked on is told of; empty: nowhere.
	ledger string
	// queue and subject are where /enqueue puts messages.
	queue, subject string
	// abrupt work is told of before it takes its time, and broken off at SIGTERM: what is told of twice was begun twice.
	abrupt bool
}

func jobOf(getenv func(string) string) job {
	return job{
		takes: milliseconds(getenv("WORK_MS")), ledger: getenv("LEDGER"),
		queue: getenv("JOBS_QUEUE"), subject: getenv("JOBS_QUEUE_NAME"), abrupt: getenv("ABRUPT") == "1",
	}
}

// work takes one message of the daemon: a poisonous one fails, any other takes its time and is told of.
func (a *app) work(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if task := r.Header.Get("X-Aws-Sqsd-Taskname"); task != "" {
		body = []byte("task " + task + " of " + r.Header.Get("X-Aws-Sqsd-Scheduled-At"))
	}
	if bytes.Contains(body, []byte("poison")) {
		log.Printf("Message %s is poison, at attempt %s", r.Header.Get("X-Aws-Sqsd-Msgid"), r.Header.Get("X-Aws-Sqsd-Receive-Count"))
		http.Error(w, "poison", http.StatusInternalServerError)
		return
	}
	if !a.job.abrupt {
		time.Sleep(a.job.takes) // on purpose without r.Context: work that was begun goes on
	}
	if err := a.tell(body); err != nil {
		log.Print(err)
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	if a.job.abrupt {
		time.Sleep(a.job.takes)
	}
}

func (a *app) tell(body []byte) error {
	if a.job.ledger == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, a.job.ledger, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("LEDGER %s is no address: %w", a.job.ledger, err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("telling the ledger: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the ledger answers %s", answer.Status)
	}
	return nil
}

// ledger counts how often each message was worked on.
type ledger struct {
	mu    sync.Mutex
	times map[string]int
}

func (l *ledger) add(message string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.times == nil {
		l.times = map[string]int{}
	}
	l.times[message]++
}

// sums says how many messages there were, how many times one was worked on again, and which tasks ran.
func (l *ledger) sums() map[string]any {
	l.mu.Lock()
	defer l.mu.Unlock()
	again, tasks := 0, []string{}
	for message, n := range l.times {
		again += n - 1
		if strings.HasPrefix(message, "task ") {
			tasks = append(tasks, message)
		}
	}
	return map[string]any{"messages": len(l.times) - len(tasks), "again": again, "tasks": tasks}
}

func (a *app) books(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		_ = json.NewEncoder(w).Encode(a.ledger.sums())
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	a.ledger.add(string(body))
}

// enqueue puts messages into the queue that the environment is linked to: /enqueue?n=100&from=0, or one: /enqueue?body=poison.
func (a *app) enqueue(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	n, from := 1, 0
	if q.Get("n") != "" {
		n, _ = strconv.Atoi(q.Get("n"))
		from, _ = strconv.Atoi(q.Get("from"))
	}
	if a.job.queue == "" || a.job.subject == "" {
		http.Error(w, "JOBS_QUEUE and JOBS_QUEUE_NAME are not set; link the environment to a worker", http.StatusServiceUnavailable)
		return
	}
	if err := a.put(r.Context(), n, from, q.Get("body")); err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	_, _ = fmt.Fprintf(w, "%d messages\n", n)
}

func (a *app) put(ctx context.Context, n, from int, body string) error {
	connection, err := nats.Connect(a.job.queue, nats.Timeout(5*time.Second))
	if err != nil {
		return fmt.Errorf("connecting to JOBS_QUEUE %s: %w", a.job.queue, err)
	}
	defer connection.Close()
	stream, err := jetstream.New(connection)
	if err != nil {
		return err
	}
	for i := from; i < from+n; i++ {
		message := body
		if message == "" {
			message = "message " + strconv.Itoa(i)
		}
		if _, err := stream.Publish(ctx, a.job.subject, []byte(message)); err != nil {
			return fmt.Errorf("publishing to %s: %w", a.job.subject, err)
		}
	}
	return nil
}
