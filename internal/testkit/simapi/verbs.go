// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package simapi

import (
	"errors"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// The functions below are the verbs as the server knows them. They run under the lock, and own the objects that they are given.

// create stores a new object.
func (s *Store) create(k *kind, obj client.Object, w *Write) (client.Object, error) {
	if obj.GetResourceVersion() != "" {
		return nil, apierrors.NewBadRequest("resourceVersion should not be set on objects to be created")
	}
	if obj.GetName() == "" && obj.GetGenerateName() != "" {
		obj.SetName(fmt.Sprintf("%s%05d", obj.GetGenerateName(), s.version))
	}
	key := client.ObjectKeyFromObject(obj)
	if err := s.admits(k, key); err != nil {
		return nil, err
	}
	if k.byKey[key] != nil {
		return nil, apierrors.NewAlreadyExists(k.groupResource(), key.Name)
	}
	s.identity(k, key, obj)
	s.born(obj)
	setDefaults(obj)
	r := &record{key: key, bare: givesStatus(k.gvk)}
	out := s.commit(k, r, obj, *w)
	r.updated(nil, out, w.Manager)
	return out, nil
}

// born gives namespaces what only the server writes.
func (s *Store) born(obj client.Object) {
	if n, ok := obj.(*corev1.Namespace); ok {
		n.Spec.Finalizers = []corev1.FinalizerName{corev1.FinalizerKubernetes}
		n.Status.Phase = corev1.NamespaceActive
	}
}

// admits refuses what is made in a namespace that is going away or not there.
func (s *Store) admits(k *kind, key types.NamespacedName) error {
	if k.cluster {
		return nil
	}
	r := s.kind(corev1.SchemeGroupVersion.WithKind("Namespace")).byKey[types.NamespacedName{Name: key.Namespace}]
	if r == nil {
		return apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, key.Namespace)
	}
	if r.object.GetDeletionTimestamp() == nil {
		return nil
	}
	text := fmt.Sprintf("namespace %s is being terminated", key.Namespace)
	err := apierrors.NewForbidden(k.groupResource(), key.Name, fmt.Errorf("unable to create new content in namespace %s because it is being terminated", key.Namespace))
	err.ErrStatus.Details.Causes = append(err.ErrStatus.Details.Causes, metav1.StatusCause{
		Type: corev1.NamespaceTerminatingCause, Message: text, Field: "metadata.namespace",
	})
	return err
}

func (k *kind) groupResource() schema.GroupResource {
	return schema.GroupResource{Group: k.gvk.Group, Resource: k.resource}
}

func (s *Store) find(k *kind, key types.NamespacedName) (*record, error) {
	if r := k.byKey[key]; r != nil {
		return r, nil
	}
	return nil, apierrors.NewNotFound(k.groupResource(), key.Name)
}

// replace stores another state of an object, after the checks of an update.
func (s *Store) replace(k *kind, r *record, next client.Object, w *Write) (client.Object, error) {
	old := r.object
	if err := k.checkUpdate(old, next); err != nil {
		return nil, err
	}
	inherit(old, next)
	setDefaults(next)
	switch w.Subresource {
	case "status":
		status := next
		next = copyOf(old)
		keepStatus(next, status)
	case "":
		if k.status {
			keepStatus(next, old)
		}
	default:
		return nil, apierrors.NewNotFound(k.groupResource(), r.key.Name+"/"+w.Subresource)
	}
	if err := k.checkContent(old, next); err != nil {
		return nil, err
	}
	out := s.commit(k, r, next, *w)
	if w.Verb != Apply && w.Subresource == "" && out != old {
		r.updated(old, out, w.Manager)
	}
	return out, nil
}

// checkUpdate is the optimistic lock.
func (k *kind) checkUpdate(old, next client.Object) error {
	if uid := next.GetUID(); uid != "" && uid != old.GetUID() {
		return apierrors.NewConflict(k.groupResource(), old.GetName(), fmt.Errorf(
			"precondition failed: UID in precondition: %s, UID in object meta: %s", uid, old.GetUID()))
	}
	version := next.GetResourceVersion()
	if version == "" && k.custom {
		return apierrors.NewInvalid(k.gvk.GroupKind(), old.GetName(), field.ErrorList{
			field.Invalid(field.NewPath("metadata", "resourceVersion"), 0, "must be specified for an update"),
		})
	}
	if version != "" && version != old.GetResourceVersion() {
		return apierrors.NewConflict(k.groupResource(), old.GetName(), errors.New(
			"the object has been modified; please apply your changes to the latest version and try again"))
	}
	return nil
}

