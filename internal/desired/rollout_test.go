// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package desired_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/desired"
	"github.com/beanpod-dev/beanpod/internal/desired/object"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

var evaluated = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// twoSets is a step of a scenario that has its own content in slot b beside another one in slot a.
func twoSets(s scenario, t plan.Traffic) (plan.Step, snapshot.Snapshot) {
	size := int32(1)
	rollout := plan.Rollout{ID: 2, Type: v1alpha1.DeploymentVersion, Policy: v1alpha1.PolicyTrafficSplitting, Batch: 1, StartedAt: evaluated, Instances: 3, StageAt: evaluated}
	old := snapshot.Content{Revision: "before", Template: "before", Version: "shop-40"}
	fresh := snapshot.Content{Revision: s.cfg.Revision, Template: s.cfg.Revision, Version: s.cfg.Version.Name}
	step := plan.Step{
		Slots: []plan.Slot{
			{Name: "a", Content: old, Rollout: plan.Rollout{ID: 1}},
			{Name: "b", Content: fresh, Rollout: rollout, Replicas: &size},
		},
		Current: "b", Stable: "a", Traffic: t, Scaler: plan.Scaler{Slot: "a", Hold: 3}, Rollout: rollout,
	}
	raw := []byte(`{"metadata":{"labels":{"beanpod.dev/slot":"b","app":"kept"}},"spec":{"containers":[{"name":"web","image":"kept"}],` +
		`"topologySpreadConstraints":[{"topologyKey":"zone","labelSelector":{"matchLabels":{"beanpod.dev/slot":"b"}}}]}}`)
	return step, snapshot.Snapshot{Revisions: map[string]snapshot.Revision{"before": {Name: s.cfg.Name + "-before", Content: old, Number: 1, Raw: raw}}}
}

func scenarioOf(t *testing.T, name string) scenario {
	t.Helper()
	for _, s := range scenarios(t) {
		if s.name == name {
			return s
		}
	}
	t.Fatalf("there is no scenario %s", name)
	return scenario{}
}

func find(t *testing.T, objects []object.Object, child naming.Child, into any) object.Object {
	t.Helper()
	for _, o := range objects {
		if o.Child == child {
			if into != nil {
				convert(t, o, into)
			}
			return o
		}
	}
	t.Fatalf("there is no %s", child)
	return object.Object{}
}

// TestTwoSets proves that the old set keeps its own template in its own slot, that only the new one's size is ours, and that the
// route has the weights.
func TestTwoSets(t *testing.T) {
	t.Parallel()
	s := scenarioOf(t, "gateway")
	step, now := twoSets(s, plan.Traffic{Slot: "a", Other: "b", Percent: 15, Exact: true, RouteSince: evaluated})
	objects, err := desired.Build(s.cfg, step, now)
	if err != nil {
		t.Fatal(err)
	}
	var old, fresh appsv1.Deployment
	find(t, objects, naming.Child{Kind: naming.Deployment, Name: s.cfg.Name + "-a"}, &old)
	find(t, objects, naming.Child{Kind: naming.Deployment, Name: s.cfg.Name + "-b"}, &fresh)
	template := old.Spec.Template
	if template.Spec.Containers[0].Image != "kept" || template.Labels["app"] != "kept" || template.Labels[v1alpha1.LabelSlot] != "a" ||
		template.Spec.TopologySpreadConstraints[0].LabelSelector.MatchLabels[v1alpha1.LabelSlot] != "a" {
		t.Errorf("the old set has the template %+v, want the one that was kept, for slot a", template)
	}
	if fresh.Spec.Replicas == nil || *fresh.Spec.Replicas != 1 || fresh.Annotations[v1alpha1.AnnotationScaler] != "None" {
		t.Errorf("the new set has %v replicas and scaler %s, want 1 of ours", fresh.Spec.Replicas, fresh.Annotations[v1alpha1.AnnotationScaler])
	}
	if fresh.Annotations[v1alpha1.AnnotationInstances] != "3" || fresh.Annotations[v1alpha1.AnnotationStageStarted] == "" {
		t.Errorf("the new set records %v, want its size and its stage", fresh.Annotations)
	}
	if !find(t, objects, naming.Child{Kind: naming.ControllerRevision, Name: s.cfg.Name + "-before"}, nil).Keep {
		t.Error("the template of the old set is not kept")
	}
	if !find(t, objects, naming.Child{Kind: naming.ControllerRevision, Name: s.cfg.Name + "-" + s.cfg.Revision}, nil).Once {
		t.Error("the template of the new set is not made once")
	}

	var main, candidate corev1.Service
	find(t, objects, naming.Child{Kind: naming.Service, Name: s.cfg.Name}, &main)
	find(t, objects, naming.Child{Kind: naming.Service, Name: naming.Candidate(s.cfg.Name)}, &candidate)
	if main.Spec.Selector[v1alpha1.LabelSlot] != "a" || candidate.Spec.Selector[v1alpha1.LabelSlot] != "b" {
		t.Errorf("the Services select %v and %v, want slots a and b", main.Spec.Selector, candidate.Spec.Selector)
	}
	var route gatewayv1.HTTPRoute
	find(t, objects, naming.Child{Kind: naming.HTTPRoute, Name: s.cfg.Name}, &route)
	for _, rule := range route.Spec.Rules {
		if len(rule.BackendRefs) != 2 || *rule.BackendRefs[0].Weight != 85 || *rule.BackendRefs[1].Weight != 15 {
			t.Errorf("a rule has the backends %+v, want 85 and 15", rule.BackendRefs)
		}
	}
	if got := route.Annotations[v1alpha1.AnnotationTrafficSince]; got != "2026-01-01T12:00:00Z" {
		t.Errorf("the route records %q", got)
	}
}

