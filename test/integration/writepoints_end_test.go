// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// leftovers are what a deleted Environment left.
func (r *performance) leftovers() string {
	var out []string
	for _, list := range everyChild() {
		r.Expect(r.List(r.ctx, list, client.InNamespace(r.namespace))).To(Succeed())
		for _, o := range items(list) {
			if o.GetLabels()[v1alpha1.LabelEnvironment] != "" {
				out = append(out, fmt.Sprintf("%T %s", o, o.GetName()))
			}
		}
	}
	return strings.Join(out, ", ")
}

// emptied is empty once the namespace is gone.
func (r *performance) emptied() string {
	space := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: r.namespace}}
	if r.Get(r.ctx, client.ObjectKeyFromObject(space), space) != nil {
		return ""
	}
	return fmt.Sprint(space.Status.Conditions)
}

// varies is what differs where ends are alike: when something was, which slot it is in, and the names of instances.
var varies = regexp.MustCompile(`blue-[ab](-[a-z0-9]{7,10}-[a-z0-9]{5})?\b|"beanpod\.dev/slot": "[ab]"|[0-9-]{10}T[0-9:]{8}Z`)

// ending is how a plot ended: the children, and what status says in words.
func (r *performance) ending() string {
	r.t.Helper()
	st := r.environment(blue).Status
	type words struct {
		Conditions []string
		Deployed   *v1alpha1.DeployedVersion
		Failed     []v1alpha1.FailedVersion
		State      v1alpha1.DeploymentState
		Reason     string
	}
	out := words{Deployed: st.DeployedVersion, Failed: st.FailedVersions, State: st.Deployment.State, Reason: st.Deployment.Reason}
	children := r.final(blue)
	if r.edit {
		out.Failed, children = nil, r.remaining()
	}
	for _, c := range st.Conditions {
		out.Conditions = append(out.Conditions, fmt.Sprint(c.Type, " ", c.Status, " ", c.Reason))
	}
	slices.Sort(out.Conditions)
	raw, err := json.MarshalIndent(out, "", " ")
	r.Expect(err).NotTo(HaveOccurred())
	return strings.ReplaceAll(string(raw)+"\n"+varies.ReplaceAllString(children, "…"), r.namespace, "namespace")
}

// remaining are the children without what records the way there, which an edit on the way changes: a template that could not be kept in
// time is not kept once nobody wants it any more, what failed or was aborted is not written down once something else is asked for, and who edits a first
// deployment before it was begun still has one: its strategy protects nobody.
func (r *performance) remaining() string {
	r.t.Helper()
	var list []map[string]any
	r.Expect(json.Unmarshal([]byte(r.final(blue)), &list)).To(Succeed())
	list = slices.DeleteFunc(list, func(o map[string]any) bool { return o["kind"] == "ControllerRevision" })
	for _, o := range list {
		unstructured.RemoveNestedField(o, "metadata", "annotations")
		unstructured.RemoveNestedField(o, "spec", "strategy")
	}
	raw, err := json.MarshalIndent(list, "", " ")
	r.Expect(err).NotTo(HaveOccurred())
	return string(raw)
}

func (r *performance) alike(want string) {
	r.t.Helper()
	r.Eventually(func() string { return cmp.Diff(want, r.ending()) }).WithTimeout(10 * time.Second).Should(BeEmpty())
}
