// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// Build is a build that failed.
type Build struct {
	// Job that ran it, which gives the ConfigMap its name, and Pod with the Containers that have a log.
	Job, Pod   string
	Containers []string
	// Summary says what failed.
	Summary string
}

// KeepBuild creates the ConfigMap with the last lines of a build and returns its name; when it exists already, it stays as it is. It
// goes with the version. It returns within about 15 seconds.
func (k *Keeper) KeepBuild(ctx context.Context, ver *v1alpha1.ApplicationVersion, b Build) (string, error) {
	logs := make([]containerLog, 0, len(b.Containers))
	for _, c := range b.Containers {
		logs = append(logs, containerLog{pod: b.Pod, container: snapshot.Container{Name: c, LastExit: &snapshot.Exit{}}})
	}
	k.read(ctx, ver.Namespace, logs)
	share(logs, maxLogs)
	immutable := true
	cm := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: ver.Namespace, Name: b.Job, Labels: naming.BuildLabels(ver.Name, ver.Spec.ApplicationRef.Name),
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(ver, v1alpha1.GroupVersion.WithKind("ApplicationVersion"))},
		},
		Immutable: &immutable, Data: map[string]string{},
	}
	text := b.Summary
	for _, l := range logs {
		if l.text != "" {
			cm.Data[l.container.Name+".log"] = l.text
		}
		if l.problem != "" {
			text += fmt.Sprintf("%s: %s\n", l.container.Name, l.problem)
		}
	}
	cm.Data[SummaryKey] = text[:min(len(text), maxSummary)]
	return b.Job, k.createFor(ctx, ver, cm)
}

// createFor makes a ConfigMap of a version, unless it is there already.
func (k *Keeper) createFor(ctx context.Context, ver *v1alpha1.ApplicationVersion, cm *corev1.ConfigMap) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	err := k.Client.Create(ctx, cm, client.DisableReadYourWritesConsistency)
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	live := &metav1.PartialObjectMetadata{}
	live.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMap"))
	if err := k.Live.Get(ctx, client.ObjectKeyFromObject(cm), live); err != nil {
		return err
	}
	if !metav1.IsControlledBy(live, ver) {
		return ErrNotOwned
	}
	return nil
}
