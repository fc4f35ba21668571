// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-logr/logr"

	"github.com/beanpod-dev/beanpod/internal/store"
)

const (
	// slowest is how long one request may take: 512 MB at 1 MB a second, and some more.
	slowest = 15 * time.Minute
	// headers must come soon.
	headers = 10 * time.Second
	// drain is how long requests may go on when the operator stops.
	drain = 8 * time.Second
	// busiest is how many requests are served at a time; more are asked to come again.
	busiest = 64
)

// Samples opens a sample application that the operator ships, by name: its archive, size and SHA-256. The error is fs.ErrNotExist
// when there is none of that name.
type Samples func(name string) (archive io.ReadSeeker, size int64, sha256 string, err error)

// Options of a server.
type Options struct {
	// Address to listen on, ":8090".
	Address string
	Store   store.Store
	// Guard decides about each request.
	Guard Guard
	// Samples may be nil: then there are none.
	Samples Samples
	Log     logr.Logger
}

// Guard decides who may do what.
type Guard interface {
	// Allow returns who it is, and nil, or a *Refusal, or another error when it could not decide.
	Allow(ctx context.Context, token string, a Access) (who string, err error)
}

// Access is what somebody wants to do.
type Access struct {
	Key store.Key
	// Write is true for PUT.
	Write bool
	// Sample is true for a sample application, which every pod may read; Key is empty then.
	Sample bool
}

// Refusal is why somebody may not do what he wants.
type Refusal struct {
	// Status is 401 or 403.
	Status  int
	Message string
}

func (r *Refusal) Error() string { return r.Message }

// Server serves a store. It implements manager.Runnable and runs in every replica.
type Server struct {
	Options
	slots  chan struct{}
	shares shares
}

// New makes a server.
func New(o Options) *Server { return &Server{Options: o, slots: make(chan struct{}, busiest)} }

// NeedLeaderElection implements manager.LeaderElectionRunnable: every replica serves.
func (s *Server) NeedLeaderElection() bool { return false }

// Start implements manager.Runnable.
func (s *Server) Start(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.Address)
	if err != nil {
		return fmt.Errorf("listening for the store: %w", err)
	}
	return s.Serve(ctx, listener)
}

// Serve serves until the context ends, and then lets running requests end.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: headers, ReadTimeout: slowest, WriteTimeout: slowest, MaxHeaderBytes: 16 << 10}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	s.Log.Info("Serving the store", "address", listener.Addr().String())
	select {
	case err := <-failed:
		return fmt.Errorf("serving the store: %w", err)
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	if err := server.Shutdown(last); err != nil {
		return errors.Join(fmt.Errorf("stopping the store: %w", err), server.Close())
	}
	return nil
}

// Handler answers
//
//	GET, HEAD, PUT /v1/namespaces/NAMESPACE/artifacts/sha256:HEX
//	GET, HEAD, PUT /v1/namespaces/NAMESPACE/uploads/NAME
//	GET, HEAD, PUT /v1/namespaces/NAMESPACE/snapshots/NAME
//	GET, HEAD      /v1/samples/NAME
//
// with a bearer token. Errors are JSON: {"error": "sentence", "reason": "Word"}.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/v1/namespaces/{namespace}/{kind}/{name}", s.object)
	mux.HandleFunc("/v1/samples/{name}", s.sample)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		fail(w, http.StatusNotFound, "NotFound", "there is nothing here; see docs/spec/applicationversion.md")
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case s.slots <- struct{}{}:
			defer func() { <-s.slots }()
		default:
			busy(w, "the store is busy; try again")
			return
		}
		counted := &counter{ResponseWriter: w, status: http.StatusOK}
		began := time.Now()
		mux.ServeHTTP(counted, r)
		observe(r.Method, counted, time.Since(began))
	})
}

func (s *Server) object(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	k := store.Key{Namespace: r.PathValue("namespace"), Kind: store.Kind(r.PathValue("kind")), Name: name}
	if k.Kind == store.Artifact {
		k.Name, _ = strings.CutPrefix(name, "sha256:")
	}
	switch {
	case !k.Valid() || (k.Kind == store.Artifact && k.Name == name):
		fail(w, http.StatusNotFound, "NotFound", "no object can have that name")
	case r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodPut:
		notAllowed(w, "GET, HEAD, PUT")
	default:
		done := s.allowed(w, r, Access{Key: k, Write: r.Method == http.MethodPut})
		if done == nil {
			return
		}
		defer done()
		switch {
		case r.Method == http.MethodPut:
			s.put(w, r, k)
		default:
			s.get(w, r, k)
		}
	}
}

func notAllowed(w http.ResponseWriter, methods string) {
	w.Header().Set("Allow", methods)
	fail(w, http.StatusMethodNotAllowed, "MethodNotAllowed", "only "+methods)
}

