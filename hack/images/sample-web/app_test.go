// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func get(t *testing.T, h http.Handler, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

func TestIndexShowsGreetingsAndNoOtherProperty(t *testing.T) {
	t.Parallel()
	h := newApp("v1", "web-1", []string{"GREETING=hello", "GREETING_TO=you", "PASSWORD=x"}).handler()
	code, body := get(t, h, "/")
	var got page
	if err := json.Unmarshal([]byte(body), &got); err != nil || code != http.StatusOK {
		t.Fatalf("got %d %q: %v", code, body, err)
	}
	want := page{Version: "v1", Instance: "web-1", Properties: map[string]string{"GREETING": "hello", "GREETING_TO": "you"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("page (-want +got):\n%s", diff)
	}
}

func TestFailTogglesHealth(t *testing.T) {
	t.Parallel()
	h := newApp("v1", "web-1", nil).handler()
	steps := []struct {
		path string
		want int
	}{
		{"/healthz", 200}, {"/fail", 200}, {"/healthz", 500}, {"/", 500},
		{"/fail?on=true", 200}, {"/healthz", 500}, {"/fail", 200}, {"/healthz", 200},
	}
	for i, s := range steps {
		if got, _ := get(t, h, s.path); got != s.want {
			t.Errorf("step %d: GET %s = %d, want %d", i, s.path, got, s.want)
		}
	}
}

func TestServeFinishesRequestsAtHand(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	started, release := make(chan struct{}), make(chan struct{})
	served := make(chan error, 1)
	go func() {
		served <- serve(ctx, listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(started)
			<-release
			_, _ = io.WriteString(w, "done")
		}))
	}()
	answer := make(chan string, 1)
	go func() {
		resp, err := http.Get("http://" + listener.Addr().String())
		if err != nil {
			answer <- err.Error()
			return
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		answer <- string(body)
	}()
	<-started
	cancel()
	for refused := false; !refused; { // Shutdown closes the listener at once, but from another goroutine
		c, err := net.DialTimeout("tcp", listener.Addr().String(), time.Second)
		if refused = err != nil; !refused {
			_ = c.Close()
		}
	}
	close(release)
	if got := <-answer; got != "done" {
		t.Errorf("request in flight got %q, want %q", got, "done")
	}
	if err := <-served; err != nil {
		t.Errorf("serve: %v", err)
	}
}

func TestRunHonoursDelayAndPort(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	env := map[string]string{"START_DELAY_MS": "60000", "PORT": "none"}
	if err := run(ctx, func(k string) string { return env[k] }, nil); err != nil {
		t.Errorf("told to stop while it waits to start: %v", err)
	}
	env["START_DELAY_MS"] = ""
	if err := run(t.Context(), func(k string) string { return env[k] }, nil); err == nil {
		t.Error("PORT is not used: a wrong one was accepted")
	}
}
