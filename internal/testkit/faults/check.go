// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	psaapi "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/apply"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/testkit/simapi"
)

// canary is the value of a Secret that the Environment uses. It must be nowhere but in that Secret.
const canary = "canary-0b5e55ed"

// checker goes through all committed writes of a run. The names of the invariants are those of the design.
type checker struct {
	run      *run
	pods     map[types.NamespacedName]*corev1.Pod
	scalers  map[types.NamespacedName]*autoscalingv2.HorizontalPodAutoscaler
	services map[types.NamespacedName]*corev1.Service
	env      *v1alpha1.Environment
	versions map[types.UID]bool
	// doomed is true once the namespace is being deleted.
	doomed bool
	// served is true once the Service had a ready instance.
	served bool
	// jobs counts the Jobs of each deployment, made the pods that ever were.
	jobs map[string]int
	made int
	// failed is what failed last, and what the user wanted then.
	failed memory
	told   map[string]bool
}

// memory is a change that failed in a deployment, and what the user asked for then.
type memory struct {
	change, id string
	generation int64
	asked      string
}

// check looks at the whole trace.
func (r *run) check(b *base) *checker {
	c := &checker{
		run: r, pods: map[types.NamespacedName]*corev1.Pod{}, scalers: map[types.NamespacedName]*autoscalingv2.HorizontalPodAutoscaler{},
		services: map[types.NamespacedName]*corev1.Service{}, jobs: map[string]int{}, versions: map[types.UID]bool{}, told: map[string]bool{},
	}
	for _, obj := range b.objects {
		c.put(nil, obj)
	}
	for _, change := range r.Store.Trace() {
		c.put(change.Old, change.New)
		if change.Write.Process == actor {
			c.judge(change)
		}
		c.capacity(change)
	}
	c.events()
	return c
}

func (c *checker) problem(change simapi.Change, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !c.told[text] {
		c.told[text] = true
		c.run.problem("%s, at %s: %s", text, change.At.Sub(simapi.Begin), change.Write)
	}
}

// put follows what exists.
func (c *checker) put(old, next client.Object) {
	obj := next
	if obj == nil {
		obj = old
	}
	key := client.ObjectKeyFromObject(obj)
	switch o := obj.(type) {
	case *corev1.Pod:
		c.pods[key] = o
		if next == nil {
			delete(c.pods, key)
		}
		if old == nil {
			c.made++
		}
	case *corev1.Service:
		c.services[key] = o
		if next == nil {
			delete(c.services, key)
		}
	case *autoscalingv2.HorizontalPodAutoscaler:
		c.scalers[key] = o
		if next == nil {
			delete(c.scalers, key)
		}
	case *batchv1.Job:
		if id := o.Annotations[v1alpha1.AnnotationRolloutID]; old == nil && id != "" {
			c.jobs[id]++
		}
		if old == nil && o.Labels[v1alpha1.LabelBuild] != "" {
			c.jobs[o.Name]++
		}
	case *corev1.Namespace:
		c.doomed = c.doomed || o.DeletionTimestamp != nil
	case *v1alpha1.Environment:
		c.env = o
		if next == nil {
			c.env = nil
		}
	case *v1alpha1.ApplicationVersion:
		c.versions[o.UID] = next != nil
	}
}

// judge looks at one write of the operator.
func (c *checker) judge(change simapi.Change) {
	w, old, next := change.Write, change.Old, change.New
	if w.Verb == simapi.Delete && w.UID == "" {
		c.problem(change, "S2: a deletion does not say which object it means")
	}
	if w.Namespace != namespace {
		c.problem(change, "S9: a write outside the namespace")
	}
	if kind := w.Kind.Kind; kind == "DatabaseClaim" || kind == "Secret" {
		c.problem(change, "D3: an environment's controller touches a database")
	}
	if next == nil {
		return
	}
	c.owners(change)
	if raw, err := json.Marshal(next); err != nil || bytes.Contains(raw, []byte(canary)) {
		c.problem(change, "S7: the value of a Secret is in the object (%v)", err)
	}
	switch o := next.(type) {
	case *appsv1.Deployment:
		was, _ := old.(*appsv1.Deployment)
		c.deployment(change, was, o)
	case *batchv1.Job:
		c.security(change, &o.Spec.Template)
		if n := c.jobs[o.Annotations[v1alpha1.AnnotationRolloutID]]; n > 1 {
			c.problem(change, "O3: there were %d release commands of deployment %s", n, o.Annotations[v1alpha1.AnnotationRolloutID])
		}
		if n := c.jobs[o.Name]; n > 1 {
			c.problem(change, "O3: there were %d builds of one attempt, %s", n, o.Name)
		}
	case *v1alpha1.Environment:
		if was, ok := old.(*v1alpha1.Environment); ok {
			c.status(change, was, o)
		}
	}
}

