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
	// Floor is the smallest number of healthy instances, Ceiling the largest number of instances in all.
	Floor, Ceiling int32
}

// String says it for people.
func (p Promise) String() string {
	return fmt.Sprintf("never fewer than %d healthy, never more than %d in all", p.Floor, p.Ceiling)
}

// PromiseOf is the promise of a policy for n instances, as package inplace documents it. It is written from the document and
// not from the code, so that each checks the other.
func PromiseOf(with settings.Rollout, n int32) Promise {
	b := plan.Batch(with.BatchSize, n)
	switch {
	case with.Policy == v1alpha1.PolicyAllAtOnce:
		return Promise{Floor: 0, Ceiling: n}
	case with.Policy == v1alpha1.PolicyRolling && n == 1:
		return Promise{Floor: 1, Ceiling: 2}
	case with.Policy == v1alpha1.PolicyRolling:
		return Promise{Floor: n - b, Ceiling: n}
	default:
		return Promise{Floor: n, Ceiling: n + b}
	}
}

// watch checks the promise against what is true now.
func (p *play) watch() {
	if p.deployment == nil {
		return
	}
	var healthy, total int32
	for _, s := range p.deployment.Sets {
		c := s.Count(p.at, p.deployment.Gate())
		healthy += c.Available
		total += c.Total
	}
	p.reached = p.reached || healthy >= p.promise.Floor
	if p.reached && healthy < p.promise.Floor {
		p.broken("%d instances are healthy, %d were promised", healthy, p.promise.Floor)
	}
	if total > p.promise.Ceiling {
		p.broken("%d instances exist, at most %d were promised", total, p.promise.Ceiling)
	}
}

// judge checks what a step claims.
func (p *play) judge(step plan.Step) {
	var healthy int32
	if p.deployment != nil {
		if fresh := p.deployment.Find(p.want); fresh != nil {
			healthy = fresh.Count(p.at, p.deployment.Gate()).Available
		}
	}
	if step.State == plan.Idle && healthy < p.Instances {
		p.broken("the step says %s although %d of %d instances are new and healthy", step.State, healthy, p.Instances)
	}
	if step.Updated > healthy {
		p.broken("the step counts %d updated instances, %d are", step.Updated, healthy)
	}
	if step.State != plan.Unsupported && step.Strategy.MinReadySeconds < p.Policy.GateSeconds {
		p.broken("the health gate is %d s instead of %d s", step.Strategy.MinReadySeconds, p.Policy.GateSeconds)
	}
}
