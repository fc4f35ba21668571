// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/beanpod-dev/beanpod/internal/workerd/config"
	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
	"github.com/beanpod-dev/beanpod/internal/workerd/open"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// The words of a ledger's lines, before the number of the message. A message is processed once "done" is written, although the
// answer may never arrive.
const (
	wordPost = "post"
	wordDone = "done"
	// poison follows the number in the body of a message that no application ever answers with 200.
	poison = "poison"
)

// application is the process that messages are posted to. Its ledger is written line by line before it answers, so that a
// killed application leaves everything that it did.
func application(address, file string) int {
	ledger, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	note := func(word, number string) {
		if _, err := ledger.WriteString(word + " " + number + "\n"); err != nil {
			panic(err)
		}
	}
	server := &http.Server{Addr: address, ReadHeaderTimeout: 10 * time.Second}
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		number, kind, _ := strings.Cut(string(body), " ")
		if err != nil || number == "" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		note(wordPost, number)
		time.Sleep(rand.N(20 * time.Millisecond))
		if kind == poison {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		note(wordDone, number)
	})
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	ended := make(chan error, 1)
	context.AfterFunc(ctx, func() { ended <- server.Shutdown(context.Background()) })
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if <-ended != nil {
		return 1
	}
	return 0
}

// careless is a daemon that deletes before it posts: the negative control.
func careless() int {
	c, err := config.Parse(os.Getenv(contract.EnvConfig))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	q, err := open.Queue(ctx, c.Queue, queue.Options{Visibility: window, MaxInFlight: slots, Consumer: "careless"}, nil)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for ctx.Err() == nil {
		messages, _ := q.Receive(ctx, slots, time.Second)
		messages = slices.DeleteFunc(messages, func(m *queue.Message) bool { return q.Delete(context.Background(), m) != nil })
		for _, m := range messages {
			if answer, err := http.Post(c.Application, "text/plain", bytes.NewReader(m.Body)); err == nil {
				_ = answer.Body.Close()
			}
		}
	}
	return 0
}
