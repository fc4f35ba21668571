// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package fetch

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"

	"github.com/beanpod-dev/beanpod/internal/bundle/report"
)

const bundle = "the bytes of a bundle"

// loopback lets tests reach their own servers.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// server is one with TLS, and options that trust it.
func server(t *testing.T, handler http.HandlerFunc) (*httptest.Server, Options) {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return s, Options{Guard: Guard{Allow: loopback}, TLS: &tls.Config{RootCAs: pool, ServerName: "example.com"}, Tries: 2, Pause: time.Millisecond}
}

func get(ctx context.Context, address string, o Options) (string, error) {
	var got bytes.Buffer
	err := Download(ctx, address, o, func(body io.Reader, size int64) error {
		got.Reset()
		n, err := io.Copy(&got, io.LimitReader(body, 1<<20))
		if err != nil {
			return report.FailForNow(report.FetchFailed, "The download broke off: %v.", err)
		}
		if n == 1<<20 {
			return report.Fail(report.ArchiveRefused, "The bundle is too large.")
		}
		return nil
	})
	return got.String(), err
}

func secret(t *testing.T, pairs ...string) string {
	t.Helper()
	folder := t.TempDir()
	for i := 0; i < len(pairs); i += 2 {
		if err := os.WriteFile(filepath.Join(folder, pairs[i]), []byte(pairs[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func TestHTTPS(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		secret []string
		want   string
	}{
		"nothing": {},
		"basic":   {[]string{"username", "joe", "password", "canary"}, "Basic " + base64.StdEncoding.EncodeToString([]byte("joe:canary"))},
		"token":   {[]string{"token", "canary\n"}, "Bearer canary"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, o := server(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") != tc.want {
					w.WriteHeader(http.StatusUnauthorized)
				}
				_, _ = io.WriteString(w, bundle)
			})
			o.Credentials = secret(t, tc.secret...)
			if got, err := get(t.Context(), s.URL+"/x.zip?signature=canary", o); err != nil || got != bundle {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

func TestHostileServers(t *testing.T) {
	t.Parallel()
	var target atomic.Value
	leak := func(t *testing.T) (*httptest.Server, *atomic.Value) {
		var seen atomic.Value
		seen.Store("")
		s, _ := server(t, func(w http.ResponseWriter, r *http.Request) {
			seen.Store(fmt.Sprint(r.Header))
			_, _ = io.WriteString(w, bundle)
		})
		return s, &seen
	}
	other, seen := leak(t)
	target.Store(other.URL)
	to := func(address string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, address, http.StatusFound) }
	}
	var tries atomic.Int32
	for name, tc := range map[string]struct {
		handler http.HandlerFunc
		says    string
		retry   bool
	}{
		"redirect to metadata":   {to("https://169.254.169.254/latest/"), "169.254.169.254", false},
		"redirect to mapped":     {to("https://[::ffff:169.254.169.254]/latest/"), "169.254.169.254", false},
		"redirect to loopback 6": {to("https://[::1]:6443/api"), "::1", false},
		"redirect to plain":      {to("http://example.com/x"), "from https to \"http\"", false},
		"redirect to file":       {to("file:///etc/passwd"), "from https to \"file\"", false},
		"redirect with user":     {to("https://a:b@example.com/x"), "user name", false},
		"redirect without end":   {to("/again"), "more than 5 times", false},
		"error": {func(w http.ResponseWriter, _ *http.Request) {
			tries.Add(1)
			w.WriteHeader(http.StatusBadGateway)
		}, "status 502", true},
		"missing": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }, "no such bundle", false},
		"refused": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, "Check the credentials", false},
		"partial": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusPartialContent) }, "status 206", false},
		"encoded": {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Encoding", "gzip") }, "content encoding", false},
		"cut off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "99")
			_, _ = io.WriteString(w, bundle)
		}, "broke off", true},
		"endless":  {func(w http.ResponseWriter, _ *http.Request) { endless(w) }, "too large", false},
		"hangs up": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "could not be fetched", true},
		"headers without end": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Long", strings.Repeat("x", 1<<20))
		}, "could not be fetched", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, o := server(t, tc.handler)
			o.Credentials = secret(t, "token", "canary")
			_, err := get(t.Context(), s.URL+"/x?signature=canary", o)
			f := report.AsFailure(err)
			if err == nil || !strings.Contains(f.Text, tc.says) || f.Retry != tc.retry || strings.Contains(f.Text, "canary") {
				t.Errorf("got %+v", f)
			}
		})
	}
	t.Run("redirect elsewhere", func(t *testing.T) {
		t.Parallel()
		s, o := server(t, to(other.URL+"/y"))
		o.TLS.RootCAs.AddCert(other.Certificate())
		o.Credentials = secret(t, "token", "canary")
		got, err := get(t.Context(), s.URL+"/x?signature=canary", o)
		if err != nil || got != bundle || seen.Load() == "" || strings.Contains(seen.Load().(string), "canary") {
			t.Errorf("got %q, %v; the other host saw %s", got, err, seen.Load())
		}
	})
	t.Cleanup(func() {
		if tries.Load() != 2 {
			t.Errorf("a failing server was asked %d times, want 2", tries.Load())
		}
	})
}

