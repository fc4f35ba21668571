// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestWorkIsTold(t *testing.T) {
	t.Parallel()
	books := httptest.NewServer(newApp("v1", "web-1", nil).handler())
	t.Cleanup(books.Close)
	worker := newApp("v1", "worker-1", nil)
	worker.job = job{ledger: books.URL + "/ledger"}
	post := func(body, task string) int {
		r := httptest.NewRequest(http.MethodPost, "/work", strings.NewReader(body))
		if task != "" {
			r.Header.Set("X-Aws-Sqsd-Taskname", task)
			r.Header.Set("X-Aws-Sqsd-Scheduled-At", "2026-11-28T23:00:00Z")
		}
		w := httptest.NewRecorder()
		worker.handler().ServeHTTP(w, r)
		return w.Code
	}
	for _, s := range []struct {
		body, task string
		want       int
	}{{"one", "", 200}, {"two", "", 200}, {"one", "", 200}, {"poison", "", 500}, {"", "audit", 200}} {
		if got := post(s.body, s.task); got != s.want {
			t.Errorf("POST %q %q = %d, want %d", s.body, s.task, got, s.want)
		}
	}
	answer, err := http.Get(books.URL + "/ledger")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	var text strings.Builder
	if err := answer.Write(&text); err != nil {
		t.Fatal(err)
	}
	if want := `{"again":1,"messages":2,"tasks":["task audit of 2026-11-28T23:00:00Z"]}`; !strings.Contains(text.String(), want) {
		t.Errorf("the ledger says %s, want %s", text.String(), want)
	}
	books.Close()
	if got := post("three", ""); got != http.StatusBadGateway {
		t.Errorf("work that nobody was told of = %d, want 502", got)
	}
}

func TestEnqueueWithoutLink(t *testing.T) {
	t.Parallel()
	if code, body := get(t, newApp("v1", "web-1", nil).handler(), "/enqueue?n=3"); code != http.StatusServiceUnavailable || !strings.Contains(body, "link the environment") {
		t.Errorf("got %d %q", code, body)
	}
}

// TestAbruptWork is told of at its beginning, and does not hold up the program's end.
func TestAbruptWork(t *testing.T) {
	t.Parallel()
	told := make(chan struct{}, 1)
	books := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { told <- struct{}{} }))
	t.Cleanup(books.Close)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	_ = listener.Close()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	variables := map[string]string{"ABRUPT": "1", "WORK_MS": "20000", "LEDGER": books.URL, "PORT": port}
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, func(name string) string { return variables[name] }, nil) }()
	post := func() error {
		answer, err := http.Post("http://127.0.0.1:"+port+"/work", "text/plain", strings.NewReader("one"))
		if err == nil {
			_ = answer.Body.Close()
		}
		return err
	}
	go func() {
		for post() != nil {
			time.Sleep(10 * time.Millisecond)
		}
	}()
	<-told
	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("it waited for the work at hand")
	}
}
