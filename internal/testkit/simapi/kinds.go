// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package simapi

import (
	"fmt"
	"hash/fnv"
	"reflect"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// traits are what the server does differently for a kind.
type traits struct {
	resource string
	cluster  bool
	// generation says that the server counts changes of the spec.
	generation bool
	// status says that it is written through its own subresource only.
	status bool
	// custom kinds refuse updates without a resource version.
	custom bool
}

// plain are built-in kinds without a generation.
var plain = map[string]bool{
	"ConfigMap": true, "Secret": true, "Service": true, "ServiceAccount": true, "Namespace": true, "HorizontalPodAutoscaler": true, "Event": true,
	"PersistentVolumeClaim": true,
}

// stateless are built-in kinds without a status of their own.
var stateless = map[string]bool{"ConfigMap": true, "Secret": true, "ServiceAccount": true, "NetworkPolicy": true, "Event": true}

func traitsOf(gvk schema.GroupVersionKind) traits {
	resource, _ := meta.UnsafeGuessKindToResource(gvk)
	custom := gvk.Group == v1alpha1.GroupVersion.Group || strings.HasSuffix(gvk.Group, "gateway.networking.k8s.io")
	return traits{
		resource: resource.Resource, custom: custom,
		cluster:    gvk.Kind == "Namespace" || gvk.Kind == "Platform" || gvk.Kind == "DatabaseClass",
		generation: custom || !plain[gvk.Kind], status: custom || !stateless[gvk.Kind],
	}
}

// lingers says whether an object stays although nothing holds it: a namespace until it is empty, a pod until its kubelet says so.
func (k *kind) lingers(obj client.Object) bool {
	switch o := obj.(type) {
	case *corev1.Namespace:
		return len(o.Spec.Finalizers) > 0
	case *corev1.Pod:
		return o.DeletionGracePeriodSeconds != nil && *o.DeletionGracePeriodSeconds > 0
	default:
		return false
	}
}

// changedSpec says whether anything but metadata and status differs. A Deployment's annotations count too.
func changedSpec(k *kind, old, next client.Object) bool {
	if _, ok := old.(*appsv1.Deployment); ok && !equality.Semantic.DeepEqual(old.GetAnnotations(), next.GetAnnotations()) {
		return true
	}
	a, b := reflect.ValueOf(old).Elem(), reflect.ValueOf(next).Elem()
	for i := range a.NumField() {
		switch name := a.Type().Field(i).Name; {
		case name == "TypeMeta", name == "ObjectMeta", name == "Status" && k.status:
		case !equality.Semantic.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()):
			return true
		}
	}
	return false
}

// same says whether a write changes nothing. One of the status cannot change anything else.
func (w Write) same(old, next client.Object) bool {
	if w.Subresource == "status" {
		a, b := reflect.ValueOf(old).Elem().FieldByName("Status"), reflect.ValueOf(next).Elem().FieldByName("Status")
		return equality.Semantic.DeepEqual(a.Interface(), b.Interface())
	}
	return !w.ownership && equality.Semantic.DeepEqual(old, next)
}

// keepStatus gives an object the status of another one, or an empty one.
func keepStatus(obj, from client.Object) {
	field := reflect.ValueOf(obj).Elem().FieldByName("Status")
	switch {
	case !field.IsValid():
	case from == nil:
		field.SetZero()
	default:
		field.Set(reflect.ValueOf(from).Elem().FieldByName("Status"))
	}
}

// setDefaults fills in what Beanpod can notice: nothing else of what a real server fills in changes what it does.
func setDefaults(obj client.Object) {
	switch o := obj.(type) {
	case *appsv1.Deployment:
		if o.Spec.Replicas == nil {
			one := int32(1)
			o.Spec.Replicas = &one
		}
	case *corev1.Service:
		for i := range o.Spec.Ports {
			if port := &o.Spec.Ports[i]; port.TargetPort == intstr.FromInt32(0) {
				port.TargetPort = intstr.FromInt32(port.Port)
			}
		}
	}
}

// generic says whether an object does not know its kind by its Go type.
func generic(obj runtime.Object) bool {
	switch obj.(type) {
	case *metav1.PartialObjectMetadata, *metav1.PartialObjectMetadataList, *unstructured.Unstructured, *unstructured.UnstructuredList:
		return true
	default:
		return false
	}
}

// uid looks like a UID, and is the same in every run.
func uid(resource string, key types.NamespacedName, life int) string {
	sum := fnv.New128a()
	fmt.Fprintf(sum, "%s/%s/%d", resource, key, life)
	x := sum.Sum(nil)
	return fmt.Sprintf("%x-%x-4%x-8%x-%x", x[0:4], x[4:6], x[6:8], x[8:10], x[10:16])[:36]
}
