// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/testkit/simapi"
)

func tell(changes []simapi.Change) []string {
	var out []string
	for _, c := range changes {
		what := ""
		switch {
		case c.Old == nil:
			what = " (new)"
		case c.New == nil:
			what = " (gone)"
		}
		out = append(out, fmt.Sprintf("%8s %s: %s%s%s", c.At.Sub(simapi.Begin), c.Write.Process, c.Write, what, said(c)))
	}
	return out
}

// said is what makes a change worth reading.
func said(c simapi.Change) string {
	env, ok := c.New.(*v1alpha1.Environment)
	if ok && env.Status.Deployment != nil {
		d := env.Status.Deployment
		return fmt.Sprintf(" [%d %s: %s]", d.ID, d.State, d.Message)
	}
	if c.New == nil || c.Write.Process != actor {
		return ""
	}
	a := c.New.GetAnnotations()
	if id := a[v1alpha1.AnnotationRolloutID]; id != "" {
		return fmt.Sprintf(" [%s of %s, failed: %s]", id, a[v1alpha1.AnnotationVersion], a[v1alpha1.AnnotationFailedVersion])
	}
	if s, ok := c.New.(*corev1.Service); ok {
		return fmt.Sprintf(" [to %s]", s.Spec.Selector[v1alpha1.LabelSlot])
	}
	return ""
}