// allowed answers what is refused, and returns nil then; else what to call at the end.
func (s *Server) allowed(w http.ResponseWriter, r *http.Request, a Access) func() {
	token, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !found || token == "" {
		w.Header().Set("WWW-Authenticate", "Bearer")
		fail(w, http.StatusUnauthorized, "Unauthorized", "send a bearer token")
		return nil
	}
	who, err := s.Guard.Allow(r.Context(), token, a)
	var refusal *Refusal
	switch {
	case err == nil:
		if done := s.shares.take(who); done != nil {
			return done
		}
		busy(w, fmt.Sprintf("%s has %d requests under way; wait until one is done", who, share))
	case errors.As(err, &refusal):
		s.Log.Info("Refused", "method", r.Method, "path", r.URL.Path, "why", refusal.Message)
		fail(w, refusal.Status, http.StatusText(refusal.Status), refusal.Message)
	default:
		s.Log.Error(err, "Deciding about a request", "path", r.URL.Path)
		w.Header().Set("Retry-After", "2")
		fail(w, http.StatusServiceUnavailable, "Unavailable", "the API server could not be asked whether this is allowed; try again")
	}
	return nil
}

func (s *Server) put(w http.ResponseWriter, r *http.Request, k store.Key) {
	if r.ContentLength > store.MaxBytes {
		fail(w, http.StatusRequestEntityTooLarge, "TooLarge", store.ErrTooLarge.Error())
		return
	}
	o, digest, err := s.Store.Put(r.Context(), k, &sender{in: r.Body, conn: http.NewResponseController(w), began: time.Now()})
	if err != nil {
		s.failed(w, r, err)
		return
	}
	s.Log.V(1).Info("Stored", "path", r.URL.Path, "bytes", o.Size, "sha256", digest)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(Stored{SHA256: digest, SizeBytes: o.Size}) // the client has gone
}

// Stored is the answer to a PUT.
type Stored struct {
	SHA256    string `json:"sha256"`
	SizeBytes int64  `json:"sizeBytes"`
}

func (s *Server) get(w http.ResponseWriter, r *http.Request, k store.Key) {
	if r.Method == http.MethodHead {
		o, err := s.Store.Stat(r.Context(), k)
		if err != nil {
			s.failed(w, r, err)
			return
		}
		w.Header().Set("Content-Length", strconv.FormatInt(o.Size, 10))
		return
	}
	body, o, err := s.Store.Open(r.Context(), k)
	if err != nil {
		s.failed(w, r, err)
		return
	}
	defer func() { _ = body.Close() }()
	send(w, r, body, o.Size)
}

func (s *Server) sample(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		notAllowed(w, "GET, HEAD")
		return
	}
	done := s.allowed(w, r, Access{Sample: true})
	if done == nil {
		return
	}
	defer done()
	if s.Samples != nil {
		if archive, size, _, err := s.Samples(r.PathValue("name")); err == nil {
			send(w, r, archive, size)
			return
		}
	}
	fail(w, http.StatusNotFound, "NotFound", "the operator ships no sample of that name")
}

func send(w http.ResponseWriter, r *http.Request, body io.Reader, size int64) {
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	if r.Method == http.MethodGet {
		_, _ = io.Copy(w, body) // what is cut short, the client sees by its length
	}
}

// failed answers for an error of the store.
func (s *Server) failed(w http.ResponseWriter, r *http.Request, err error) {
	for _, known := range []struct {
		err    error
		status int
		reason string
	}{
		{store.ErrNotFound, http.StatusNotFound, "NotFound"},
		{store.ErrKey, http.StatusNotFound, "NotFound"},
		{store.ErrExists, http.StatusConflict, "Exists"},
		{store.ErrDigest, http.StatusUnprocessableEntity, "DigestMismatch"},
		{store.ErrCut, http.StatusBadRequest, "Truncated"},
		{store.ErrBusy, http.StatusServiceUnavailable, "Busy"},
		{store.ErrTooLarge, http.StatusRequestEntityTooLarge, "TooLarge"},
	} {
		if errors.Is(err, known.err) {
			fail(w, known.status, known.reason, known.err.Error())
			return
		}
	}
	// An answer is written also when nobody seems to listen: silence would count as 200, and a client that closed only its own
	// direction reads it.
	if r.Context().Err() == nil {
		s.Log.Error(err, "Serving a request", "method", r.Method, "path", r.URL.Path)
	}
	fail(w, http.StatusInternalServerError, "Internal", "the store failed; its log says why")
}

// Failure is the answer to what is refused or failed.
type Failure struct {
	Error  string `json:"error"`
	Reason string `json:"reason"`
}

func fail(w http.ResponseWriter, status int, reason, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(Failure{Error: message, Reason: reason}) // the client has gone
}