// TestSharesBySize proves that the Service selects both sets, and nothing else, where their sizes split the requests.
func TestSharesBySize(t *testing.T) {
	t.Parallel()
	s := scenarioOf(t, "web-minimal")
	step, now := twoSets(s, plan.Traffic{Slot: "a", Other: "b", Percent: 25, ServiceSince: evaluated})
	objects, err := desired.Build(s.cfg, step, now)
	if err != nil {
		t.Fatal(err)
	}
	var main corev1.Service
	find(t, objects, naming.Child{Kind: naming.Service, Name: s.cfg.Name}, &main)
	if len(main.Spec.Selector) != 1 || main.Spec.Selector[v1alpha1.LabelEnvironmentUID] != string(s.cfg.UID) || main.Annotations[v1alpha1.AnnotationTrafficSince] == "" {
		t.Errorf("the Service selects %v since %q", main.Spec.Selector, main.Annotations[v1alpha1.AnnotationTrafficSince])
	}
	var hpa autoscalingv2.HorizontalPodAutoscaler
	find(t, objects, naming.Child{Kind: naming.HorizontalPodAutoscaler, Name: s.cfg.Name}, &hpa)
	if *hpa.Spec.MinReplicas != 3 || hpa.Spec.MaxReplicas != 3 || hpa.Spec.ScaleTargetRef.Name != s.cfg.Name+"-a" {
		t.Errorf("the autoscaler has %+v, want to be held at 3 on slot a", hpa.Spec)
	}
	for _, o := range objects {
		if o.Child.Name == naming.Candidate(s.cfg.Name) {
			t.Error("there is a candidate Service that nothing uses")
		}
	}
}

// TestKEDAIsHeld: while two sets exist, KEDA keeps the number of the one that gets the requests; then it may go to zero again.
func TestKEDAIsHeld(t *testing.T) {
	t.Parallel()
	s := scenarioOf(t, "worker-keda")
	for _, tc := range []struct {
		scaler plan.Scaler
		want   string
	}{
		{plan.Scaler{Slot: "b", Hold: 3}, `b 3 3 <nil> <nil>`},
		{plan.Scaler{Slot: "a"}, `a 0 20 660 120`},
	} {
		s.step.Scaler = tc.scaler
		objects, err := desired.Build(s.cfg, s.step, snapshot.Snapshot{})
		if err != nil {
			t.Fatal(err)
		}
		var so unstructured.Unstructured
		find(t, objects, naming.Child{Kind: naming.ScaledObject, Name: s.cfg.Name}, &so.Object)
		spec := so.Object["spec"].(map[string]any)
		name, _, _ := unstructured.NestedString(spec, "scaleTargetRef", "name")
		got := fmt.Sprint(strings.TrimPrefix(name, s.cfg.Name+"-"), " ", spec["minReplicaCount"], " ", spec["maxReplicaCount"], " ", spec["initialCooldownPeriod"], " ", spec["cooldownPeriod"])
		if got != tc.want {
			t.Errorf("%+v: %s, want %s", tc.scaler, got, tc.want)
		}
	}
}

