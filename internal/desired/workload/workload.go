// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package workload builds what every tier has: the Deployment of a slot and the ServiceAccount. Pure; called by internal/desired.
package workload

import (
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/runtime"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/desired/object"
	"github.com/beanpod-dev/beanpod/internal/desired/pod"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

// revisionHistory is how many old ReplicaSets stay, for people who look at them; rolling back does not use them.
const revisionHistory = 3

// Deployment is the slot that a step asks for. Its replicas are set only while no scaler owns them; with one, they are
// seeded once, by another field manager, when the Deployment is created.
func Deployment(s settings.Settings, step plan.Step) (object.Object, error) {
	name := naming.Slot(s.Name, step.Slot)
	strategy := appsv1ac.RollingUpdateDeployment().
		WithMaxSurge(step.Strategy.MaxSurge).WithMaxUnavailable(step.Strategy.MaxUnavailable)
	labels := object.Labels(s)
	labels[v1alpha1.LabelSlot] = step.Slot
	spec := appsv1ac.DeploymentSpec().
		WithSelector(metav1ac.LabelSelector().WithMatchLabels(naming.SlotSelector(s.UID, step.Slot))).
		WithTemplate(pod.Template(s, step.Slot)).
		WithMinReadySeconds(step.Strategy.MinReadySeconds).
		WithProgressDeadlineSeconds(step.Strategy.ProgressDeadlineSeconds).
		WithRevisionHistoryLimit(revisionHistory).
		WithStrategy(appsv1ac.DeploymentStrategy().WithType(appsv1.RollingUpdateDeploymentStrategyType).WithRollingUpdate(strategy))
	if s.Scaler == settings.ScalerNone {
		spec.WithReplicas(s.Desired)
	}
	config := appsv1ac.Deployment(name, s.Namespace).
		WithLabels(labels).WithAnnotations(object.Annotations(s)).WithAnnotations(record(s, step.Rollout)).
		WithOwnerReferences(object.Owner(s)).
		WithSpec(spec)
	obj, err := object.New(naming.Child{Kind: naming.Deployment, Name: name}, config)
	if s.Scaler != settings.ScalerNone {
		obj.Seed = func(live *int32) runtime.ApplyConfiguration {
			return seed(name, s.Namespace, s.Min, live)
		}
	}
	return obj, err
}

// seed sets replicas under another field manager, so that leaving them out of our own intent never resets them: to the start
// value when the Deployment is new, to the live value when a scaler takes over. A start value of 1 is the API server's own default.
func seed(name, namespace string, start int32, live *int32) runtime.ApplyConfiguration {
	replicas := start
	if live != nil {
		replicas = *live
	} else if start == 1 {
		return nil
	}
	return appsv1ac.Deployment(name, namespace).WithSpec(appsv1ac.DeploymentSpec().WithReplicas(replicas))
}

// record is what cannot be observed again, written in the same request as the change that it describes.
func record(s settings.Settings, r plan.Rollout) map[string]string {
	out := map[string]string{
		v1alpha1.AnnotationRevision:       s.Revision,
		v1alpha1.AnnotationConfiguration:  s.Configuration,
		v1alpha1.AnnotationVersion:        s.Version.Name,
		v1alpha1.AnnotationDigest:         s.Version.Digest,
		v1alpha1.AnnotationRolloutID:      strconv.FormatInt(r.ID, 10),
		v1alpha1.AnnotationRolloutType:    string(r.Type),
		v1alpha1.AnnotationRolloutStarted: r.StartedAt.UTC().Format(time.RFC3339),
		v1alpha1.AnnotationPolicy:         string(r.Policy),
		v1alpha1.AnnotationBatch:          strconv.Itoa(int(r.Batch)),
		v1alpha1.AnnotationScaler:         string(s.Scaler),
	}
	if s.RestartToken != "" {
		out[v1alpha1.AnnotationRestart] = s.RestartToken
	}
	if s.Inputs != "" {
		out[v1alpha1.AnnotationInputs] = s.Inputs
	}
	return out
}

// ServiceAccount is the environment's own identity, without any right and without a token.
func ServiceAccount(s settings.Settings) (object.Object, error) {
	config := corev1ac.ServiceAccount(s.Name, s.Namespace).
		WithLabels(object.Labels(s)).WithAnnotations(object.Annotations(s)).WithOwnerReferences(object.Owner(s)).
		WithAutomountServiceAccountToken(false)
	return object.New(naming.Child{Kind: naming.ServiceAccount, Name: s.Name}, config)
}