func endless(w http.ResponseWriter) {
	block := bytes.Repeat([]byte("x"), 64<<10)
	for {
		if _, err := w.Write(block); err != nil {
			return
		}
	}
}

// A server that sends a byte now and then is given up when the time is over.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	s, o := server(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			_, _ = io.WriteString(w, "x")
			w.(http.Flusher).Flush()
			time.Sleep(10 * time.Millisecond)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	started := time.Now()
	if _, err := get(ctx, s.URL, o); err == nil || time.Since(started) > 5*time.Second {
		t.Errorf("%v after %s", err, time.Since(started))
	}
}

// A server that stops in the middle is given up and asked again.
func TestStalledBody(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	s, o := server(t, func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == 1 {
			_, _ = io.WriteString(w, "the")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return
		}
		_, _ = io.WriteString(w, bundle)
	})
	o.Stall = 50 * time.Millisecond
	if got, err := get(t.Context(), s.URL, o); err != nil || got != bundle {
		t.Errorf("got %q, %v", got, err)
	}
}

// resolver answers every question with the next address of a list, as a rebinding name server does.
func resolver(t *testing.T, answers ...[4]byte) (*net.Resolver, *atomic.Int32) {
	t.Helper()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	var asked atomic.Int32
	go func() {
		question := make([]byte, 512)
		for {
			n, from, err := socket.ReadFrom(question)
			if err != nil {
				return
			}
			reply := append([]byte{}, question[:n]...)
			end := 12
			for reply[end] != 0 {
				end += int(reply[end]) + 1
			}
			isA := reply[end+2] == 1
			reply = reply[:end+5]
			copy(reply[2:], []byte{0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0})
			if isA {
				answer := answers[min(int(asked.Add(1)), len(answers))-1]
				reply[7] = 1
				reply = append(append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4), answer[:]...)
			}
			_, _ = socket.WriteTo(reply, from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", socket.LocalAddr().String())
	}}, &asked
}

// The first answer is harmless and leads to a redirect, the second is the metadata service: what is dialled counts.
func TestRebinding(t *testing.T) {
	t.Parallel()
	s, o := server(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://rebind.example:443/", http.StatusFound)
	})
	var asked *atomic.Int32
	o.Resolver, asked = resolver(t, [4]byte{127, 0, 0, 1}, [4]byte{169, 254, 169, 254})
	port := s.Listener.Addr().(*net.TCPAddr).Port
	_, err := get(t.Context(), fmt.Sprintf("https://rebind.example:%d/x", port), o)
	if err == nil || !strings.Contains(err.Error(), "169.254.169.254") || asked.Load() != 2 {
		t.Errorf("after %d questions: %v", asked.Load(), err)
	}
}

// However an address is spelled, what is dialled counts.
func TestSpellings(t *testing.T) {
	t.Parallel()
	for _, host := range []string{
		"127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.1", "localhost", "LOCALHOST.", "[::1]", "[::ffff:127.0.0.1]", "[0:0:0:0:0:ffff:7f00:1]",
		"[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[fe80::1%25lo]", "0.0.0.0", "0", "[::]", "169.254.169.254", "[::ffff:a9fe:a9fe]", "224.0.0.1", "255.255.255.255",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		got, err := get(ctx, "https://"+host+":1/x", Options{Tries: 1})
		cancel()
		if err == nil || got != "" {
			t.Errorf("%s: %q, %v", host, got, err)
		}
		if strings.Contains(err.Error(), "connection refused") {
			t.Errorf("%s was dialled: %v", host, err)
		}
	}
}

func TestAddressesThatAreRefused(t *testing.T) {
	t.Parallel()
	for address, says := range map[string]string{
		"": "not valid", "https://": "not valid", "http://host/x": "\"http\"", "ftp://host/x": "\"ftp\"", "file:///etc/passwd": "not valid", "HTTPS//x": "not valid",
		"https://user:canary@host/x": "user name", "gopher://127.0.0.1:6379/": "gopher", "oci://": "not valid", "oci://host:port/x": "not valid", "oci://host.example/UPPER:tag": "not valid",
	} {
		if _, err := get(t.Context(), address, Options{Tries: 1}); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: %v", address, err)
		}
	}
}