// checkContent refuses the changes that matter to Beanpod: of what is immutable, and finalizers that come too late.
func (k *kind) checkContent(old, next client.Object) error {
	var errs field.ErrorList
	if old.GetDeletionTimestamp() != nil {
		for _, f := range next.GetFinalizers() {
			if !slices.Contains(old.GetFinalizers(), f) {
				errs = append(errs, field.Forbidden(field.NewPath("metadata", "finalizers"), "no new finalizers can be added if the object is being deleted"))
				break
			}
		}
	}
	if a, ok := old.(*appsv1.Deployment); ok {
		if b := next.(*appsv1.Deployment); !equality.Semantic.DeepEqual(a.Spec.Selector, b.Spec.Selector) {
			errs = append(errs, field.Invalid(field.NewPath("spec", "selector"), b.Spec.Selector, "field is immutable"))
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return apierrors.NewInvalid(k.gvk.GroupKind(), old.GetName(), errs)
}

// inherit keeps what no request may change.
func inherit(old, next client.Object) {
	next.SetNamespace(old.GetNamespace())
	next.SetName(old.GetName())
	next.SetGenerateName(old.GetGenerateName())
	next.SetUID(old.GetUID())
	next.SetResourceVersion(old.GetResourceVersion())
	next.SetGeneration(old.GetGeneration())
	next.SetCreationTimestamp(old.GetCreationTimestamp())
	next.SetDeletionTimestamp(old.GetDeletionTimestamp())
	next.SetDeletionGracePeriodSeconds(old.GetDeletionGracePeriodSeconds())
	next.SetManagedFields(nil)
	next.GetObjectKind().SetGroupVersionKind(old.GetObjectKind().GroupVersionKind())
}

// remove deletes an object, or marks it while something holds it.
func (s *Store) remove(k *kind, r *record, o client.DeleteOptions, w *Write) (client.Object, error) {
	if err := k.checkPreconditions(r.object, o.Preconditions); err != nil {
		return nil, err
	}
	next := copyOf(r.object)
	deleting := next.GetDeletionTimestamp() != nil
	grace := s.grace(next, o)
	if deleting && (k.cluster || grace == nil || *grace > 0) {
		return r.object, nil
	}
	if !deleting {
		next.SetFinalizers(propagation(next.GetFinalizers(), o.PropagationPolicy))
	}
	if grace == nil && len(next.GetFinalizers()) == 0 {
		return s.commit(k, r, nil, *w), nil
	}
	if grace == nil {
		grace = new(int64)
	}
	s.mark(next, *grace)
	return s.commit(k, r, next, *w), nil
}

// mark writes into an object that it is being deleted.
func (s *Store) mark(obj client.Object, grace int64) {
	if obj.GetDeletionTimestamp() == nil && obj.GetGeneration() > 0 {
		obj.SetGeneration(obj.GetGeneration() + 1)
	}
	at := metav1.NewTime(s.now.Truncate(time.Second).Add(time.Duration(grace) * time.Second))
	obj.SetDeletionTimestamp(&at)
	obj.SetDeletionGracePeriodSeconds(&grace)
	if n, ok := obj.(*corev1.Namespace); ok {
		n.Status.Phase = corev1.NamespaceTerminating
	}
}

// grace is how long an object may take to end; nil: nothing about it needs to end.
func (s *Store) grace(obj client.Object, o client.DeleteOptions) *int64 {
	switch p := obj.(type) {
	case *corev1.Namespace:
		return new(int64)
	case *corev1.Pod:
		if p.Spec.NodeName == "" || p.Status.Phase == corev1.PodFailed || p.Status.Phase == corev1.PodSucceeded {
			return nil
		}
		if o.GracePeriodSeconds != nil {
			return o.GracePeriodSeconds
		}
		if p.Spec.TerminationGracePeriodSeconds != nil {
			return p.Spec.TerminationGracePeriodSeconds
		}
		half := int64(30)
		return &half
	default:
		return nil
	}
}

func propagation(finalizers []string, policy *metav1.DeletionPropagation) []string {
	if policy == nil {
		return finalizers
	}
	switch *policy {
	case metav1.DeletePropagationForeground:
		return append(slices.Clone(finalizers), metav1.FinalizerDeleteDependents)
	case metav1.DeletePropagationOrphan:
		return append(slices.Clone(finalizers), metav1.FinalizerOrphanDependents)
	default:
		return finalizers
	}
}

func (k *kind) checkPreconditions(obj client.Object, want *metav1.Preconditions) error {
	if want == nil {
		return nil
	}
	if want.UID != nil && *want.UID != obj.GetUID() {
		return apierrors.NewConflict(k.groupResource(), obj.GetName(), fmt.Errorf(
			"the UID in the precondition (%s) does not match the UID in record (%s). The object might have been deleted and then recreated", *want.UID, obj.GetUID()))
	}
	if want.ResourceVersion != nil && *want.ResourceVersion != obj.GetResourceVersion() {
		return apierrors.NewConflict(k.groupResource(), obj.GetName(), fmt.Errorf(
			"the ResourceVersion in the precondition (%s) does not match the ResourceVersion in record (%s). The object might have been modified",
			*want.ResourceVersion, obj.GetResourceVersion()))
	}
	return nil
}

func copyOf(obj client.Object) client.Object { return obj.DeepCopyObject().(client.Object) }