// owners checks that owner references mean the Environment that lives here, or a version.
func (c *checker) owners(change simapi.Change) {
	for _, o := range change.New.GetOwnerReferences() {
		if c.versions[o.UID] {
			continue
		}
		if c.env == nil || (o.UID != c.env.UID && !c.run.scenario.Remade) {
			c.problem(change, "S6: the owner %s %s does not exist in the namespace", o.Kind, o.UID)
		}
	}
}

func (c *checker) deployment(change simapi.Change, was, is *appsv1.Deployment) {
	if was == nil || !equality.Semantic.DeepEqual(was.Spec.Template, is.Spec.Template) {
		c.security(change, &is.Spec.Template)
	}
	if was != nil && was.UID == is.UID && !equality.Semantic.DeepEqual(was.Spec.Selector, is.Spec.Selector) {
		c.problem(change, "S12: the selector changes")
	}
	spec, _ := change.Write.Applied["spec"].(map[string]any)
	if _, sets := spec["replicas"]; sets && change.Write.Manager == apply.FieldManager {
		for _, hpa := range c.scalers {
			if hpa.Spec.ScaleTargetRef.Name == is.Name && hpa.DeletionTimestamp == nil && c.scaled() {
				c.problem(change, "S8: the number of instances is set although an autoscaler owns it")
			}
		}
	}
	c.retried(change, is)
}

// scaled says whether the user wants an autoscaler: not with the engine None, nor while a schedule says one number. One that is on its
// way out owns nothing any more.
func (c *checker) scaled() bool {
	if c.env == nil || c.env.Spec.Capacity == nil {
		return false
	}
	auto := c.env.Spec.Capacity.Autoscaling
	if auto == nil {
		return true
	}
	for _, s := range auto.Schedules {
		came, err := time.Parse(time.RFC3339, s.StartTime)
		if err == nil && !came.After(c.run.Store.Now()) && *s.Min == *s.Max {
			return false
		}
	}
	return auto.Engine != v1alpha1.ScalingNone
}

// retried checks that what failed is not tried again before the user asks for something else.
func (c *checker) retried(change simapi.Change, d *appsv1.Deployment) {
	a := d.Annotations
	if c.env == nil {
		return
	}
	asked := c.env.Annotations[v1alpha1.AnnotationRestartRequested] + c.env.Annotations[v1alpha1.AnnotationRebuildRequested]
	if failed := a[v1alpha1.AnnotationFailedChange]; failed != "" {
		if failed != c.failed.change || c.env.Generation != c.failed.generation || asked != c.failed.asked {
			c.failed = memory{failed, a[v1alpha1.AnnotationRolloutID], c.env.Generation, asked}
		}
		return
	}
	f := c.failed
	if a[v1alpha1.AnnotationChange] == f.change && a[v1alpha1.AnnotationRolloutID] != f.id && c.env.Generation == f.generation && asked == f.asked {
		c.problem(change, "O7: deployment %s tries again what failed in deployment %s", a[v1alpha1.AnnotationRolloutID], f.id)
	}
}

