// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package upload_test

import (
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

	"github.com/beanpod-dev/beanpod/internal/cli/upload"
)

const content = "PK-bundle"

func bundle(t *testing.T) upload.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bundle.zip")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return upload.File{Path: path, Size: int64(len(content)), SHA256: "abc"}
}

func TestPut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		// answers of the store, one for each request.
		answers []int
		body    string
		want    string
	}{
		{"taken", []int{201}, "", ""},
		{"the same bytes again", []int{200}, "", ""},
		{"the store stumbles", []int{503, 429, 201}, "", ""},
		{"the store is down", []int{503, 503, 503}, `{"error":"no disk","reason":"Unavailable"}`, "the store refuses the upload: no disk (503 Unavailable)"},
		{"other bytes", []int{409}, `{"error":"shop-1 exists","reason":"Exists"}`, "the store refuses the upload: shop-1 exists (409 Exists); choose another --name"},
		{"no right", []int{403}, `{"error":"no","reason":"Forbidden"}`, "the right to create applicationversions.beanpod.dev"},
		{"not logged in", []int{401}, `not JSON`, `it says "not JSON" (401 Unauthorized); the token is not valid`},
		{"no store", []int{404}, "", "is the store turned on"},
		{"too large", []int{413}, `{"error":"513 MB, at most 512 MB","reason":"TooLarge"}`, "513 MB, at most 512 MB (413 TooLarge)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var n atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				got, _ := io.ReadAll(r.Body)
				asked := fmt.Sprint(r.Method, r.URL.Path, string(got), r.ContentLength, r.Header.Get("Authorization"), r.Header.Get("X-Content-Sha256"))
				if want := fmt.Sprint("PUT", "/v1/namespaces/ns/uploads/shop-1", content, len(content), "Bearer secret", "abc"); asked != want {
					t.Errorf("request %s, want %s", asked, want)
				}
				w.WriteHeader(c.answers[n.Add(1)-1])
				fmt.Fprint(w, c.body)
			}))
			defer server.Close()
			var sent int64
			err := upload.Store{URL: server.URL, Token: "secret"}.Put(context.Background(), "ns", "shop-1", bundle(t), func(n int64) { sent = n })
			switch {
			case c.want == "" && err != nil:
				t.Errorf("got %v, want success", err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want %q in it", err, c.want)
			}
			if int(n.Load()) != len(c.answers) || sent != int64(len(content)) {
				t.Errorf("%d requests, %d bytes; want %d, %d", n.Load(), sent, len(c.answers), len(content))
			}
		})
	}
}

// TestPutFollowsNobody: a redirect must not carry the token away.
func TestPutFollowsNobody(t *testing.T) {
	t.Parallel()
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	defer thief.Close()
	store := httptest.NewServer(http.RedirectHandler(thief.URL, http.StatusTemporaryRedirect))
	defer store.Close()
	err := upload.Store{URL: store.URL, Token: "secret"}.Put(context.Background(), "ns", "shop-1", bundle(t), func(int64) {})
	if err == nil || !strings.Contains(err.Error(), "307") {
		t.Errorf("got %v, want a refusal with 307", err)
	}
}
