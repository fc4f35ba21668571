// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package metrics is what the worker daemon counts, for Prometheus. internal/workerd adds to it.
package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

const namespace = "beanpod_worker"

// Metrics of one daemon.
type Metrics struct {
	// InFlight is how many messages the daemon holds.
	InFlight prometheus.Gauge
	// Received, Deleted (after 200), Retried (after a failure), Returned (not an attempt: the application takes no connection,
	// or the daemon stops), DeadLettered and Expired are messages.
	Received, Deleted, Retried, Returned, DeadLettered, Expired prometheus.Counter
	// Duplicates are messages that may be delivered once more although they were done.
	Duplicates prometheus.Counter
	// Skipped are attributes that cannot be headers.
	Skipped prometheus.Counter
	// PollErrors are failed polls of the broker.
	PollErrors prometheus.Counter
	posts      *prometheus.HistogramVec
	depth      *prometheus.GaugeVec
	oldest     prometheus.Gauge
}

// New registers the metrics.
func New(r prometheus.Registerer) *Metrics {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
		r.MustRegister(c)
		return c
	}
	m := &Metrics{
		Received:     counter("messages_received_total", "Deliveries taken from the queue."),
		Deleted:      counter("messages_deleted_total", "Messages answered with 200 and deleted."),
		Retried:      counter("messages_retried_total", "Failed attempts that gave the message back."),
		Returned:     counter("messages_returned_total", "Messages given back without an attempt."),
		DeadLettered: counter("messages_dead_lettered_total", "Messages put into the dead-letter queue."),
		Expired:      counter("messages_expired_total", "Messages deleted because they were older than the retention period."),
		Duplicates:   counter("duplicates_suspected_total", "Messages that were held too long or whose delete was never confirmed: they may be processed twice."),
		Skipped:      counter("attributes_skipped_total", "Attributes that could not be headers."),
		PollErrors:   counter("poll_errors_total", "Polls of the broker that failed."),
		InFlight:     prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: "messages_in_flight", Help: "Messages held now."}),
		posts: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Name: "post_seconds", Help: "Time of POSTs to the application by outcome.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800},
		}, []string{"outcome"}),
		depth: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: namespace, Name: "queue_messages", Help: "Messages in the queue as the broker says; absent where it does not.",
		}, []string{"state"}),
		oldest: prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: "queue_oldest_seconds", Help: "Age of the oldest waiting message, -1 if not known."}),
	}
	m.oldest.Set(-1)
	r.MustRegister(m.InFlight, m.posts, m.depth, m.oldest)
	return m
}

// Posted adds one POST.
func (m *Metrics) Posted(outcome string, took time.Duration) {
	m.posts.WithLabelValues(outcome).Observe(took.Seconds())
}

// Measured sets what the broker said of the queue.
func (m *Metrics) Measured(d queue.Depth) {
	for state, n := range map[string]int64{"waiting": d.Waiting, "in_flight": d.InFlight, "dead": d.Dead} {
		if n < 0 {
			m.depth.DeleteLabelValues(state)
			continue
		}
		m.depth.WithLabelValues(state).Set(float64(n))
	}
	if d.Oldest < 0 {
		m.oldest.Set(-1)
		return
	}
	m.oldest.Set(d.Oldest.Seconds())
}