// TestATemplateThatIsLost proves that the Deployment's own template is used, and kept, when nothing else has it.
func TestATemplateThatIsLost(t *testing.T) {
	t.Parallel()
	s := scenarioOf(t, "web-minimal")
	step, now := twoSets(s, plan.Traffic{Slot: "a"})
	now.Revisions = nil
	if _, err := desired.Build(s.cfg, step, now); err == nil || !strings.Contains(err.Error(), "before is not kept anywhere") {
		t.Errorf("Build without any template = %v, want an error that names the revision", err)
	}
	now.Slots = map[string]snapshot.Slot{"a": {Name: "a", Content: step.Slots[0].Content, Live: &corev1.PodTemplateSpec{
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "live"}}},
	}}}
	objects, err := desired.Build(s.cfg, step, now)
	if err != nil {
		t.Fatal(err)
	}
	var old appsv1.Deployment
	find(t, objects, naming.Child{Kind: naming.Deployment, Name: s.cfg.Name + "-a"}, &old)
	if got := old.Spec.Template.Spec.Containers[0].Image; got != "live" {
		t.Errorf("the old set runs %q, want live", got)
	}
	find(t, objects, naming.Child{Kind: naming.ControllerRevision, Name: s.cfg.Name + "-before"}, nil)
}

// TestReleaseCommand proves that the Job runs once, as restricted as any instance, and that no selector finds its pod.
func TestReleaseCommand(t *testing.T) {
	t.Parallel()
	s := scenarioOf(t, "multi-process")
	s.cfg.Version.Release, s.cfg.Version.ReleaseSeconds = []string{"migrate", "$HOME"}, 60
	step := plan.Step{Release: &plan.Rollout{ID: 4, Type: v1alpha1.DeploymentVersion, Policy: v1alpha1.PolicyRolling, StartedAt: evaluated}, Traffic: plan.Traffic{Slot: "a"}}
	objects, err := desired.Build(s.cfg, step, snapshot.Snapshot{})
	if err != nil {
		t.Fatal(err)
	}
	var job batchv1.Job
	o := find(t, objects, naming.Child{Kind: naming.Job, Name: s.cfg.Name + "-release-4"}, &job)
	if !o.Once || *job.Spec.BackoffLimit != 0 || *job.Spec.ActiveDeadlineSeconds != 60 || job.Spec.Template.Spec.RestartPolicy != corev1.RestartPolicyNever {
		t.Errorf("the Job is %+v, want one that runs once for 60 s", job.Spec)
	}
	pod := job.Spec.Template
	if pod.Labels[v1alpha1.LabelEnvironmentUID] != "" || pod.Labels[v1alpha1.LabelSlot] != "" || pod.Labels[v1alpha1.LabelGroup] == "" {
		t.Errorf("the pod has the labels %v; Services and budgets would find it", pod.Labels)
	}
	c := pod.Spec.Containers
	if len(c) != 1 || strings.Join(c[0].Command, " ") != "migrate $$HOME" || c[0].ReadinessProbe != nil || len(c[0].Ports) > 0 || c[0].Lifecycle != nil {
		raw, _ := json.Marshal(c)
		t.Errorf("the pod runs %s", raw)
	}
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range evaluator.EvaluatePod(api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}, &pod.ObjectMeta, &pod.Spec) {
		if !r.Allowed {
			t.Errorf("Pod Security restricted refuses the pod: %s %s", r.ForbiddenReason, r.ForbiddenDetail)
		}
	}
}
