// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/beanpod-dev/beanpod/internal/store"
)

// fake is a bucket whose server answers what the test says.
func fake(t *testing.T, h http.HandlerFunc) store.Store {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	s, err := store.NewBucket(s3.New(s3.Options{Region: "r", BaseEndpoint: aws.String(srv.URL), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""), RetryMaxAttempts: 1}), "b", "", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func answer(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	_, _ = io.WriteString(w, "<Error><Code>"+code+"</Code></Error>")
}

// S3 answers 409 while another conditional write of the name is under way, and the name is not there yet.
func TestBucketConflict(t *testing.T) {
	t.Parallel()
	s := fake(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			answer(w, 409, "ConditionalRequestConflict")
		} else {
			answer(w, 404, "NoSuchKey")
		}
	})
	_, _, err := s.Put(t.Context(), store.Key{Namespace: "shop", Kind: store.Upload, Name: "a"}, strings.NewReader("x"))
	if !errors.Is(err, store.ErrBusy) {
		t.Errorf("Put: %v; want %v", err, store.ErrBusy)
	}
}

// The same upload again counts as new, so that nobody deletes it for its age.
func TestBucketUploadAgainIsRenewed(t *testing.T) {
	t.Parallel()
	old := time.Now().Add(-48 * time.Hour).UTC().Format(http.TimeFormat)
	s := fake(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && r.Header.Get("If-None-Match") == "*" {
			answer(w, 412, "PreconditionFailed")
			return
		}
		if r.Method == http.MethodPut {
			old = time.Now().UTC().Format(http.TimeFormat)
			return
		}
		w.Header().Set("Last-Modified", old)
		_, _ = io.WriteString(w, "x")
	})
	k := store.Key{Namespace: "shop", Kind: store.Upload, Name: "a"}
	if _, _, err := s.Put(t.Context(), k, strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	o, err := s.Stat(t.Context(), k)
	if err != nil || time.Since(o.Modified) > time.Hour {
		t.Errorf("just put, and it looks old: modified %v ago, %v", time.Since(o.Modified).Round(time.Hour), err)
	}
}
