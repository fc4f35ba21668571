// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"sort"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

// fleet is how many environments the constant counts are shown on.
const fleet = 10

func (w *world) mark() testkit.Mark {
	w.t.Helper()
	m, err := w.cluster.Audit.Mark()
	w.Expect(err).NotTo(HaveOccurred())
	return m
}

// since are the operator's requests, in a namespace or in all.
func (w *world) since(m testkit.Mark, namespace string) []testkit.Request {
	w.t.Helper()
	list, err := w.cluster.Audit.Since(m, testkit.OperatorUser, namespace)
	w.Expect(err).NotTo(HaveOccurred())
	return list
}

// quiet waits until the operator has asked for nothing in the namespace for a while: two seconds for one environment, more where
// the progress of others, which is written every five seconds, matters.
func (w *world) quiet(m testkit.Mark) []testkit.Request {
	w.t.Helper()
	return w.quietFor(m, 2*time.Second)
}

func (w *world) quietFor(m testkit.Mark, pause time.Duration) []testkit.Request {
	w.t.Helper()
	last, since := -1, time.Now()
	for time.Since(since) < pause {
		if n := len(w.since(m, w.namespace)); n != last {
			last, since = n, time.Now()
		}
		time.Sleep(step)
	}
	return w.since(m, w.namespace)
}

// children are the objects that an environment controls, without its pods' own.
func (w *world) children(name string) []client.Object {
	w.t.Helper()
	env := w.environment(name)
	var out []client.Object
	for _, list := range everyChild() {
		w.Expect(w.List(w.ctx, list, client.InNamespace(w.namespace))).To(Succeed())
		for _, o := range items(list) {
			if metav1.IsControlledBy(o, env) {
				out = append(out, o)
			}
		}
	}
	return out
}

// everyChild are empty lists of the kinds of children.
func everyChild() []client.ObjectList {
	return []client.ObjectList{
		&appsv1.DeploymentList{}, &corev1.ServiceList{}, &corev1.ServiceAccountList{}, &networkingv1.IngressList{},
		&networkingv1.NetworkPolicyList{}, &autoscalingv2.HorizontalPodAutoscalerList{}, &policyv1.PodDisruptionBudgetList{},
		&appsv1.ControllerRevisionList{},
	}
}

func items(list client.ObjectList) []client.Object {
	var out []client.Object
	switch l := list.(type) {
	case *appsv1.DeploymentList:
		for i := range l.Items {
			out = append(out, &l.Items[i])
		}
	case *corev1.ServiceList:
		for i := range l.Items {
			out = append(out, &l.Items[i])
		}
	case *corev1.ServiceAccountList:
		for i := range l.Items {
			out = append(out, &l.Items[i])
		}
	case *networkingv1.IngressList:
		for i := range l.Items {
			out = append(out, &l.Items[i])
		}
	case *networkingv1.NetworkPolicyList:
		for i := range l.Items {
			out = append(out, &l.Items[i])
		}
	case *autoscalingv2.HorizontalPodAutoscalerList:
		for i := range l.Items {
			out = append(out, &l.Items[i])
		}
	case *appsv1.ControllerRevisionList:
		for i := range l.Items {
			out = append(out, &l.Items[i])
		}
	case *policyv1.PodDisruptionBudgetList:
		for i := range l.Items {
			out = append(out, &l.Items[i])
		}
	}
	return out
}

// launch makes one environment alone and counts what it costs until it is ready and quiet. late is true when the instances
// were not ready within a second of the first write, which a slow machine can do to any environment.
func (w *world) launch(env *v1alpha1.Environment) (list []testkit.Request, children int, late bool) {
	w.t.Helper()
	m := w.mark()
	w.create(env)
	w.ready(env.Name)
	for _, r := range w.quiet(m) {
		if r.Name == env.Name || strings.HasPrefix(r.Name, env.Name+"-") || r.Event() {
			list = append(list, r)
		}
	}
	w.Expect(list).NotTo(BeEmpty())
	begun := list[0].At
	kubelet, err := w.cluster.Audit.Since(m, "kubelet", w.namespace)
	w.Expect(err).NotTo(HaveOccurred())
	manager, err := w.cluster.Audit.Since(m, "controller-manager", w.namespace)
	w.Expect(err).NotTo(HaveOccurred())
	var done time.Time
	for _, r := range append(kubelet, manager...) {
		if (r.Resource == "pods" || (r.Resource == "deployments" && r.Name == env.Name+"-a")) && r.Subresource == "status" && r.At.After(done) {
			done = r.At
		}
	}
	return list, len(w.children(env.Name)), done.Sub(begun) > 900*time.Millisecond
}

