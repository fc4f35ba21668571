// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"log"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// page is the answer of /.
type page struct {
	Version    string            `json:"version"`
	Instance   string            `json:"instance"`
	Properties map[string]string `json:"properties"`
}

type app struct {
	page    page
	failing atomic.Bool
	job     job
	ledger  ledger
}

func newApp(version, instance string, environ []string) *app {
	if version == "" {
		version = "unknown"
	}
	a := &app{page: page{Version: version, Instance: instance, Properties: map[string]string{}}}
	for _, pair := range environ {
		// Only these: a page must never show secrets that happen to be in the environment.
		if key, value, ok := strings.Cut(pair, "="); ok && strings.HasPrefix(key, "GREETING") {
			a.page.Properties[key] = value
		}
	}
	return a
}

func (a *app) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", a.index)
	mux.HandleFunc("/healthz", a.health)
	mux.HandleFunc("/slow", a.slow)
	mux.HandleFunc("/fail", a.fail)
	mux.HandleFunc("POST /work", a.work)
	mux.HandleFunc("/ledger", a.books)
	mux.HandleFunc("/enqueue", a.enqueue)
	return mux
}

// index serves every other path and method too.
func (a *app) index(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		log.Printf("%s %s", r.Method, r.URL.Path)
	}
	if a.failing.Load() {
		http.Error(w, "failing", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(a.page) // the client may be gone; there is nobody to tell
}

func (a *app) health(w http.ResponseWriter, _ *http.Request) {
	if a.failing.Load() {
		http.Error(w, "unhealthy", http.StatusInternalServerError)
		return
	}
	_, _ = w.Write([]byte("ok\n"))
}

func (a *app) slow(w http.ResponseWriter, r *http.Request) {
	select {
	case <-time.After(milliseconds(r.URL.Query().Get("ms"))):
	case <-r.Context().Done():
		return
	}
	a.index(w, r)
}

func (a *app) fail(w http.ResponseWriter, r *http.Request) {
	failing := !a.failing.Load()
	if on := r.URL.Query().Get("on"); on != "" {
		failing = on == "true" || on == "1"
	}
	a.failing.Store(failing)
	log.Printf("Failing is %t", failing)
	_ = json.NewEncoder(w).Encode(map[string]any{"instance": a.page.Instance, "failing": failing})
}
