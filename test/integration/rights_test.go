// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"bytes"
	"os"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/controller"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

// TestRights asks a real API server, as the operator's own ServiceAccount and with the shipped policy, what the operator may do to what
// holds data: everything to what it made, nothing to what others made, and to snapshots nothing but making and reading them.
func TestRights(t *testing.T) {
	w := newWorld(t)
	w.installPolicy("own-secrets")
	scheme, err := controller.Scheme()
	w.Expect(err).NotTo(HaveOccurred())
	manager, err := client.New(w.cluster.Operator, client.Options{Scheme: scheme})
	w.Expect(err).NotTo(HaveOccurred())
	ours := map[string]string{v1alpha1.LabelManagedBy: v1alpha1.ManagedBy}

	w.Eventually(func() bool { // a policy takes a moment to be asked
		err := manager.Create(w.ctx, dataOf(w.namespace, "probe", nil)[0])
		_ = w.Delete(w.ctx, dataOf(w.namespace, "probe", nil)[0])
		return apierrors.IsForbidden(err)
	}).Should(BeTrue(), "the manager makes a Secret without its label")
	w.Expect(manager.Create(w.ctx, dataOf(w.namespace, "made", ours)[0])).To(Succeed())

	for _, theirs := range dataOf(w.namespace, "theirs", map[string]string{v1alpha1.LabelManagedBy: "Helm"}) {
		w.Expect(w.Create(w.ctx, theirs)).To(Succeed())
		takes := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"`+v1alpha1.LabelManagedBy+`":"`+v1alpha1.ManagedBy+`"}}}`))
		w.Expect(manager.Patch(w.ctx, theirs.DeepCopyObject().(client.Object), takes)).To(Satisfy(apierrors.IsForbidden), "the manager takes a %T over", theirs)
		w.Expect(manager.Delete(w.ctx, theirs)).To(Satisfy(apierrors.IsForbidden), "the manager deletes somebody's %T", theirs)
	}
	for _, own := range dataOf(w.namespace, "own", ours) {
		w.Expect(w.Create(w.ctx, own)).To(Succeed())
		w.Expect(manager.Patch(w.ctx, own, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"a":"b"}}}`)))).To(Succeed())
		w.Expect(manager.Delete(w.ctx, own)).To(Succeed(), "the manager cannot delete its own %T", own)
	}
	for _, kind := range []struct{ group, resource, may string }{
		{"", "secrets", "create delete get list patch watch"}, {"", "persistentvolumeclaims", "create delete get patch"},
		{"apps", "statefulsets", "create delete get list patch watch"}, {"postgresql.cnpg.io", "clusters", "create delete get patch"},
		{"rds.services.k8s.aws", "dbinstances", "create delete get patch"}, {"postgresql.cnpg.io", "backups", "create get"},
		{"rds.services.k8s.aws", "dbsnapshots", "create get"}, {"snapshot.storage.k8s.io", "volumesnapshots", "create get"},
		{"snapshot.storage.k8s.io", "volumesnapshotcontents", ""}, {"", "persistentvolumes", ""},
	} {
		w.Expect(strings.Join(w.verbs(manager, kind.group, kind.resource), " ")).To(Equal(kind.may), "what the manager may do to %s", kind.resource)
	}
}

// verbs are those that a client has for a resource in the namespace.
func (w *world) verbs(c client.Client, group, resource string) (out []string) {
	for _, verb := range []string{"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"} {
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: w.namespace, Verb: verb, Group: group, Resource: resource},
		}}
		w.Expect(c.Create(w.ctx, review)).To(Succeed())
		if review.Status.Allowed {
			out = append(out, verb)
		}
	}
	return out
}

// installPolicy creates the shipped admission policy of a name, with its binding, for the length of a test.
func (w *world) installPolicy(name string) {
	raw, err := os.ReadFile(testkit.RepositoryPath("config", "default", "admission_policies.yaml"))
	w.Expect(err).NotTo(HaveOccurred())
	found := 0
	for _, part := range bytes.Split(raw, []byte("\n---")) {
		obj := &unstructured.Unstructured{}
		w.Expect(yaml.Unmarshal(part, &obj.Object)).To(Succeed())
		if obj.GetName() != "beanpod-"+name {
			continue
		}
		found++
		w.Expect(w.Create(w.ctx, obj)).To(Succeed())
		w.t.Cleanup(func() { _ = w.Delete(w.ctx, obj) })
	}
	w.Expect(found).To(Equal(2), "a policy and its binding")
}

// dataOf is one object of each kind that holds data, of those that every cluster has.
func dataOf(namespace, name string, labels map[string]string) []client.Object {
	meta := metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels}
	pod := map[string]string{"app": name}
	none := int32(0)
	return []client.Object{
		&corev1.Secret{ObjectMeta: meta},
		&corev1.PersistentVolumeClaim{ObjectMeta: meta, Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		}},
		&appsv1.StatefulSet{ObjectMeta: meta, Spec: appsv1.StatefulSetSpec{
			Replicas: &none, Selector: &metav1.LabelSelector{MatchLabels: pod},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: pod}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Image: "a"}}}},
		}},
	}
}