// TestCounts is the gate on what the operator asks of the API server.
func TestCounts(t *testing.T) {
	w := newWorld(t)
	o := startOperator(t, w.cluster.Operator)
	w.shop()
	var report []string
	note := func(format string, args ...any) { report = append(report, fmt.Sprintf(format, args...)) }
	defer func() {
		t.Log("requests: " + strings.Join(report, " | "))
	}()

	for _, c := range []struct {
		name  string
		seed  int
		make  func(*v1alpha1.Environment)
		delay time.Duration
		n     int
	}{
		{"fixed", 0, fixed(1), 0, fleet},
		{"hpa1-", 0, scaled(1, 4), 0, 2},
		{"hpa2-", 1, scaled(2, 4), 0, 2},
		{"slow", 0, fixed(1), 3 * time.Second, 2},
		{"slowhpa", 1, scaled(2, 4), 3 * time.Second, 1},
	} {
		w.cluster.Kubelet.Delay(w.namespace, c.delay)
		quick := 0
		for i := range c.n {
			name := fmt.Sprintf("%s%d", c.name, i)
			list, children, late := w.launch(w.web(name, c.make))
			got, want := testkit.Count(list), children+c.seed+1
			if got.Writes == want {
				quick++
			} else if !late && c.delay == 0 {
				t.Errorf("%s: %d writes for %d children, want %d:%s", name, got.Writes, children, want, testkit.Tell(list))
			}
			w.Expect(got.Writes).To(BeNumerically("<=", want+1), "%s with %d children:%s", name, children, testkit.Tell(list))
			w.Expect(got.Reads).To(BeZero(), "%s:%s", name, testkit.Tell(list))
			w.Expect(got.Conflicts).To(BeZero(), "%s:%s", name, testkit.Tell(list))
			if i == 0 {
				note("create %s: C=%d, %d writes, 0 reads, 0 conflicts, %d events", name, children, got.Writes, got.Events)
			}
			w.checkOwners(name, c.seed)
		}
		note("create %s*: %d of %d with C+%d writes", c.name, quick, c.n, 1+c.seed)
		if c.delay == 0 {
			w.Expect(quick).To(BeNumerically(">", 0), "no environment was ready within a second: the machine is too slow to tell")
		}
	}
	w.cluster.Kubelet.Delay(w.namespace, 0)

	w.quietFor(w.mark(), 6*time.Second)
	m := w.mark()
	time.Sleep(10 * time.Second)
	w.silent(m, "idle", note)
	w.drift("hpa2-0", "idle", note)

	w.versionChanges(note)
	w.quietFor(w.mark(), 6*time.Second)

	o.Stop()
	m = w.mark()
	o = startOperator(t, w.cluster.Operator)
	time.Sleep(3 * time.Second)
	w.silent(m, "restart", note)
	w.drift("hpa2-1", "restart", note)

	w.quietFor(w.mark(), 6*time.Second)
	second := launchOperator(t, w.cluster.Operator)
	time.Sleep(time.Second)
	m = w.mark()
	o.Stop()
	second.lead()
	time.Sleep(3 * time.Second)
	w.silent(m, "leader change", note)
	w.drift("hpa2-0", "leader change", note)
	w.sweep()
}

// silent asserts that nothing was written or read.
func (w *world) silent(m testkit.Mark, phase string, note func(string, ...any)) {
	w.t.Helper()
	var list []testkit.Request
	for _, r := range w.since(m, "") {
		// Who leads is told as events beside the lease.
		if r.Namespace != testkit.OperatorNamespace {
			list = append(list, r)
		}
	}
	got := testkit.Count(list)
	w.Expect(got).To(Equal(testkit.Counts{}), "%s:%s", phase, testkit.Tell(list))
	lists := 0
	for _, r := range list {
		if r.Verb == "list" {
			lists++
		}
	}
	note("%s: %d writes, %d reads, %d conflicts, %d events; %d lists that fill caches", phase, got.Writes, got.Reads, got.Conflicts, got.Events, lists)
}

// checkOwners asserts who owns the number of instances while an autoscaler does.
func (w *world) checkOwners(name string, seed int) {
	w.t.Helper()
	env := w.environment(name)
	if env.Spec.Capacity.Autoscaling != nil {
		return
	}
	owners := w.replicasOwners(name)
	w.Expect(owners).NotTo(ContainElement("beanpod"))
	if seed > 0 {
		w.Expect(owners).To(ContainElement("beanpod-seed"))
	}
}

