// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

var (
	requests = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "beanpod_store_requests_total", Help: "Requests to the artifact store, by method and status.",
	}, []string{"method", "code"})
	sent = prometheus.NewCounter(prometheus.CounterOpts{Name: "beanpod_store_sent_bytes_total", Help: "Bytes that the artifact store sent."})
	took = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "beanpod_store_request_seconds", Help: "How long requests to the artifact store took.", Buckets: []float64{.01, .1, .5, 1, 5, 30, 120, 600},
	})
)

// Register makes the metrics known; cmd/manager calls it once.
func Register() { metrics.Registry.MustRegister(requests, sent, took) }

// counter remembers what was answered.
type counter struct {
	http.ResponseWriter
	status int
	bytes  int64
}

// WriteHeader implements http.ResponseWriter.
func (c *counter) WriteHeader(status int) {
	c.status = status
	c.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (c *counter) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.bytes += int64(n)
	return n, err //nolint:wrapcheck // io.Writer's own error
}

// Unwrap lets the connection's deadlines be set.
func (c *counter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func observe(method string, c *counter, d time.Duration) {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPut:
	default: // a client can send any word, and each would make a series
		method = "other"
	}
	requests.WithLabelValues(method, strconv.Itoa(c.status)).Inc()
	sent.Add(float64(c.bytes))
	took.Observe(d.Seconds())
}
