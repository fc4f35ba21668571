// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package testkit

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Registry is a real image registry, in memory, that records what it is asked.
type Registry struct {
	// Host is its name and port.
	Host string

	server *httptest.Server
	mu     sync.Mutex
	asked  []string
	agent  string
	gate   func(http.ResponseWriter, *http.Request) bool
}

// StartRegistry starts a registry on loopback. Close stops it.
func StartRegistry() *Registry {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err) // as httptest does
	}
	return StartRegistryOn(listener)
}

// StartRegistryOn starts a registry that speaks plain HTTP on a listener. Close stops both.
func StartRegistryOn(listener net.Listener) *Registry {
	out := &Registry{}
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	out.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out.mu.Lock()
		out.asked, out.agent = append(out.asked, r.Method+" "+r.URL.Path), r.UserAgent()
		gate := out.gate
		out.mu.Unlock()
		if gate == nil || gate(w, r) {
			inner.ServeHTTP(w, r)
		}
	}))
	_ = out.server.Listener.Close()
	out.server.Listener = listener
	out.server.Start()
	out.Host = strings.TrimPrefix(out.server.URL, "http://")
	return out
}

// Close stops the registry.
func (r *Registry) Close() { r.server.Close() }

// Gate answers requests in the registry's place, unless it returns true. Nil opens the registry again.
func (r *Registry) Gate(gate func(http.ResponseWriter, *http.Request) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gate = gate
}

// Asked returns the requests since the last call, as "HEAD /v2/shop/manifests/41".
func (r *Registry) Asked() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.asked
	r.asked = nil
	return out
}

// Agent returns the user agent of the last request.
func (r *Registry) Agent() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.agent
}

// Push puts a random image there, past the gate, and returns its digest.
func (r *Registry) Push(image string) (string, error) {
	r.mu.Lock()
	gate := r.gate
	r.mu.Unlock()
	r.Gate(nil)
	defer r.Gate(gate)
	content, err := random.Image(64, 1)
	if err != nil {
		return "", fmt.Errorf("making an image: %w", err)
	}
	ref, err := name.ParseReference(r.Host + "/" + image)
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", image, err)
	}
	if err := remote.Write(ref, content, remote.WithAuth(authn.Anonymous)); err != nil {
		return "", fmt.Errorf("pushing %s: %w", image, err)
	}
	digest, err := content.Digest()
	if err != nil {
		return "", fmt.Errorf("computing the digest: %w", err)
	}
	r.Asked()
	return digest.String(), nil
}

// Login is a gate that demands a user and a password.
func Login(user, password string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if u, p, ok := r.BasicAuth(); ok && u == user && p == password {
			return true
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`)
		return false
	}
}

// Sick is a gate that answers questions about images with a status.
func Sick(status int) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, "/manifests/") {
			return true
		}
		w.WriteHeader(status)
		return false
	}
}
