// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	batchv1 "k8s.io/api/batch/v1"
	batchv1ac "k8s.io/client-go/applyconfigurations/batch/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/desired/object"
	"github.com/beanpod-dev/beanpod/internal/desired/pod"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// Release runs the release command of a rollout, once: it is never started again, neither by the Job controller nor by us.
func Release(s settings.Settings, r plan.Rollout) (object.Object, error) {
	child := naming.Child{Kind: naming.Job, Name: naming.Release(s.Name, r.ID)}
	content := snapshot.Of(s)
	content.Rebuild = ""
	wanted := plan.Slot{Rollout: r, Content: content}
	annotations := record(s, wanted, s.Scaler)
	delete(annotations, v1alpha1.AnnotationScaler)
	config := batchv1ac.Job(child.Name, s.Namespace).
		WithLabels(object.Labels(s)).WithAnnotations(object.Annotations(s)).WithAnnotations(annotations).
		WithOwnerReferences(object.Owner(s)).
		WithSpec(batchv1ac.JobSpec().
			WithBackoffLimit(0).WithCompletions(1).WithParallelism(1).
			WithPodReplacementPolicy(batchv1.Failed).
			WithActiveDeadlineSeconds(int64(s.Version.ReleaseSeconds)).
			WithTemplate(pod.Release(s)))
	obj, err := object.New(child, config)
	obj.Once = true
	return obj, err
}
