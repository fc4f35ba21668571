// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/beanpod-dev/beanpod/internal/store"
)

type open struct{}

// Allow lets everybody in, by the name that is the token.
func (open) Allow(_ context.Context, token string, _ Access) (string, error) { return token, nil }

func start(t *testing.T) (*httptest.Server, store.Store) {
	t.Helper()
	dir, err := store.NewDirectory(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(New(Options{Store: dir, Guard: open{}, Log: logr.Discard()}).Handler())
	t.Cleanup(s.Close)
	return s, dir
}

// An upload that ends before its Content-Length must not be answered with success.
func TestTruncatedUpload(t *testing.T) {
	s, dir := start(t)
	codes := map[int]int{}
	for i := range 200 {
		conn, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "PUT /v1/namespaces/shop/uploads/a%d HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\nContent-Length: 1000\r\n\r\nhalf", i)
		_ = conn.(*net.TCPConn).CloseWrite()
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			codes[0]++
		} else {
			codes[res.StatusCode]++
		}
		_ = conn.Close()
	}
	n := 0
	_ = dir.List(t.Context(), "", func(store.Object) error { n++; return nil })
	if codes[http.StatusBadRequest] != 200 || n > 0 {
		t.Errorf("200 truncated uploads: answers %v, stored %d; want 400, and nothing", codes, n)
	}
}

func TestMethodsMakeSeries(t *testing.T) {
	s, _ := start(t)
	before := series()
	for i := range 500 {
		req, _ := http.NewRequest(fmt.Sprintf("M%d", i), s.URL+"/v1/x", nil)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
	}
	if n := series() - before; n > 5 {
		t.Errorf("500 requests without any token made %d series", n)
	}
}

func series() (n int) {
	ch := make(chan prometheus.Metric, 10000)
	requests.Collect(ch)
	return len(ch)
}
