// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"encoding/json"
	"regexp"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

func (w *world) deployed(name, version string) {
	w.t.Helper()
	w.Eventually(func() string {
		env := &v1alpha1.Environment{}
		if w.Get(w.ctx, w.key(name), env) != nil || env.Status.DeployedVersion == nil {
			return ""
		}
		return env.Status.DeployedVersion.Name
	}).Should(Equal(version))
	w.ready(name)
}

var changing = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|10\.0\.[0-9.]+`)

// final are the children of an environment as text, without what differs from one life to the next.
func (w *world) final(name string) string {
	w.t.Helper()
	var out []any
	for _, child := range w.children(name) {
		kind, err := apiutil.GVKForObject(child, w.Scheme())
		w.Expect(err).NotTo(HaveOccurred())
		fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(child)
		w.Expect(err).NotTo(HaveOccurred())
		for _, drop := range []string{"resourceVersion", "creationTimestamp", "generation", "managedFields", "uid"} {
			unstructured.RemoveNestedField(fields, "metadata", drop)
		}
		unstructured.RemoveNestedField(fields, "status")
		unstructured.RemoveNestedField(fields, "revision") // of a kept pod template: the deployment that first used it
		for _, drop := range []string{
			v1alpha1.AnnotationRolloutStarted, v1alpha1.AnnotationRolloutID, v1alpha1.AnnotationIntentHash, "deployment.kubernetes.io/revision",
		} {
			unstructured.RemoveNestedField(fields, "metadata", "annotations", drop)
		}
		fields["kind"] = kind.Kind
		out = append(out, fields)
	}
	text, err := json.MarshalIndent(out, "", " ")
	w.Expect(err).NotTo(HaveOccurred())
	return changing.ReplaceAllString(string(text), "X")
}
