// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package shell_test

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/beanpod-dev/beanpod/internal/controller/shell"
)

// TestRetrying fails one object again and again, and wants pauses that grow, to a minute and no further; another one begins anew.
func TestRetrying(t *testing.T) {
	t.Parallel()
	limiter := shell.Retrying(controller.Options{MaxConcurrentReconciles: 3}).RateLimiter
	one := reconcile.Request{NamespacedName: types.NamespacedName{Namespace: "shop", Name: "blue"}}
	var last time.Duration
	for range 30 {
		pause := limiter.When(one)
		if pause < last {
			t.Fatalf("the pause went from %s to %s", last, pause)
		}
		last = pause
	}
	if last != shell.LongestRetry {
		t.Errorf("the longest pause is %s, not %s", last, shell.LongestRetry)
	}
	one.Name = "green"
	if pause := limiter.When(one); pause != shell.FirstRetry {
		t.Errorf("another object waits %s", pause)
	}
	if shell.Retrying(controller.Options{}).RateLimiter == limiter {
		t.Error("two controllers share a limiter")
	}
}