// drift edits a field of every child by hand; each must come back by exactly one write.
func (w *world) drift(name, phase string, note func(string, ...any)) {
	w.t.Helper()
	total, slowest := 0, time.Duration(0)
	for _, child := range w.children(name) {
		if _, kept := child.(*appsv1.ControllerRevision); kept {
			// What is made once is not looked at again.
			continue
		}
		m := w.mark()
		edited := child.DeepCopyObject().(client.Object)
		intact := spoil(edited)
		begun := time.Now()
		w.Expect(w.Patch(w.ctx, edited, client.MergeFrom(child))).To(Succeed(), "%T", child)
		w.Eventually(func() bool {
			w.Expect(w.Get(w.ctx, client.ObjectKeyFromObject(child), edited)).To(Succeed())
			return intact(edited)
		}, 5*time.Second).Should(BeTrue(), "%T is corrected in phase %s", child, phase)
		took := time.Since(begun)
		time.Sleep(300 * time.Millisecond)
		var children []testkit.Request
		list := w.since(m, w.namespace)
		for _, r := range list {
			if r.Write() && r.Resource != "environments" {
				children = append(children, r)
			}
		}
		w.Expect(children).To(HaveLen(1), "%T in phase %s:%s", child, phase, testkit.Tell(list))
		w.Expect(testkit.Count(list).Conflicts+testkit.Count(list).Reads).To(BeZero(), testkit.Tell(list))
		w.Expect(testkit.Count(list).Writes).To(Equal(1), "%T in phase %s: no status is written:%s", child, phase, testkit.Tell(list))
		total, slowest = total+1, max(slowest, took)
		w.quietFor(m, time.Second)
	}
	w.Expect(total).To(BeNumerically(">=", 5))
	note("drift after %s: %d kinds, 1 write each, at most %s", phase, total, slowest.Round(time.Millisecond))
}

// spoil changes a field that is ours, and says how to see that it is back.
func spoil(o client.Object) func(client.Object) bool {
	switch c := o.(type) {
	case *appsv1.Deployment:
		// A field that does not change what is available meanwhile, which would rightly be told.
		was, other := *c.Spec.RevisionHistoryLimit, int32(77)
		c.Spec.RevisionHistoryLimit = &other
		return func(o client.Object) bool { return *o.(*appsv1.Deployment).Spec.RevisionHistoryLimit == was }
	case *corev1.Service:
		c.Spec.Selector["stranger"] = "yes"
		return func(o client.Object) bool { return o.(*corev1.Service).Spec.Selector["stranger"] == "" }
	case *corev1.ServiceAccount:
		yes := true
		c.AutomountServiceAccountToken = &yes
		return func(o client.Object) bool { return !*o.(*corev1.ServiceAccount).AutomountServiceAccountToken }
	case *networkingv1.Ingress:
		c.Spec.Rules[0].Host = "elsewhere.example.com"
		return func(o client.Object) bool {
			i := o.(*networkingv1.Ingress)
			return i.Spec.Rules[0].Host == i.Name+"."+domain
		}
	case *networkingv1.NetworkPolicy:
		n := len(c.Spec.Ingress)
		c.Spec.Ingress = append(c.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{})
		return func(o client.Object) bool { return len(o.(*networkingv1.NetworkPolicy).Spec.Ingress) == n }
	case *autoscalingv2.HorizontalPodAutoscaler:
		was := c.Spec.MaxReplicas
		c.Spec.MaxReplicas = 9
		return func(o client.Object) bool { return o.(*autoscalingv2.HorizontalPodAutoscaler).Spec.MaxReplicas == was }
	default:
		delete(o.GetLabels(), v1alpha1.LabelEnvironment)
		labels := o.GetLabels()
		delete(labels, v1alpha1.LabelEnvironment)
		o.SetLabels(labels)
		return func(o client.Object) bool { return o.GetLabels()[v1alpha1.LabelEnvironment] != "" }
	}
}

// versionChanges deploys another version to the whole fleet, one after another.
func (w *world) versionChanges(note func(string, ...any)) {
	w.t.Helper()
	var counts []int
	events, others := 0, 0
	for i := range fleet {
		name := fmt.Sprintf("fixed%d", i)
		m := w.mark()
		w.change(name, func(e *v1alpha1.Environment) { e.Spec.VersionRef.Name = "v2" })
		w.Eventually(func() string {
			if d := w.environment(name).Status.DeployedVersion; d != nil {
				return d.Name
			}
			return ""
		}).Should(Equal("v2"))
		w.ready(name)
		all := w.quiet(m)
		var list []testkit.Request
		for _, r := range all {
			if r.Resource == "applications" || r.Resource == "applicationversions" {
				others++ // who uses which version, told by the controllers of those kinds
				continue
			}
			list = append(list, r)
		}
		got := testkit.Count(list)
		w.Expect(testkit.Count(all).Reads+testkit.Count(all).Conflicts).To(BeZero(), testkit.Tell(all))
		w.Expect(got.Writes).To(BeNumerically("<=", 4), "%s: the template, its copy, and the status twice:%s", name, testkit.Tell(list))
		w.Expect(got.Reads+got.Conflicts).To(BeZero(), "%s:%s", name, testkit.Tell(list))
		counts, events = append(counts, got.Writes), events+got.Events
	}
	sort.Ints(counts)
	note("version change x%d: %v writes, 0 reads, 0 conflicts, %d events; %d writes to the application and its versions", fleet, counts, events, others)
}
