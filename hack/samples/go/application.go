// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Command application is the sample application of the platform go. It does I/O; the operator ships its source, and the
// platform's build compiles it.
package main

import (
	"cmp"
	"fmt"
	"log"
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"
)

func main() {
	http.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "ok") })
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, "Hello from Beanpod, in Go %s\n", strings.TrimPrefix(runtime.Version(), "go"))
	})
	server := http.Server{Addr: ":" + cmp.Or(os.Getenv("PORT"), "5000"), ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.ListenAndServe())
}
