// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package simapi

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// setController is who writes for StatefulSets.
const setController = "statefulset-controller"

// serve plays StatefulSets: each has the volumes of its templates, which outlive it, and is ready as soon as they are there. Instances
// are not played.
func (c *Cluster) serve() bool {
	s, moved := c.store, false
	k := s.kindFor(&appsv1.StatefulSet{})
	for _, r := range copies(k.records) {
		set := r.object.(*appsv1.StatefulSet)
		if set.DeletionTimestamp != nil {
			continue
		}
		moved = c.volumes(set) || moved
		if set.Status.ReadyReplicas > 0 && set.Status.ObservedGeneration == set.Generation {
			continue
		}
		s.edit(k, r, Write{Process: setController, Verb: Update, Subresource: "status"}, func(o client.Object) {
			o.(*appsv1.StatefulSet).Status = appsv1.StatefulSetStatus{ObservedGeneration: set.Generation, Replicas: 1, ReadyReplicas: 1, AvailableReplicas: 1}
		})
		moved = true
	}
	return moved
}

// volumes makes those of the first instance, bound at once.
func (c *Cluster) volumes(set *appsv1.StatefulSet) bool {
	s, moved := c.store, false
	k := s.kindFor(&corev1.PersistentVolumeClaim{})
	for _, template := range set.Spec.VolumeClaimTemplates {
		key := types.NamespacedName{Namespace: set.Namespace, Name: template.Name + "-" + set.Name + "-0"}
		if k.byKey[key] != nil {
			continue
		}
		volume := &corev1.PersistentVolumeClaim{
			ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name, Labels: template.Labels, Annotations: template.Annotations},
			Spec:       *template.Spec.DeepCopy(),
			Status:     corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimBound, Capacity: template.Spec.Resources.Requests.DeepCopy()},
		}
		_, err := s.create(k, volume, &Write{Process: setController, Verb: Create})
		moved = moved || err == nil
	}
	return moved
}
