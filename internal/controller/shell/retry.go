// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package shell

import (
	"time"

	"golang.org/x/time/rate"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// FirstRetry and LongestRetry bound the pauses after passes that fail. The library's longest is 1000 seconds: after a few minutes in
// which nothing could be written, nobody would look at an object for another quarter of an hour.
const (
	FirstRetry   = 5 * time.Millisecond
	LongestRetry = time.Minute
)

// Retrying lets a controller try again after such pauses. Besides, all its objects together are tried again ten times a second at most,
// as with the library's own limiter. Every controller needs one of its own, because objects are told apart by name only.
func Retrying(opts controller.Options) controller.Options {
	opts.RateLimiter = workqueue.NewTypedMaxOfRateLimiter(
		workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](FirstRetry, LongestRetry),
		&workqueue.TypedBucketRateLimiter[reconcile.Request]{Limiter: rate.NewLimiter(10, 100)},
	)
	return opts
}