func (c *checker) status(change simapi.Change, was, is *v1alpha1.Environment) {
	c.databases(change, was, is)
	st := is.Status
	if st.ObservedGeneration > is.Generation {
		c.problem(change, "O6: the status is of generation %d, the spec is of %d", st.ObservedGeneration, is.Generation)
	}
	if condition.IsTrue(st.Conditions, v1alpha1.ConditionReady) {
		c.honest(change, is)
	}
	if d := st.Deployment; d != nil && d.Updated > 0 && d.Type != v1alpha1.DeploymentRestart && reasonOf(is, v1alpha1.ConditionVersionDeployed) == v1alpha1.ReasonRolledBack {
		c.problem(change, "O6: deployment %d was taken back, and the status counts %d new instances", d.ID, d.Updated)
	}
	before, after := was.Status.DeployedVersion, st.DeployedVersion
	if before == nil || after == nil || before.Name <= after.Name {
		return
	}
	asked := is.Spec.VersionRef != nil && is.Spec.VersionRef.Name == after.Name
	recorded := len(st.History) > 0 && (st.History[0].Result == v1alpha1.DeploymentFailed || st.History[0].Result == v1alpha1.DeploymentAborted)
	if !asked && !recorded {
		c.problem(change, "O7: the deployed version goes from %s back to %s, and nothing says why", before.Name, after.Name)
	}
}

// honest checks what Ready promises.
func (c *checker) honest(change simapi.Change, env *v1alpha1.Environment) {
	if env.Spec.Tier != v1alpha1.TierWebServer {
		return
	}
	s := c.services[client.ObjectKeyFromObject(env)]
	if s == nil || s.DeletionTimestamp != nil {
		c.problem(change, "O6: the environment says that it is ready, and it has no Service")
		return
	}
	if env.Spec.VersionRef != nil && env.Status.DeployedVersion != nil && env.Status.DeployedVersion.Name != env.Spec.VersionRef.Name && !env.Spec.Paused &&
		env.Status.ObservedGeneration == env.Generation {
		c.problem(change, "O6: the environment says that it is ready, and %s is not what it runs", env.Spec.VersionRef.Name)
	}
}

// security is Pod Security restricted, with the API server's own code.
func (c *checker) security(change simapi.Change, template *corev1.PodTemplateSpec) {
	evaluate, err := evaluator()
	if err != nil {
		c.problem(change, "S10: %v", err)
		return
	}
	restricted := psaapi.LevelVersion{Level: psaapi.LevelRestricted, Version: psaapi.LatestVersion()}
	for _, result := range evaluate.EvaluatePod(restricted, &template.ObjectMeta, &template.Spec) {
		if !result.Allowed {
			c.problem(change, "S10: %s: %s", result.ForbiddenReason, result.ForbiddenDetail)
		}
	}
}

var evaluator = sync.OnceValues(func() (policy.Evaluator, error) { return policy.NewEvaluator(policy.DefaultChecks(), nil) })

// capacity counts the instances after every change of a pod or a Service.
func (c *checker) capacity(change simapi.Change) {
	switch kind := change.Write.Kind.Kind; kind {
	case "Pod", "Service":
	default:
		return
	}
	s := c.run.scenario
	if c.env == nil || c.env.DeletionTimestamp != nil || c.doomed || s.Interrupts {
		return
	}
	service := c.services[types.NamespacedName{Namespace: namespace, Name: name}]
	selector := labels.Nothing()
	if service != nil {
		selector = labels.SelectorFromSet(service.Spec.Selector)
	}
	total, ready := 0, 0
	for _, pod := range c.pods {
		if pod.DeletionTimestamp != nil || pod.Labels[v1alpha1.LabelBuild] != "" {
			continue
		}
		total++
		if isReady(pod) && selector.Matches(labels.Set(pod.Labels)) {
			ready++
		}
	}
	if ready > 0 {
		c.served = true
	}
	if c.served && ready == 0 && s.Floor > 0 {
		c.problem(change, "S4: requests reach no instance any more")
	}
	if !s.Fresh && ready < s.Floor {
		c.problem(change, "capacity: %d instances serve, the policy promises %d", ready, s.Floor)
	}
	// Whoever edits in the middle begins another deployment, and the instances of the one before are still on their way out.
	if s.Ceiling > 0 && total > s.Ceiling && !c.run.edited {
		c.problem(change, "capacity: there are %d instances, the policy promises at most %d", total, s.Ceiling)
	}
}

// events are told to everybody.
func (c *checker) events() {
	for _, p := range c.run.Processes {
		for _, e := range p.Events.List() {
			if bytes.Contains([]byte(e.Message), []byte(canary)) {
				c.run.problem("S7: the value of a Secret is in an event: %s", e.Message)
			}
		}
	}
}
