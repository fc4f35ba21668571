// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/beanpod-dev/beanpod/internal/testkit"
)

// startRegistry starts a registry for one test.
func startRegistry(t *testing.T) *testkit.Registry {
	t.Helper()
	out := testkit.StartRegistry()
	t.Cleanup(out.Close)
	return out
}

// push puts an image there and returns its digest.
func push(t *testing.T, r *testkit.Registry, image string) string {
	t.Helper()
	digest, err := r.Push(image)
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

func loopback() *Resolver { return New(Options{AllowLoopback: true}) }

func problem(t *testing.T, err error) *Problem {
	t.Helper()
	var p *Problem
	if !errors.As(err, &p) {
		t.Fatalf("error = %v, want a *Problem", err)
	}
	return p
}

func TestDigestOfTag(t *testing.T) {
	t.Parallel()
	s := startRegistry(t)
	want := push(t, s, "shop:41")
	got, err := loopback().Digest(t.Context(), s.Host+"/shop:41", nil)
	if err != nil || got != want {
		t.Fatalf("Digest = %q, %v, want %q", got, err, want)
	}
	if diff := cmp.Diff([]string{"GET /v2/", "HEAD /v2/shop/manifests/41"}, s.Asked()); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(s.Agent(), "beanpod ") {
		t.Errorf("user agent = %q", s.Agent())
	}
}

func TestDigestOfDigestIsChecked(t *testing.T) {
	t.Parallel()
	s := startRegistry(t)
	want := push(t, s, "shop:41")
	got, err := loopback().Digest(t.Context(), s.Host+"/shop@"+want, nil)
	if err != nil || got != want {
		t.Errorf("Digest = %q, %v, want %q", got, err, want)
	}
	_, err = loopback().Digest(t.Context(), s.Host+"/shop@sha256:"+strings.Repeat("a", 64), nil)
	if p := problem(t, err); !p.Definite || !strings.Contains(p.Message, "MANIFEST_UNKNOWN") {
		t.Errorf("problem = %+v, want a definite one with the registry's words", p)
	}
}

func TestDigestNotFoundQuotesTheRegistry(t *testing.T) {
	t.Parallel()
	s := startRegistry(t)
	push(t, s, "shop:41")
	for reference, words := range map[string]string{
		s.Host + "/shop:42": "(MANIFEST_UNKNOWN: Unknown manifest)",
		s.Host + "/toys:1":  "(NAME_UNKNOWN: Unknown name)",
	} {
		_, err := loopback().Digest(t.Context(), reference, nil)
		if p := problem(t, err); !p.Definite || !strings.Contains(p.Message, words) {
			t.Errorf("problem of %s = %+v, want a definite one with %s", reference, p, words)
		}
	}
}

func TestDigestWithLogin(t *testing.T) {
	t.Parallel()
	const canary = "CANARY1234"
	s := startRegistry(t)
	want := push(t, s, "shop:41")
	s.Gate(testkit.Login("user", canary))

	for _, tc := range []struct {
		name, auths, next string
	}{
		{"right", `"` + s.Host + `":{"auth":"` + basic("user", canary) + `"}`, ""},
		{"wrong", `"` + s.Host + `":{"auth":"` + basic("user", "x"+canary) + `"}`, "Put credentials that may read it into Secret regcred."},
		{"for another registry", `"other.example":{"auth":"` + basic("user", canary) + `"}`, "Add credentials for " + s.Host + " to Secret regcred: it has none."},
	} {
		t.Run(tc.name, func(t *testing.T) {
			keys, err := NewCredentials(dockerConfig(tc.auths))
			if err != nil {
				t.Fatalf("NewCredentials: %v", err)
			}
			got, err := loopback().Digest(t.Context(), s.Host+"/shop:41", keys)
			if tc.next == "" {
				if err != nil || got != want {
					t.Errorf("Digest = %q, %v, want %q", got, err, want)
				}
				return
			}
			p := problem(t, err)
			if !p.Definite || p.Next != tc.next || !strings.Contains(p.Message, "(UNAUTHORIZED: authentication required)") {
				t.Errorf("problem = %+v", p)
			}
			if strings.Contains(p.Message+p.Next, canary) {
				t.Errorf("problem shows the password: %+v", p)
			}
		})
	}
}

func TestDigestOfRegistryWithoutHead(t *testing.T) {
	t.Parallel()
	s := startRegistry(t)
	want := push(t, s, "shop:41")
	s.Gate(func(w http.ResponseWriter, r *http.Request) bool {
		return r.Method != http.MethodHead || testkit.Sick(http.StatusMethodNotAllowed)(w, r)
	})
	if got, err := loopback().Digest(t.Context(), s.Host+"/shop:41", nil); err != nil || got != want {
		t.Errorf("Digest = %q, %v, want %q", got, err, want)
	}
}

func TestDigestOfSickRegistryIsAskedOnce(t *testing.T) {
	t.Parallel()
	s := startRegistry(t)
	push(t, s, "shop:41")
	s.Gate(testkit.Sick(http.StatusServiceUnavailable))
	_, err := loopback().Digest(t.Context(), s.Host+"/shop:41", nil)
	if p := problem(t, err); p.Definite || p.Message != s.Host+" answers 503 Service Unavailable" {
		t.Errorf("problem = %+v", p)
	}
	if asked := s.Asked(); len(asked) != 2 {
		t.Errorf("asked %v, want no repetition", asked)
	}
}

func TestDigestRefusesAnEndlessManifest(t *testing.T) {
	t.Parallel()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		block := make([]byte, 1<<20)
		for range maxBody>>20 + 4 {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	}))
	t.Cleanup(web.Close)
	digest, err := loopback().Digest(t.Context(), strings.TrimPrefix(web.URL, "http://")+"/shop:41", nil)
	if p := problem(t, err); p.Definite || digest != "" {
		t.Errorf("Digest = %q, %+v, want a passing problem", digest, p)
	}
}

