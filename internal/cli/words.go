// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
)

func running(env *v1alpha1.Environment) string {
	if env.Status.DeployedVersion == nil {
		return ""
	}
	return env.Status.DeployedVersion.Name
}

// word is Beanstalk's status word.
func word(env *v1alpha1.Environment) string {
	if ready := condition.Find(env.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
		return ready.Reason
	}
	return ""
}

func healthWord(env *v1alpha1.Environment) string {
	if env.Status.Health == nil {
		return "-"
	}
	return orDash(string(env.Status.Health.Status))
}

func instances(env *v1alpha1.Environment) string {
	if env.Status.Health == nil {
		return "-"
	}
	n := env.Status.Health.Instances
	return fmt.Sprintf("%d/%d", n.Ok, n.Total)
}

func deploymentWord(env *v1alpha1.Environment) string {
	d := env.Status.Deployment
	switch {
	case d == nil:
		return "-"
	case d.State == v1alpha1.DeploymentInProgress:
		return fmt.Sprintf("%s %d/%d", d.State, d.Updated, d.Desired)
	}
	return string(d.State)
}

// age is how long ago something was.
func (e *env) age(at *metav1.Time) string {
	if at == nil || at.IsZero() {
		return "-"
	}
	return duration.HumanDuration(e.Now().Sub(at.Time))
}
