// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/beanpod-dev/beanpod/internal/bundle/report"
)

func newStore(t *testing.T, handler http.HandlerFunc) Store {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("canary\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return Store{URL: server.URL + "/", Namespace: "team", TokenFile: file, Patience: time.Second, Pause: 10 * time.Millisecond}
}

func read(into *string) func(io.Reader, int64) error {
	return func(body io.Reader, _ int64) error {
		text, err := io.ReadAll(body)
		*into = string(text)
		if err != nil {
			return report.FailForNow(report.FetchFailed, "The download broke off.")
		}
		return nil
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	var seen atomic.Value
	s := newStore(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen.Store(fmt.Sprint(r.Method, " ", r.URL.EscapedPath(), " ", r.Header.Get("Authorization"), " ", r.ContentLength, " ", string(body)))
	})
	var got string
	for want, call := range map[string]func() error{
		"GET /v1/namespaces/team/artifacts/sha256:ab Bearer canary 0 ":     func() error { return s.Download(t.Context(), Artifacts, "sha256:ab", read(&got)) },
		"GET /v1/namespaces/team/uploads/v1%2F..%2Fx Bearer canary 0 ":     func() error { return s.Download(t.Context(), Uploads, "v1/../x", read(&got)) },
		"GET /v1/samples/go-sample Bearer canary 0 ":                       func() error { return s.Sample(t.Context(), "go-sample", read(&got)) },
		"PUT /v1/namespaces/team/artifacts/sha256:ab Bearer canary 4 data": func() error { return s.Upload(t.Context(), "ab", strings.NewReader("data"), 4) },
	} {
		if err := call(); err != nil || seen.Load() != want {
			t.Errorf("%v: %q, want %q", err, seen.Load(), want)
		}
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		handler  func(http.ResponseWriter, int32)
		want     report.Reason
		says     string
		attempts int32
	}{
		"too large": {func(w http.ResponseWriter, _ int32) { http.Error(w, "{\"error\":\"536870912 bytes\"}", 413) }, report.ArtifactTooLarge, "536870912 bytes", 1},
		"conflict":  {func(w http.ResponseWriter, _ int32) { http.Error(w, "{\"error\":\"other bytes\"}", 409) }, report.StoreUnavailable, "other bytes", 1},
		"redirect": {func(w http.ResponseWriter, _ int32) {
			w.Header().Set("Location", "http://169.254.169.254/")
			w.WriteHeader(302)
		}, report.StoreUnavailable, "302", 1},
		"late":          {func(w http.ResponseWriter, n int32) { late(w, n, 503) }, "", "", 3},
		"late to know":  {func(w http.ResponseWriter, n int32) { late(w, n, 403) }, "", "", 3},
		"too many":      {func(w http.ResponseWriter, n int32) { late(w, n, 429) }, "", "", 3},
		"breaks off":    {func(w http.ResponseWriter, n int32) { short(w, n) }, "", "", 3},
		"never there":   {func(w http.ResponseWriter, _ int32) { w.WriteHeader(500) }, report.StoreUnavailable, "not ready", 0},
		"never allowed": {func(w http.ResponseWriter, _ int32) { w.WriteHeader(403) }, report.StoreUnavailable, "refused", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var attempts atomic.Int32
			s := newStore(t, func(w http.ResponseWriter, _ *http.Request) { tc.handler(w, attempts.Add(1)) })
			var got string
			err := s.Download(t.Context(), Uploads, "v1", read(&got))
			switch {
			case tc.want == "" && (err != nil || got != "whole"):
				t.Errorf("got %q, %v", got, err)
			case tc.want != "" && (err == nil || report.AsFailure(err).Reason != tc.want || !strings.Contains(err.Error(), tc.says)):
				t.Errorf("got %v", err)
			}
			if n := attempts.Load(); tc.attempts > 0 && n != tc.attempts || n < 1 {
				t.Errorf("%d attempts, want %d", n, tc.attempts)
			}
		})
	}
}

func late(w http.ResponseWriter, n int32, code int) {
	if n < 3 {
		w.WriteHeader(code)
		return
	}
	_, _ = io.WriteString(w, "whole")
}

func short(w http.ResponseWriter, n int32) {
	if n < 3 {
		w.Header().Set("Content-Length", "5")
		_, _ = io.WriteString(w, "who")
		return
	}
	_, _ = io.WriteString(w, "whole")
}

func TestNoServer(t *testing.T) {
	t.Parallel()
	s := newStore(t, func(http.ResponseWriter, *http.Request) {})
	s.URL = "http://127.0.0.1:1"
	s.Patience = 100 * time.Millisecond
	err := s.Upload(t.Context(), "ab", bytes.NewReader(nil), 0)
	if f := report.AsFailure(err); f.Reason != report.StoreUnavailable || !f.Retry || !strings.Contains(f.Text, "did not answer") {
		t.Errorf("%+v", f)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.Patience, s.Pause = time.Hour, time.Hour
	if err := s.Upload(ctx, "ab", bytes.NewReader(nil), 0); err == nil {
		t.Error("a cancelled upload succeeded")
	}
	s.TokenFile = "/nowhere"
	if err := s.Upload(t.Context(), "ab", bytes.NewReader(nil), 0); err == nil || report.AsFailure(err).Reason != report.Internal {
		t.Errorf("got %v", err)
	}
}

// A body that stops is given up, and fetched again.
func TestStalledBody(t *testing.T) {
	t.Parallel()
	var attempts atomic.Int32
	s := newStore(t, func(w http.ResponseWriter, r *http.Request) {
		if attempts.Add(1) == 1 {
			_, _ = io.WriteString(w, "who")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return
		}
		_, _ = io.WriteString(w, "whole")
	})
	s.Stall = 50 * time.Millisecond
	var got string
	if err := s.Download(t.Context(), Uploads, "v1", read(&got)); err != nil || got != "whole" {
		t.Errorf("got %q, %v", got, err)
	}
}