func TestDigestTimesOut(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	web := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(web.Close)
	t.Cleanup(func() { close(release) })
	host := strings.TrimPrefix(web.URL, "http://")
	resolver := New(Options{AllowLoopback: true, Timeout: 100 * time.Millisecond})
	_, err := resolver.Digest(t.Context(), host+"/shop:41", nil)
	if p := problem(t, err); p.Definite || p.Message != host+" does not answer in time" {
		t.Errorf("problem = %+v", p)
	}
}

func TestDigestOfDeadRegistry(t *testing.T) {
	t.Parallel()
	web := httptest.NewServer(http.NotFoundHandler())
	host := strings.TrimPrefix(web.URL, "http://")
	web.Close()
	_, err := loopback().Digest(t.Context(), host+"/shop:41", nil)
	if p := problem(t, err); p.Definite || p.Message != host+" refuses connections" {
		t.Errorf("problem = %+v", p)
	}
}

func TestDigestDoesNotDialForbiddenAddresses(t *testing.T) {
	t.Parallel()
	s := startRegistry(t)
	for _, host := range []string{
		s.Host, strings.Replace(s.Host, "127.0.0.1", "localhost", 1),
		"169.254.169.254", "[fe80::1]:5000", "0.0.0.0:5000", "[::]:5000", "224.0.0.1", "[::ffff:169.254.169.254]:80",
	} {
		_, err := New(Options{}).Digest(t.Context(), host+"/shop:41", nil)
		if p := problem(t, err); !p.Definite || !strings.Contains(p.Message, "address, which Beanpod does not ask") {
			t.Errorf("problem of %s = %+v", host, p)
		}
	}
	if asked := s.Asked(); len(asked) != 0 {
		t.Errorf("asked %v, want nothing", asked)
	}
}

// A registry can send us elsewhere in two ways: with a redirect and with the address of its token server.
func TestDigestDoesNotFollowToForbiddenAddresses(t *testing.T) {
	t.Parallel()
	for path, handler := range map[string]http.HandlerFunc{
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, "/manifests/") {
				http.Redirect(w, r, "http://169.254.169.254/latest/meta-data/", http.StatusTemporaryRedirect)
			}
		},
		"redirect of the first request": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://169.254.169.254/latest/meta-data/", http.StatusTemporaryRedirect)
		},
		"token server": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="http://169.254.169.254/token",service="x"`)
			w.WriteHeader(http.StatusUnauthorized)
		},
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			web := httptest.NewServer(handler)
			t.Cleanup(web.Close)
			begun := time.Now()
			_, err := loopback().Digest(t.Context(), strings.TrimPrefix(web.URL, "http://")+"/shop:41", nil)
			problem(t, err)
			if took := time.Since(begun); took > 5*time.Second {
				t.Errorf("took %s: something was dialled", took)
			}
		})
	}
}

func TestDigestOfNonsense(t *testing.T) {
	t.Parallel()
	for _, reference := range []string{"Shop:41", "registry.example/Shop", "registry.example/shop@sha256:short"} {
		_, err := loopback().Digest(context.Background(), reference, nil)
		if p := problem(t, err); !p.Definite || !strings.Contains(p.Message, "is not an image reference") {
			t.Errorf("problem of %s = %+v", reference, p)
		}
	}
}