func TestS3(t *testing.T) {
	t.Parallel()
	s, o := server(t, func(w http.ResponseWriter, r *http.Request) {
		signed := strings.Contains(r.Header.Get("Authorization"), "Credential=canaryID/")
		switch {
		case r.URL.Path != "/bucket/dir/app v1.zip":
			w.WriteHeader(http.StatusNotFound)
		case !signed || !strings.Contains(r.Header.Get("Authorization"), "/eu-central-1/s3/"):
			w.WriteHeader(http.StatusForbidden)
		default:
			_, _ = io.WriteString(w, bundle)
		}
	})
	pairs := []string{"accessKeyID", "canaryID", "secretAccessKey", "canary", "region", "eu-central-1", "endpoint", s.URL}
	for _, tc := range []struct{ address, says, secret string }{
		{"s3://bucket/dir/app%20v1.zip", "", secret(t, pairs...)},
		{"s3://bucket/other", "no such bundle", secret(t, pairs...)},
		{"s3://bucket/dir/app%20v1.zip", "Check the credentials", secret(t, "endpoint", s.URL)},
		{"s3://bucket/x", "no address", secret(t, "endpoint", "host")},
	} {
		o.Credentials = tc.secret
		got, err := get(t.Context(), tc.address, o)
		if tc.says == "" && (err != nil || got != bundle) || tc.says != "" && (err == nil || !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), "canary")) {
			t.Errorf("%s: %q, %v", tc.address, got, err)
		}
	}
	o.Guard, o.Credentials = Guard{}, secret(t, pairs...)
	if _, err := get(t.Context(), "s3://bucket/x", o); err == nil || !strings.Contains(err.Error(), "may not be fetched from") {
		t.Errorf("the guard let S3 through: %v", err)
	}
}

func TestOCI(t *testing.T) {
	t.Parallel()
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	s, o := server(t, func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "joe" || password != "canary" {
			w.Header().Set("WWW-Authenticate", "Basic realm=\"x\"")
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		inner.ServeHTTP(w, r)
	})
	at, _ := url.Parse(s.URL)
	seed := httptest.NewServer(inner)
	t.Cleanup(seed.Close)
	for tag, layers := range map[string]int{"good": 1, "image": 2} {
		var image v1.Image = empty.Image
		for i := range layers {
			var err error
			if image, err = mutate.AppendLayers(image, static.NewLayer([]byte(bundle+strings.Repeat(" ", i)), "application/zip")); err != nil {
				t.Fatal(err)
			}
		}
		reference, err := name.ParseReference(strings.TrimPrefix(seed.URL, "http://") + "/team/app:" + tag)
		if err != nil {
			t.Fatal(err)
		}
		if err := remote.Write(reference, image); err != nil {
			t.Fatal(err)
		}
	}
	config := fmt.Sprintf(`{"auths":{"other.example":{"username":"x","password":"y"},"https://%s":{"auth":%q}}}`, at.Host, base64.StdEncoding.EncodeToString([]byte("joe:canary")))
	elsewhere := `{"auths":{"other.example":{"username":"joe","password":"canary"}}}`
	for _, tc := range []struct{ tag, says, secret string }{
		{"good", "", secret(t, ".dockerconfigjson", config)},
		{"good", "", secret(t, "username", "joe", "password", "canary")},
		{"image", "2 layers", secret(t, ".dockerconfigjson", config)},
		{"missing", "no such bundle", secret(t, ".dockerconfigjson", config)},
		{"good", "Check the credentials", secret(t, ".dockerconfigjson", elsewhere)},
		{"good", "not valid JSON", secret(t, ".dockerconfigjson", "{")},
	} {
		o.Credentials = tc.secret
		got, err := get(t.Context(), "oci://"+at.Host+"/team/app:"+tc.tag, o)
		if tc.says == "" && (err != nil || got != bundle) || tc.says != "" && (err == nil || !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), "canary")) {
			t.Errorf("%s: %q, %v", tc.tag, got, err)
		}
	}
	o.Guard, o.Credentials = Guard{}, ""
	if _, err := get(t.Context(), "oci://"+at.Host+"/team/app:good", o); err == nil || !strings.Contains(err.Error(), "may not be fetched from") {
		t.Errorf("the guard let OCI through: %v", err)
	}
}
