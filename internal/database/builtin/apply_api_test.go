// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package builtin_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/database"
	"github.com/beanpod-dev/beanpod/internal/database/builtin"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

// cluster plays the controller on a real API server.
type cluster struct {
	*testing.T
	client.Client
}

// read is everything that the provider asks for, live.
func (c *cluster) read(w database.Wanted) database.Objects {
	c.Helper()
	out := database.Objects{}
	for _, ref := range (builtin.Provider{}).Refs(w) {
		o := &unstructured.Unstructured{}
		o.SetGroupVersionKind(ref.GroupVersionKind)
		err := c.Get(c.Context(), client.ObjectKey{Namespace: w.Namespace, Name: ref.Name}, o)
		if client.IgnoreNotFound(err) != nil {
			c.Fatal(err)
		}
		if err == nil {
			out[ref] = o
		}
	}
	return out
}

func (c *cluster) apply(list ...database.Object) {
	c.Helper()
	for _, o := range list {
		config := client.ApplyConfigurationFromUnstructured(&unstructured.Unstructured{Object: o.Intent})
		if err := c.Apply(c.Context(), config, client.FieldOwner("beanpod"), client.ForceOwnership); err != nil {
			c.Fatalf("%s: %v", o.Ref, err)
		}
	}
}

func (c *cluster) statefulSet(w database.Wanted) *unstructured.Unstructured {
	for ref, o := range c.read(w) {
		if ref.GroupVersionKind == builtin.StatefulSet {
			return o
		}
	}
	c.Fatal("there is no StatefulSet")
	return nil
}

// TestAPIServer proves that the objects are valid ones, that saying them again changes nothing, and what a change of the claim changes:
// storage the volume alone, the class the pod, another claim's name no pod.
func TestAPIServer(t *testing.T) {
	t.Parallel()
	api, err := client.New(testkit.StartAPIServer(t), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c, p := &cluster{T: t, Client: api}, builtin.Provider{}
	if err := c.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "team-a", Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}}}); err != nil {
		t.Fatal(err)
	}
	if err := c.Create(t.Context(), &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "fast"}, Provisioner: "example.com/disks", AllowVolumeExpansion: ptr.To(true)}); err != nil {
		t.Fatal(err)
	}
	w := wanted(full)
	for _, list := range objects(w, nil) {
		c.apply(list...)
	}
	// What the StatefulSet's controller would make.
	made := c.statefulSet(w)
	claims, _, _ := unstructured.NestedSlice(made.Object, "spec", "volumeClaimTemplates")
	volume := &unstructured.Unstructured{Object: claims[0].(map[string]any)}
	volume.SetName("data-shop-db-db-0")
	volume.SetNamespace("team-a")
	unstructured.RemoveNestedField(volume.Object, "status")
	if err := c.Create(t.Context(), volume, client.FieldOwner("kube-controller-manager")); err != nil {
		t.Fatal(err)
	}
	unstructured.SetNestedField(volume.Object, "Bound", "status", "phase")
	unstructured.SetNestedField(volume.Object, "20Gi", "status", "capacity", "storage")
	if err := c.Status().Update(t.Context(), volume); err != nil {
		t.Fatal(err)
	}
	unstructured.SetNestedField(made.Object, int64(1), "status", "readyReplicas")
	unstructured.SetNestedField(made.Object, int64(1), "status", "replicas")
	if err := c.Status().Update(t.Context(), made); err != nil {
		t.Fatal(err)
	}
	c.apply(p.Objects(w, c.read(w))...)
	settled := c.read(w)
	c.apply(p.Objects(w, settled)...)
	for ref, o := range c.read(w) {
		if o.GetResourceVersion() != settled[ref].GetResourceVersion() {
			t.Errorf("%s changed without a reason", ref)
		}
	}
	facts := p.Read(w, settled)
	want := database.Facts{Exists: true, Ready: true, ID: string(volume.GetUID()), Host: "shop-db-db.team-a.svc", Port: 5432, EngineVersion: "16.4", Storage: "20Gi"}
	if diff := cmp.Diff(want, facts); diff != "" {
		t.Errorf("facts (-want +got):\n%s", diff)
	}

	template := func() any { return c.statefulSet(w).Object["spec"].(map[string]any)["template"] }
	before := template()
	w.Claim, w.Restore, w.Operator.BundleImage = "adopter", "", "registry.example/beanpod:2"
	c.apply(p.Objects(w, c.read(w))...)
	if diff := cmp.Diff(before, template()); diff != "" {
		t.Errorf("another claim, or another operator, changes the pod:\n%s", diff)
	}
	for ref, o := range c.read(w) {
		if o.GetLabels()[v1alpha1.LabelDatabase] != "adopter" {
			t.Errorf("%s belongs to %s", ref, o.GetLabels()[v1alpha1.LabelDatabase])
		}
	}
	w.Storage, w.Version = "30Gi", "17"
	c.apply(p.Objects(w, c.read(w))...)
	for ref, o := range c.read(w) {
		if size, _, _ := unstructured.NestedString(o.Object, "spec", "resources", "requests", "storage"); ref.GroupVersionKind == builtin.Volume && size != "30Gi" {
			t.Errorf("the volume is asked to have %s", size)
		}
	}
	if diff := cmp.Diff(before, template()); diff != "" {
		t.Errorf("storage, or another major version, changes the pod:\n%s", diff)
	}
	w.Version, w.Resources.Requests.Memory = "16.9", "768Mi"
	c.apply(p.Objects(w, c.read(w))...)
	if cmp.Equal(before, template()) {
		t.Error("another class and a minor version do not change the pod")
	}
	for _, ref := range p.Doomed(w, nil) {
		if ref.GroupVersionKind == builtin.Secret {
			continue
		}
		o := &unstructured.Unstructured{}
		o.SetGroupVersionKind(ref.GroupVersionKind)
		if err := c.Get(t.Context(), client.ObjectKey{Namespace: "team-a", Name: ref.Name}, o); err != nil || o.GetAnnotations()[v1alpha1.AnnotationDatabaseID] != w.ID {
			t.Errorf("%s: %v", ref, err)
		}
	}
}
