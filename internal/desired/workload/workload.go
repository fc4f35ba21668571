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
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// revisionHistory is how many old ReplicaSets stay, for people who look at them; rolling back does not use them.
const revisionHistory = 3

// Deployment is one slot. Its replicas are set only while no scaler owns them; with one, they are seeded once, by another field
// manager, when the Deployment is created.
func Deployment(s settings.Settings, slot plan.Slot, now snapshot.Snapshot) (object.Object, error) {
	name := naming.Slot(s.Name, slot.Name)
	child := naming.Child{Kind: naming.Deployment, Name: name}
	template, err := templateOf(s, slot, now)
	if err != nil {
		return object.Object{Child: child}, err
	}
	strategy := appsv1ac.RollingUpdateDeployment().
		WithMaxSurge(slot.Strategy.MaxSurge).WithMaxUnavailable(slot.Strategy.MaxUnavailable)
	labels := object.Labels(s)
	labels[v1alpha1.LabelSlot] = slot.Name
	spec := appsv1ac.DeploymentSpec().
		WithSelector(metav1ac.LabelSelector().WithMatchLabels(naming.SlotSelector(s.UID, slot.Name))).
		WithTemplate(template).
		WithMinReadySeconds(slot.Strategy.MinReadySeconds).
		WithProgressDeadlineSeconds(slot.Strategy.ProgressDeadlineSeconds).
		WithRevisionHistoryLimit(revisionHistory).
		WithStrategy(appsv1ac.DeploymentStrategy().WithType(appsv1.RollingUpdateDeploymentStrategyType).WithRollingUpdate(strategy))
	scaler := s.Scaler
	switch {
	case slot.Replicas != nil:
		scaler = settings.ScalerNone
		spec.WithReplicas(*slot.Replicas)
	case scaler == settings.ScalerNone:
		spec.WithReplicas(s.Desired)
	}
	config := appsv1ac.Deployment(name, s.Namespace).
		WithLabels(labels).WithAnnotations(object.Annotations(s)).WithAnnotations(record(s, slot, scaler)).
		WithOwnerReferences(object.Owner(s)).
		WithSpec(spec)
	obj, err := object.New(child, config)
	if scaler != settings.ScalerNone {
		obj.Seed = func(live *int32) runtime.ApplyConfiguration {
			return seed(name, s.Namespace, max(1, s.Min), live)
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
func record(s settings.Settings, slot plan.Slot, scaler settings.Scaler) map[string]string {
	r := slot.Rollout
	out := map[string]string{
		v1alpha1.AnnotationRolloutID:      strconv.FormatInt(r.ID, 10),
		v1alpha1.AnnotationRolloutType:    string(r.Type),
		v1alpha1.AnnotationRolloutStarted: moment(r.StartedAt),
		v1alpha1.AnnotationPolicy:         string(r.Policy),
		v1alpha1.AnnotationBatch:          strconv.Itoa(int(r.Batch)),
		v1alpha1.AnnotationScaler:         string(scaler),
	}
	identity(slot.Content, out)
	for key, value := range map[string]string{
		v1alpha1.AnnotationInputs:         s.Inputs,
		v1alpha1.AnnotationDatabases:      settings.Bindings(s.Databases),
		v1alpha1.AnnotationAbort:          r.Abort,
		v1alpha1.AnnotationGoodRevision:   slot.Good,
		v1alpha1.AnnotationFailedChange:   slot.Failed.Change,
		v1alpha1.AnnotationFailedVersion:  slot.Failed.Version,
		v1alpha1.AnnotationFailedPlatform: slot.Failed.Platform,
		v1alpha1.AnnotationFailedReason:   slot.Failed.Reason,
		v1alpha1.AnnotationFailedMessage:  slot.Failed.Message,
		v1alpha1.AnnotationStageStarted:   moment(r.StageAt),
		v1alpha1.AnnotationInstances:      positive(r.Instances),
		v1alpha1.AnnotationIgnored:        positive(r.Ignored),
	} {
		if value != "" {
			out[key] = value
		}
	}
	return out
}

// identity records what a slot, or a kept pod template, is.
func identity(c snapshot.Content, out map[string]string) {
	out[v1alpha1.AnnotationRevision] = c.Revision
	out[v1alpha1.AnnotationConfiguration] = c.Configuration
	out[v1alpha1.AnnotationChange] = c.Change
	out[v1alpha1.AnnotationVersion] = c.Version
	out[v1alpha1.AnnotationDigest] = c.Digest
	if c.Platform != "" {
		out[v1alpha1.AnnotationPlatform], out[v1alpha1.AnnotationRunImage] = c.Platform, c.Image
	}
	if c.Stamp != "" {
		out[v1alpha1.AnnotationPlatformStamp] = c.Stamp
	}
	if c.Request != "" {
		out[v1alpha1.AnnotationPlatformRequest] = c.Request
	}
	if c.Template != c.Revision {
		out[v1alpha1.AnnotationTemplate] = c.Template
	}
	if c.Restart != "" {
		out[v1alpha1.AnnotationRestart] = c.Restart
	}
}

func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func positive(n int32) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(int(n))
}

// ServiceAccount is the environment's own identity, without any right and without a token.
func ServiceAccount(s settings.Settings) (object.Object, error) {
	config := corev1ac.ServiceAccount(s.Name, s.Namespace).
		WithLabels(object.Labels(s)).WithAnnotations(object.Annotations(s)).WithOwnerReferences(object.Owner(s)).
		WithAutomountServiceAccountToken(false)
	return object.New(naming.Child{Kind: naming.ServiceAccount, Name: s.Name}, config)
}
