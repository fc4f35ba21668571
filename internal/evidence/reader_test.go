// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package evidence_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"

	"github.com/beanpod-dev/beanpod/internal/evidence"
)

const creating = `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","reason":"BadRequest","code":400,` +
	`"message":"container \"web\" in pod \"shop-1\" is waiting to start: ContainerCreating"}`

// TestReader talks to a server that answers as the API server does.
func TestReader(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name     string
		previous bool
		answer   http.HandlerFunc
		query    string
		want     string
		wrong    func(error) bool
	}{
		{
			name: "the present run", query: "container=web&limitBytes=100&tailLines=50", want: "one\ntwo\n",
			answer: func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "one\ntwo\n") },
		},
		{
			name: "the run before", previous: true, query: "container=web&limitBytes=100&previous=true&tailLines=50", want: "one\n",
			answer: func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "one\n") },
		},
		{
			name: "more than was asked for", want: strings.Repeat("x", 100),
			answer: func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat("x", 1000)) },
		},
		{
			name: "a container that is being created",
			answer: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(http.StatusBadRequest)
				fmt.Fprint(w, creating)
			},
			wrong: func(err error) bool {
				return apierrors.IsBadRequest(err) && strings.Contains(err.Error(), "waiting to start: ContainerCreating")
			},
		},
		{
			name:   "a pod that is gone",
			answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) },
			wrong:  apierrors.IsNotFound,
		},
		{
			name:   "a node that does not answer",
			answer: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
			wrong:  func(err error) bool { return errors.Is(err, context.DeadlineExceeded) },
		},
		{
			name: "a node that stops in the middle", want: "one\ntw",
			answer: func(w http.ResponseWriter, r *http.Request) {
				fmt.Fprint(w, "one\ntw")
				w.(http.Flusher).Flush()
				<-r.Context().Done()
			},
			wrong: func(err error) bool { return errors.Is(err, context.DeadlineExceeded) },
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/api/v1/namespaces/apps/pods/shop-1/log" {
					t.Errorf("path is %s", r.URL.Path)
				}
				if tc.query != "" && r.URL.Query().Encode() != tc.query {
					t.Errorf("query is %s, want %s", r.URL.Query().Encode(), tc.query)
				}
				tc.answer(w, r)
			}))
			defer server.Close()
			reader, err := evidence.NewReader(&rest.Config{Host: server.URL}, server.Client())
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			got, err := reader.Tail(ctx, "apps", "shop-1", "web", tc.previous, 50, 100)
			if got != tc.want {
				t.Errorf("the log is %q, want %q", got, tc.want)
			}
			if (err != nil) != (tc.wrong != nil) || tc.wrong != nil && !tc.wrong(err) {
				t.Errorf("unexpected error: %v", err)
			}
		})
	}
}

// TestReaderRefusesConfiguration has an address that is none.
func TestReaderRefusesConfiguration(t *testing.T) {
	t.Parallel()
	if _, err := evidence.NewReader(&rest.Config{Host: "http://[bad"}, http.DefaultClient); err == nil {
		t.Error("a bad address was accepted")
	}
}
