// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"encoding/json"
	"fmt"
	"regexp"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

// TestCrash kills the operator at every write of a creation and of a version change, before and after the write reaches the
// server. A new operator must bring the environment to the same end, and then be silent.
func TestCrash(t *testing.T) {
	w := newWorld(t)
	first := startOperator(t, w.cluster.Operator)
	w.shop()
	w.create(w.web("same", scaled(2, 4)))
	w.ready("same")
	created := w.final("same")
	w.change("same", func(e *v1alpha1.Environment) { e.Spec.VersionRef.Name = "v2" })
	w.deployed("same", "v2")
	changed := w.final("same")
	writes := len(w.children("same")) + 2 // the children, the seed, the status
	first.Stop()

	survived := 0
	for _, after := range []bool{false, true} {
		for k := 1; k <= writes; k++ {
			w.crash(k, after, func() { w.remake("same") }, "v1", created)
			survived++
		}
		for k := 1; k <= 2; k++ {
			w.crash(k, after, func() {
				w.change("same", func(e *v1alpha1.Environment) { e.Spec.VersionRef.Name = "v2" })
			}, "v2", changed)
			survived++
			if k == 1 {
				w.settle("v1")
			}
		}
	}
	t.Logf("crashes survived: %d, each with the same children and 0 writes afterwards", survived)
	w.sweep()
}

// crash runs one operator into its k-th write after act, and a second one to the end.
func (w *world) crash(k int, after bool, act func(), version, want string) {
	w.t.Helper()
	what := fmt.Sprintf("write %d, after it is sent: %t, towards %s", k, after, version)
	died := make(chan struct{})
	x := &testkit.Crash{At: k, After: after, Died: func() { close(died) }}
	victim := startOperator(w.t, x.Wrap(w.cluster.Operator))
	act()
	select {
	case <-died:
	case <-time.After(patience):
		w.t.Fatalf("%s: there was no such write", what)
	}
	victim.Stop()
	w.forgetLeader()
	heir := startOperator(w.t, w.cluster.Operator)
	w.deployed("same", version)
	w.Eventually(func() string { return w.final("same") }).Should(Equal(want), what)
	w.Eventually(func() bool {
		h := w.environment("same").Status.Health
		return h != nil && h.Status == v1alpha1.HealthOk && h.Instances.Ok == 2
	}).Should(BeTrue(), what)
	m := w.mark()
	time.Sleep(300 * time.Millisecond)
	list := w.since(m, w.namespace)
	for _, r := range list {
		w.Expect(r.Write() && r.Resource != "applications").To(BeFalse(), "%s, afterwards:%s", what, testkit.Tell(list))
	}
	heir.Stop()
}

// remake deletes the environment with all its children and creates it again.
func (w *world) remake(name string) {
	w.t.Helper()
	was := w.deployment(name)
	w.Expect(w.Delete(w.ctx, w.environment(name))).To(Succeed())
	w.gone(name, was)
	w.create(w.web(name, scaled(2, 4)))
}

// settle brings the environment back to a version, without a crash.
func (w *world) settle(version string) {
	w.t.Helper()
	o := startOperator(w.t, w.cluster.Operator)
	w.change("same", func(e *v1alpha1.Environment) { e.Spec.VersionRef.Name = version })
	w.deployed("same", version)
	o.Stop()
}

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
