// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package queues

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
)

var (
	asks = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "beanpod_queue_ask_seconds", Help: "Time of one look at a queue.", Buckets: []float64{.001, .005, .01, .05, .1, .5, 1, 5},
	}, []string{"provider"})
	failures = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "beanpod_queue_ask_failures_total", Help: "Looks at a queue that failed.",
	}, []string{"provider"})

	messages = prometheus.NewDesc("beanpod_queue_messages", "Messages of a worker environment's queue.",
		[]string{"namespace", "environment", "state"}, nil)
	oldest = prometheus.NewDesc("beanpod_queue_oldest_seconds", "Age of the oldest waiting message.",
		[]string{"namespace", "environment"}, nil)
	instances = prometheus.NewDesc("beanpod_queue_wanted_instances", "Instances that the queue's depth asks for.",
		[]string{"namespace", "environment"}, nil)
)

func observe(provider contract.Provider, took time.Duration, err error) {
	asks.WithLabelValues(string(provider)).Observe(took.Seconds())
	if err != nil {
		failures.WithLabelValues(string(provider)).Inc()
	}
}

// Register exports what a Poller sees. Of several in one process, as in tests, the first counts.
func Register(registry prometheus.Registerer, p *Poller) error {
	err := registry.Register(p)
	if already := (prometheus.AlreadyRegisteredError{}); errors.As(err, &already) {
		return nil
	}
	return err
}

// Describe implements prometheus.Collector.
func (p *Poller) Describe(to chan<- *prometheus.Desc) {
	asks.Describe(to)
	failures.Describe(to)
	for _, d := range []*prometheus.Desc{messages, oldest, instances} {
		to <- d
	}
}

// Collect implements prometheus.Collector: at most five series for each environment that is watched, gone with it. A figure that is not
// known has none.
func (p *Poller) Collect(to chan<- prometheus.Metric) {
	asks.Collect(to)
	failures.Collect(to)
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, w := range p.interests {
		gauge := func(d *prometheus.Desc, value float64, labels ...string) {
			if value >= 0 {
				to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, append([]string{name.Namespace, name.Name}, labels...)...)
			}
		}
		depth := w.line.depth
		gauge(messages, float64(depth.Waiting), "waiting")
		gauge(messages, float64(depth.InFlight), "in_flight")
		gauge(messages, float64(depth.Dead), "dead")
		gauge(oldest, depth.Oldest.Seconds())
		if w.request.Wanted != nil {
			gauge(instances, float64(w.told.replicas))
		}
	}
}
