// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

const (
	// mostWrites is how many writes a transition may cost the operator, with its status and that of the application and version.
	mostWrites = 40
	// pause is how long a settled environment must be left alone.
	pause = 600 * time.Millisecond
	// leave is how long an environment may take to settle.
	leave = 60 * time.Second
)

// lane is one namespace with an environment of each kind.
type lane struct {
	x *explorer
	*world
	live client.Client
	made int
	// names of the environments, by kind.
	names map[string]string

	mu sync.Mutex
	// up are the instances that serve, and low is the fewest since it was last reset.
	up  map[string]map[string]bool
	low map[string]int
}

// lane makes a namespace with everything that a good spec may refer to.
func (x *explorer) lane(i int) *lane {
	t := x.t
	w := newWorld(t)
	l := &lane{x: x, world: w, live: fixture.admin, names: map[string]string{}, up: map[string]map[string]bool{}, low: map[string]int{}}
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "pods"}}
	quota.Spec.Hard = corev1.ResourceList{corev1.ResourcePods: resource.MustParse("8")}
	w.create(quota)
	for _, name := range []string{"one", "two"} {
		data := map[string]string{"one": "1", "two": "2"}
		claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name}}
		claim.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany}
		claim.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}
		w.create(w.secret(name, data), w.config(name, data), claim,
			&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name}})
		if i == 0 {
			platform := &v1alpha1.Platform{ObjectMeta: metav1.ObjectMeta{Name: "transitions-" + name}}
			for _, b := range []string{"1.0", "2.0"} {
				platform.Spec.Branches = append(platform.Spec.Branches, v1alpha1.PlatformBranch{
					Name: b, State: v1alpha1.PlatformSupported, Versions: []v1alpha1.PlatformVersion{{Version: b + ".0", RunImage: "run:1"}},
				})
			}
			w.create(platform)
			t.Cleanup(func() { _ = l.live.Delete(context.Background(), platform) })
		}
	}
	w.cluster.Kubelet.Break(w.namespace, ":sick")
	w.shop()
	other := w.version("other")
	other.Spec.ApplicationRef.Name = "other"
	nowhere := w.version("nowhere")
	nowhere.Spec.Source.Image.Reference = "shop:" + testkit.Absent
	crashing := w.version("crashing")
	crashing.Spec.Source.Image.Reference = "shop:" + testkit.Crashing
	w.create(testkit.MakeApplication(w.namespace, func(a *v1alpha1.Application) { a.Name = "other" }), other, nowhere, crashing, w.version("v3"), w.version("sick"))
	w.create(w.secret("database", map[string]string{"username": "shop", "password": "secret"}))
	for _, name := range []string{"one", "two"} {
		c := &v1alpha1.DatabaseClaim{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name}}
		c.Spec.Engine.Name = "postgres"
		c.Spec.External = &v1alpha1.ExternalDatabase{Host: "db.example", Port: 5432, CredentialsRef: v1alpha1.LocalReference{Name: "database"}}
		w.create(c)
	}
	for _, name := range []string{"one", "two"} { // for links; they are paused, so that nothing runs for them
		w.create(testkit.MakeEnvironment(w.namespace, name, "v1", func(e *v1alpha1.Environment) {
			e.Spec.Tier, e.Spec.Paused = v1alpha1.TierWebServer, true
		}))
	}
	l.watch()
	return l
}

// watch replaces the reading half of the client by a cache of the namespace, and follows the instances that serve.
func (l *lane) watch() {
	ctx, cancel := context.WithCancel(context.Background())
	l.t.Cleanup(cancel)
	held, err := cache.New(l.cluster.Config, cache.Options{
		Scheme: l.live.Scheme(), DefaultNamespaces: map[string]cache.Config{l.namespace: {}},
	})
	l.Expect(err).NotTo(HaveOccurred())
	pods, err := held.GetInformer(ctx, &corev1.Pod{})
	l.Expect(err).NotTo(HaveOccurred())
	see := func(o any) {
		if pod, ok := o.(*corev1.Pod); ok {
			l.see(pod, serves(pod))
		}
	}
	_, err = pods.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc: see, UpdateFunc: func(_, o any) { see(o) },
		DeleteFunc: func(o any) {
			if pod, ok := o.(*corev1.Pod); ok {
				l.see(pod, false)
			}
		},
	})
	l.Expect(err).NotTo(HaveOccurred())
	go func() { _ = held.Start(ctx) }()
	l.Expect(held.WaitForCacheSync(ctx)).To(BeTrue())
	reading, err := client.New(l.cluster.Config, client.Options{Scheme: l.live.Scheme(), Cache: &client.CacheOptions{Reader: held}})
	l.Expect(err).NotTo(HaveOccurred())
	l.Client = reading
}

