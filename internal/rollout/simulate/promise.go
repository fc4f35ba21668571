// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"fmt"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

// Promise is what a policy keeps at every moment of a rollout.
type Promise struct {
	// Floor is the smallest number of healthy instances that get requests, Ceiling the largest number of instances in all.
	Floor, Ceiling int32
}

// String says it for people.
func (p Promise) String() string {
	return fmt.Sprintf("never fewer than %d healthy, never more than %d in all", p.Floor, p.Ceiling)
}

// PromiseOf is the promise of a policy for n instances, as the packages inplace and twoslot document it. It is written from the
// document and not from the code, so that each checks the other.
func PromiseOf(with settings.Rollout, n int32) Promise {
	return promise(with.Policy, plan.Batch(with.BatchSize, n), n)
}

func promise(policy v1alpha1.DeploymentPolicy, b, n int32) Promise {
	switch {
	case policy == v1alpha1.PolicyImmutable || policy == v1alpha1.PolicyTrafficSplitting:
		return Promise{Floor: n, Ceiling: 2 * n}
	case policy == v1alpha1.PolicyAllAtOnce:
		return Promise{Floor: 0, Ceiling: n}
	case policy == v1alpha1.PolicyRolling && n == 1:
		return Promise{Floor: 1, Ceiling: 2}
	case policy == v1alpha1.PolicyRolling:
		return Promise{Floor: max(0, n-b), Ceiling: n}
	default:
		return Promise{Floor: n, Ceiling: n + b}
	}
}