func serves(pod *corev1.Pod) bool {
	if pod.DeletionTimestamp != nil {
		return false
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func (l *lane) see(pod *corev1.Pod, up bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	name := pod.Labels[v1alpha1.LabelEnvironment]
	if l.up[name] == nil {
		l.up[name] = map[string]bool{}
	}
	if up {
		l.up[name][string(pod.UID)] = true
	} else {
		delete(l.up[name], string(pod.UID))
	}
	l.low[name] = min(l.low[name], len(l.up[name]))
}

// serving are the UIDs of the instances that serve, and the fewest there were since the last call.
func (l *lane) serving(name string) (uids []string, low int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for uid := range l.up[name] {
		uids = append(uids, uid)
	}
	low = l.low[name]
	l.low[name] = len(uids)
	slices.Sort(uids)
	return uids, low
}

// good is a state that can be returned to.
type good struct {
	spec     map[string]any
	children string
	// templates are those of the pods.
	templates string
	uids      []string
	// rollout is the number of the last deployment.
	rollout int64
}

// do does one job, and when it fails and is about several fields, finds out about which.
func (l *lane) do(t *testing.T, j job) {
	if t.Run(j.name, func(t *testing.T) { l.run(t, j) }) {
		return
	}
	for _, half := range l.x.halves(j) {
		l.do(t, half)
	}
}

// run does one job on the lane's environment.
func (l *lane) run(t *testing.T, j job) {
	t.Helper()
	w := *l.world
	w.t, w.Gomega = t, NewWithT(t)
	w.SetDefaultEventuallyTimeout(leave)
	w.SetDefaultEventuallyPollingInterval(step)
	r := &runner{lane: l, world: &w, t: t, job: j}
	defer func() {
		if t.Failed() {
			// What comes next gets a fresh environment, and room for it.
			_ = l.live.Delete(l.ctx, r.object())
			delete(l.names, j.kind)
		}
	}()
	r.start()
	for _, op := range j.operations {
		r.operate(op)
	}
	if !reflect.DeepEqual(r.last.spec, l.x.base(j.kind)) {
		r.back("end", l.x.base(j.kind), nil)
	}
}

// runner is one job under way.
type runner struct {
	lane *lane
	*world
	t    *testing.T
	job  job
	name string
	last good
	base good
}

func (r *runner) idle() outcome {
	if r.job.kind == worker {
		return stalls("InputsResolved", "TierNotSupported")
	}
	return outcome{}
}

// start makes sure that the environment of the kind runs with its base spec.
func (r *runner) start() {
	l := r.lane
	base := l.x.base(r.job.kind)
	r.name = l.names[r.job.kind]
	if r.name == "" {
		l.made++
		r.name = fmt.Sprintf("%s-%s-%d", r.job.kind, l.namespace[len(l.namespace)-5:], l.made)
		env := r.object()
		env.Object["spec"] = jsonCopy(base)
		r.Expect(r.Create(r.ctx, env)).To(Succeed())
		l.names[r.job.kind] = r.name
	}
	r.reaches("start", r.idle(), 1)
	if r.job.kind != worker {
		r.Eventually(func() int { uids, _ := l.serving(r.name); return len(uids) }).Should(Equal(instances(base)))
	}
	r.base = r.state(base)
	r.last = r.base
}

func (r *runner) object() *unstructured.Unstructured {
	env := &unstructured.Unstructured{}
	env.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("Environment"))
	env.SetNamespace(r.namespace)
	env.SetName(r.name)
	return env
}

func (r *runner) state(spec map[string]any) good {
	uids, _ := r.lane.serving(r.name)
	out := good{spec: spec, children: r.intent(), templates: r.templates(), uids: uids}
	if d := r.environment(r.name).Status.Deployment; d != nil {
		out.rollout = d.ID
	}
	return out
}

// send writes a spec as a user would who knows the field that the Go type may not.
func (r *runner) send(spec map[string]any) (*unstructured.Unstructured, error) {
	patch, err := json.Marshal([]map[string]any{{"op": "replace", "path": "/spec", "value": spec}})
	if err != nil {
		return nil, err
	}
	env := r.object()
	return env, r.lane.live.Patch(r.ctx, env, client.RawPatch(types.JSONPatchType, patch))
}

func (r *runner) count(add func(*counts)) {
	r.lane.x.mu.Lock()
	defer r.lane.x.mu.Unlock()
	add(&r.lane.x.counts)
}

// operate applies one operation, checks what comes of it, and goes back when that is an error.
func (r *runner) operate(op operation) {
	r.t.Helper()
	what := r.job.name + " " + op.name
	if op.parts != nil {
		what += " (" + list(op.parts) + ")"
	}
	if reflect.DeepEqual(op.spec, r.last.spec) {
		return
	}
	writes, _ := r.lane.x.tally.Writes(r.namespace)
	_, _ = r.lane.serving(r.name)
	sent, err := r.send(op.spec)
	if err != nil {
		// What may not be changed.
		r.Expect(apierrors.IsInvalid(err) || apierrors.IsBadRequest(err)).To(BeTrue(), "%s: %v", what, err)
		r.Expect(op.parts).To(BeNil(), "%s: %v", what, err)
		r.count(func(c *counts) { c.refused++ })
		return
	}
	r.Expect(skipped).NotTo(HaveKey(r.job.name), "%s is admitted", what)
	r.holds(what, sent.Object, op.parts)
	r.visit(op)
	generation := sent.GetGeneration()
	if problem, known := knownProblems[what]; known {
		r.Consistently(func() string { return r.lacks(op.want, generation) }, 2*time.Second).ShouldNot(BeEmpty(),
			"%s is as it should be: take it out of knownProblems (%s)", what, problem)
		r.back(what, r.last.spec, &r.last)
		return
	}
	r.reaches(what, op.want, generation)
	r.quiet(what, writes)
	uids, low := r.lane.serving(r.name)
	if r.job.kind != worker {
		r.Expect(low).To(BeNumerically(">=", promised(r.last.spec, op.spec)), "%s: what runs keeps running", what)
	}
	if !restarts(r.last.spec, op.spec) && !op.want.hold {
		kept := min(len(uids), len(r.last.uids))
		r.Expect(common(uids, r.last.uids)).To(Equal(kept), "%s: no instance is restarted", what)
	}
	if op.want.good() || r.job.kind == worker {
		r.honest(what, op.spec)
		now := r.state(op.spec)
		if common(now.uids, r.last.uids) < min(len(now.uids), len(r.last.uids)) {
			r.Expect(now.rollout).To(BeNumerically(">", r.last.rollout), "%s: instances are restarted, and no deployment tells of it", what)
		}
		r.last = now
		if reflect.DeepEqual(op.spec, r.base.spec) {
			r.Expect(r.last.children).To(Equal(r.base.children), "%s brings back what there was", what)
			r.count(func(c *counts) { c.recoveries++ })
		}
		return
	}
	r.count(func(c *counts) { c.errors++ })
	if op.want.hold {
		return // the next step goes on from here
	}
	if op.want.reason == rolledBack {
		r.returned(what)
	}
	r.back(what, r.last.spec, &r.last)
}

// visit writes down that the API server took an operation.
func (r *runner) visit(op operation) {
	x := r.lane.x
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, p := range op.parts {
		x.visited[p.path] = true
	}
	if op.parts == nil {
		x.visited[r.job.name] = true
	}
	x.counts.operations += max(1, len(op.parts))
}

// returned asserts what a rollback promises: all of what ran before runs, and nothing of what failed.
func (r *runner) returned(what string) {
	r.t.Helper()
	r.Eventually(func() int { uids, _ := r.peek(); return len(uids) }).Should(Equal(instances(r.last.spec)), what)
	r.Expect(r.templates()).To(Equal(r.last.templates), "%s: what ran before is back", what)
	env := r.environment(r.name)
	r.Expect(env.Status.DeployedVersion.Name).To(Equal(versionOf(r.last.spec)), what)
	r.Expect(env.Status.Deployment.State).To(Equal(v1alpha1.DeploymentFailed), what)
	r.Expect(env.Status.Deployment.LogsRef).NotTo(BeNil(), "%s: evidence is kept", what)
}

func versionOf(spec map[string]any) string {
	name, _, _ := unstructured.NestedString(spec, "versionRef", "name")
	return name
}

// templates are the pod templates of the slots.
func (r *runner) templates() string {
	var out []any
	for _, child := range r.children(r.name) {
		if d, ok := child.(*appsv1.Deployment); ok {
			out = append(out, d.Spec.Template)
		}
	}
	raw, err := json.Marshal(out)
	r.Expect(err).NotTo(HaveOccurred())
	return string(raw)
}

// promised is how many instances serve at any time while one spec follows another.
func promised(from, to map[string]any) int {
	n := min(instances(from), instances(to))
	policy, _, _ := unstructured.NestedString(to, "deployment", "version", "policy")
	switch {
	case policy == "AllAtOnce":
		return 0
	case policy == "Rolling" && n > 1:
		return n - 1 // 30%
	default:
		return n
	}
}

// back applies a good spec again and wants all of it back.
func (r *runner) back(what string, spec map[string]any, want *good) {
	r.t.Helper()
	what += ", and back"
	writes, _ := r.lane.x.tally.Writes(r.namespace)
	sent, err := r.send(spec)
	r.Expect(err).NotTo(HaveOccurred(), what)
	r.reaches(what, r.idle(), sent.GetGeneration())
	r.quiet(what, writes)
	r.honest(what, spec)
	_, low := r.lane.serving(r.name)
	if want != nil && r.job.kind != worker {
		r.Expect(low).To(BeNumerically(">=", promised(spec, spec)), "%s: what runs keeps running", what)
		r.Eventually(r.intent).Should(Equal(want.children), what)
	}
	r.last = r.state(spec)
	r.count(func(c *counts) { c.recoveries++ })
}

// reaches waits for an outcome of a generation.
func (r *runner) reaches(what string, want outcome, generation int64) {
	r.t.Helper()
	r.Eventually(func() string { return r.lacks(want, generation) }).Should(BeEmpty(), what)
}

// lacks says how the environment differs from an outcome; empty: not at all.
func (r *runner) lacks(want outcome, generation int64) string {
	env := &v1alpha1.Environment{}
	if err := r.Get(r.ctx, r.key(r.name), env); err != nil {
		return err.Error()
	}
	ready, stalled := shows(env, v1alpha1.ConditionReady), condition.Find(env.Status.Conditions, v1alpha1.ConditionStalled)
	all := "Ready " + ready
	switch {
	case env.Generation < generation || env.Status.ObservedGeneration != env.Generation:
		return "not observed"
	case want.good() && (!strings.HasPrefix(ready, "True Ready") || stalled != nil):
		return all + causes(env)
	case want.good():
		return r.unlike(env)
	case strings.HasPrefix(ready, "True"):
		return "Ready is True although the spec is not met"
	case want.hold:
		if got := shows(env, want.condition); !strings.HasPrefix(got, "False "+want.reason) || stalled != nil {
			return all + "; " + want.condition + " " + got
		}
		return without(ready, want.parts)
	case want.condition != "":
		got := shows(env, want.condition)
		if !strings.HasPrefix(got, "False "+want.reason) || !strings.HasPrefix(ready, "False "+want.reason) || (want.reason != "Paused" && stalled == nil) {
			return all + "; " + want.condition + " " + got + causes(env)
		}
		if want.cause == "" {
			return without(ready, want.parts)
		}
	}
	for _, c := range env.Status.Health.Causes {
		if c.Code == want.cause {
			return without(c.Message, want.parts)
		}
	}
	return all + causes(env)
}

func causes(env *v1alpha1.Environment) string {
	out := ""
	if env.Status.Health != nil {
		for _, c := range env.Status.Health.Causes {
			out += "; " + c.Code + ": " + c.Message
		}
	}
	return out
}

func without(message string, parts []string) string {
	for _, p := range parts {
		if !strings.Contains(message, condition.Cut(p)) {
			return fmt.Sprintf("%q does not name %q", message, p)
		}
	}
	return ""
}

// unlike says what a Ready environment does not have although its spec asks for it.
func (r *runner) unlike(env *v1alpha1.Environment) string {
	least, most := sizes(env)
	if uids, _ := r.peek(); len(uids) < int(least) || len(uids) > int(most) {
		return fmt.Sprintf("Ready, but %d of %d to %d instances serve", len(uids), least, most)
	}
	if d := env.Status.DeployedVersion; env.Spec.VersionRef != nil && (d == nil || d.Name != env.Spec.VersionRef.Name) {
		return fmt.Sprintf("Ready, but %v is deployed instead of %s", d, env.Spec.VersionRef.Name)
	}
	return ""
}

func (r *runner) peek() (uids []string, low int) {
	r.lane.mu.Lock()
	defer r.lane.mu.Unlock()
	for uid := range r.lane.up[r.name] {
		uids = append(uids, uid)
	}
	return uids, r.lane.low[r.name]
}

// honest asserts what must hold in a good state, once it is quiet.
func (r *runner) honest(what string, spec map[string]any) {
	r.t.Helper()
	env := &v1alpha1.Environment{}
	r.Expect(r.Get(r.ctx, r.key(r.name), env)).To(Succeed())
	if r.job.kind == worker {
		r.Expect(r.children(r.name)).To(BeEmpty(), what)
		return
	}
	r.Expect(r.lacks(outcome{}, 0)).To(BeEmpty(), what)
	r.Expect(condition.Find(env.Status.Conditions, v1alpha1.ConditionReconciling)).To(BeNil(), what)
	slots, revisions, used := 0, 0, map[string]bool{}
	for _, child := range r.children(r.name) {
		switch c := child.(type) {
		case *appsv1.Deployment:
			slots++
			r.Expect(c.Status.UpdatedReplicas).To(Equal(c.Status.Replicas), "%s: all instances are new", what)
			used[c.Annotations[v1alpha1.AnnotationTemplate]], used[c.Annotations[v1alpha1.AnnotationGoodRevision]] = true, true
			for name := range c.Annotations {
				r.Expect(name).NotTo(HavePrefix("beanpod.dev/failed-"), "%s: nothing has failed", what)
			}
		case *appsv1.ControllerRevision:
			revisions++
		}
	}
	r.Expect(slots).To(Equal(1), "%s: one set of instances is left", what)
	r.Expect(revisions).To(BeNumerically("<=", len(used)+2), "%s: old templates are let go", what)
}

// quiet waits until the operator has nothing to write any more, and bounds what it wrote.
func (r *runner) quiet(what string, before int) {
	r.t.Helper()
	deadline := time.Now().Add(leave)
	for {
		n, last := r.lane.x.tally.Writes(r.namespace)
		if time.Since(last) > pause {
			r.count(func(c *counts) { c.writes += n - before })
			r.Expect(n-before).To(BeNumerically("<=", mostWrites), "%s: writes", what)
			return
		}
		r.Expect(time.Now().Before(deadline)).To(BeTrue(), "%s: the operator never stops to write: %d writes", what, n-before)
		time.Sleep(step)
	}
}

// restarting are the fields that may restart instances.
var restarting = [][]string{
	{"versionRef"}, {"processes"}, {"environmentProperties"}, {"capacity", "resources"}, {"capacity", "placement"}, {"isolation", "group"}, {"podTemplate"}, {"links"}, {"databases"},
}

func restarts(a, b map[string]any) bool {
	for _, path := range restarting {
		x, _, _ := unstructured.NestedFieldNoCopy(a, path...)
		y, _, _ := unstructured.NestedFieldNoCopy(b, path...)
		if !reflect.DeepEqual(x, y) {
			return true
		}
	}
	return false
}

func common(a, b []string) int {
	n := 0
	for _, s := range a {
		if slices.Contains(b, s) {
			n++
		}
	}
	return n
}

// instances is how many a spec asks for at least, as the documentation has it.
func instances(spec map[string]any) int {
	raw, err := json.Marshal(map[string]any{"spec": spec})
	if err != nil {
		return 0
	}
	env := &v1alpha1.Environment{}
	if err := json.Unmarshal(raw, env); err != nil {
		return 0
	}
	return int(instancesOf(env))
}

// instancesOf is the least of sizes.
func instancesOf(env *v1alpha1.Environment) int32 {
	least, _ := sizes(env)
	return least
}

// sizes are the least and the most instances that may run. Without an autoscaler there are exactly as many; none scales from zero.
func sizes(env *v1alpha1.Environment) (least, most int32) {
	c := env.Spec.Capacity
	if c == nil || c.Type == v1alpha1.SingleInstance {
		return 1, 1
	}
	low, high := scheduled(c.Autoscaling)
	if c.Desired != nil {
		n := min(max(*c.Desired, ptr.Deref(low, 0)), ptr.Deref(high, math.MaxInt32))
		return n, n
	}
	least = ptr.Deref(low, ptr.Deref(c.Min, 1))
	if least == 0 {
		return 0, 0
	}
	return least, max(least, ptr.Deref(high, ptr.Deref(c.Max, least)))
}

// scheduled is what schedules say, all of which have come: the last one of those that set a number counts.
func scheduled(a *v1alpha1.Autoscaling) (low, high *int32) {
	if a == nil {
		return nil, nil
	}
	for _, s := range a.Schedules {
		if s.Suspend {
			continue
		}
		low, high = cmp.Or(s.Min, low), cmp.Or(s.Max, high)
	}
	return low, high
}

// bookkeeping are the annotations in which two environments may differ that run the same: they tell of the way there.
var bookkeeping = []string{
	v1alpha1.AnnotationRolloutType, v1alpha1.AnnotationBatch, v1alpha1.AnnotationPolicy, v1alpha1.AnnotationGoodRevision,
	v1alpha1.AnnotationInstances, v1alpha1.AnnotationStageStarted, v1alpha1.AnnotationTrafficSince,
}

// intent are the children as text, without what differs from one rollout to the next. Of the kept pod templates, those that a slot
// runs count.
func (r *runner) intent() string {
	var list []map[string]any
	r.Expect(json.Unmarshal([]byte(r.final(r.name)), &list)).To(Succeed())
	used := map[string]bool{}
	for _, child := range list {
		if template, ok, _ := unstructured.NestedString(child, "metadata", "annotations", v1alpha1.AnnotationTemplate); ok {
			used[naming.Revision(r.name, template)] = true
		}
	}
	list = slices.DeleteFunc(list, func(child map[string]any) bool {
		name, _, _ := unstructured.NestedString(child, "metadata", "name")
		return child["kind"] == "ControllerRevision" && !used[name]
	})
	for _, child := range list {
		for _, drop := range bookkeeping {
			unstructured.RemoveNestedField(child, "metadata", "annotations", drop)
		}
		unstructured.RemoveNestedField(child, "spec", "strategy")
		if scaler, _, _ := unstructured.NestedString(child, "metadata", "annotations", v1alpha1.AnnotationScaler); scaler == "HPA" {
			unstructured.RemoveNestedField(child, "spec", "replicas") // the scaler's
		}
	}
	out, err := json.MarshalIndent(list, "", " ")
	r.Expect(err).NotTo(HaveOccurred())
	return string(out)
}

// jsonCopy is a deep copy of JSON.
func jsonCopy(m map[string]any) map[string]any {
	raw, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	out := map[string]any{}
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON([]byte(`{"apiVersion":"v1","kind":"X","spec":` + string(raw) + `}`)); err != nil {
		panic(err)
	}
	if spec, ok := u.Object["spec"].(map[string]any); ok {
		out = spec
	}
	return out
}

// panicsSeen is how often a reconciler panicked.
func panicsSeen(t *testing.T) float64 {
	families, err := metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	total := 0.0
	for _, f := range families {
		if f.GetName() != "controller_runtime_reconcile_panics_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			total += m.GetCounter().GetValue()
		}
	}
	return total
}
