// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// A share of the requests is what status says it is: exactly what was asked for by a Gateway, what the sizes make of it by an Ingress.
// When the new version turns bad meanwhile, the old one gets all requests back, and only what the new one answered is lost.
func TestTrafficSplittingSendsAShareAndTakesItBack(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		tweak    func(*v1alpha1.Environment)
		announce int32
	}{
		{"Ingress", func(*v1alpha1.Environment) {}, 25}, // one new instance beside three old ones
		{"Gateway", byGateway, 20},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := start(t, environment("split-"+strings.ToLower(test.name), policy(v1alpha1.PolicyTrafficSplitting), splitting(20, 25),
				holding(2), draining(10), test.tweak))
			load := hammer(t, e.host(t))
			e.deploy(t, "v2")
			e.waitShare(t, test.announce)
			time.Sleep(2 * time.Second) // the router takes it up
			before := load.so()
			time.Sleep(18 * time.Second)
			after := load.so()
			e.waitShare(t, test.announce) // it is still so
			old, fresh := after.ok["v1"]-before.ok["v1"], after.ok["v2"]-before.ok["v2"]
			measured := 100 * float64(fresh) / float64(old+fresh)
			tell(t, "%d of %d requests went to the new version, %.1f%%; status announced %d%%, asked for were 20%%", fresh, old+fresh, measured, test.announce)
			if math.Abs(measured-float64(test.announce)) > 3 || old+fresh < 1000 {
				t.Errorf("%d of %d requests went to the new version, %.1f%%, want %d%% of at least 1000", fresh, old+fresh, measured, test.announce)
			}
			e.waitVersion(t, "v2")
			load.stopUnfailed(t, "v1", "v2")

			e.turnsBad(t)
		})
	}
}

func (h environmentHandle) waitShare(t *testing.T, percent int32) {
	t.Helper()
	eventually(t, 90*time.Second, "the share to be announced", func() error {
		if d := h.get(t).Status.Deployment; d.TrafficPercent != percent {
			return fmt.Errorf("status.deployment is %+v", d)
		}
		return nil
	})
}

// turnsBad deploys v1 over v2 and lets the new instances fail while they are evaluated.
func (h environmentHandle) turnsBad(t *testing.T) {
	t.Helper()
	load := hammer(t, h.host(t))
	load.forgiven = "status 500: failing"
	h.deploy(t, "v1")
	eventually(t, 90*time.Second, "the evaluation", func() error {
		if d := h.get(t).Status.Deployment; d.TrafficPercent == 0 || d.State != v1alpha1.DeploymentInProgress {
			return fmt.Errorf("status.deployment is %+v", d)
		}
		return nil
	})
	time.Sleep(2 * time.Second)
	for _, p := range h.pods(t) {
		if strings.HasSuffix(p.Spec.Containers[0].Image, ":v1") {
			resp, err := http.Get("http://" + p.Status.PodIP + ":8080/fail?on=true")
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
		}
	}
	failing := time.Now()
	eventually(t, time.Minute, "the return", func() error {
		if e := h.get(t); !isRolledBack(e) {
			return fmt.Errorf("status.deployment is %+v", e.Status.Deployment)
		}
		return nil
	})
	d := h.get(t).Status.Deployment
	took := since(failing)
	if d.Reason != v1alpha1.ReasonHealthBelowMinimum {
		t.Errorf("the reason is %s, want HealthBelowMinimum", d.Reason)
	}
	time.Sleep(2 * time.Second)
	back := load.so()
	load.reach(fewest)
	r := load.stop()
	own, lost := 0, 0
	for f, n := range r.failures {
		if strings.Contains(f, load.forgiven) {
			own += n
		} else {
			lost += n
		}
	}
	tell(t, "back %s after it turned bad; %d requests were answered with 500 by the bad version, %d lost otherwise: %v", took, own, lost, r)
	if lost > 0 || own == 0 || r.failed > back.failed {
		t.Errorf("want only answers of the bad version to fail, and none after the return (%d then), got %v", back.failed, r)
	}
}

// The old instances are not touched until one write sends all requests to the new ones; they stay for a while, and go.
func TestImmutableSwitchesInOneWrite(t *testing.T) {
	t.Parallel()
	e := start(t, environment("switched", policy(v1alpha1.PolicyImmutable), holding(8)))
	old := e.podUIDs(t)
	load := hammer(t, e.host(t))
	began := time.Now()
	e.deploy(t, "v2")
	var switched, removed time.Time
	eventually(t, 2*time.Minute, "the old instances to go", func() error {
		service, left := e.slotOf(t), 0
		for uid := range e.podUIDs(t) {
			if old[uid] {
				left++
			}
		}
		if service == "a" && left != len(old) {
			t.Errorf("%d of %d old instances are left before the switch", left, len(old))
		}
		if service == "b" && switched.IsZero() {
			switched = time.Now()
		}
		if left > 0 {
			return fmt.Errorf("%d are left, the Service selects slot %s", left, service)
		}
		removed = time.Now()
		return nil
	})
	if held := removed.Sub(switched); held < 7*time.Second {
		t.Errorf("the old instances were kept for %s, want 8 s", held)
	}
	e.waitVersion(t, "v2")
	settled(t, e, "v2")
	load.stopUnfailed(t, "v1", "v2")
	events, err := operatorRequests(began)
	if err != nil {
		t.Fatal(err)
	}
	writes := 0
	for _, a := range events {
		if a.Verb == "patch" && strings.Contains(a.RequestURI, "/namespaces/"+e.namespace+"/services/"+e.name+"?") {
			writes++
		}
	}
	if writes != 1 {
		t.Errorf("the Service was written %d times, want exactly 1", writes)
	}
}

// slotOf is the slot that the Service selects.
func (h environmentHandle) slotOf(t *testing.T) string {
	t.Helper()
	var s corev1.Service
	get(t, func(ctx context.Context) error {
		return k8s.Get(ctx, client.ObjectKey{Namespace: h.namespace, Name: h.name}, &s)
	})
	return s.Spec.Selector[v1alpha1.LabelSlot]
}

// A release command runs once for each deployment, before anything changes; when it fails nothing has, and its log is kept.
func TestAReleaseCommandRunsOnce(t *testing.T) {
	t.Parallel()
	release := func(name, end string) *v1alpha1.ApplicationVersion {
		return version(namespace, name, func(v *v1alpha1.ApplicationVersion) {
			v.Spec.Source.Image.Reference = "localhost/sample-web:v2"
			v.Spec.ReleaseCommand = &v1alpha1.ReleaseCommand{Command: []string{"/sample-web", "release", end, "2000"}}
		})
	}
	create(t, release("release-fail", "fail"))
	create(t, release("release-ok", "ok"))
	e := start(t, environment("released", policy(v1alpha1.PolicyImmutable), holding(1)))
	pods, generation := e.podUIDs(t), e.deployment(t).Generation
	l := &life{environmentHandle: e, policy: v1alpha1.PolicyImmutable, runs: "v1"}
	l.load = hammer(t, e.host(t))

	e.deploy(t, "release-fail")
	env := l.ends(t, "a release command that fails", func(env *v1alpha1.Environment) bool {
		return stands(env, v1alpha1.ConditionVersionDeployed, metav1.ConditionFalse, v1alpha1.ReasonReleaseCommandFailed)
	})
	l.expect(t, env, 2, "release-fail", v1alpha1.DeploymentFailed, v1alpha1.ReasonReleaseCommandFailed, "v1")
	l.evidence(t, env, "release-fail", v1alpha1.ReasonReleaseCommandFailed, "the migration failed as told")
	e.releasedOnce(t, 2)
	for uid := range e.podUIDs(t) {
		if !pods[uid] {
			t.Error("an instance was replaced although the release command failed")
		}
	}
	if got := e.deployment(t).Generation; got != generation {
		t.Errorf("the Deployment is of generation %d, was %d", got, generation)
	}

	e.deploy(t, "release-ok")
	env = l.ends(t, "a release command that succeeds", isDeployed)
	l.expect(t, env, 3, "release-ok", v1alpha1.DeploymentSucceeded, "", "release-ok")
	e.releasedOnce(t, 3)

	e.patch(t, annotations(map[string]any{v1alpha1.AnnotationRestartRequested: "once"}))
	waitOperation(t, e, func(o *v1alpha1.Operations) *v1alpha1.Operation { return o.Restart }, "once")
	if n := e.releasePods(t, e.get(t).Status.Deployment.ID); n != 0 || e.get(t).Status.Deployment.ID != 4 {
		t.Errorf("a restart, deployment %d, made %d pods for the release command, want none", e.get(t).Status.Deployment.ID, n)
	}
	l.load.stopUnfailed(t, "v1", "v2")
}

// A quota that is too small is reported before anything changes; once it is raised, the deployment goes on by itself.
func TestAQuotaThatIsTooSmallHoldsADeploymentBack(t *testing.T) {
	t.Parallel()
	const ns = "quota"
	if err := makeNamespace(ns); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mustKubectl(t, "delete", "namespace", ns, "--wait=false") })
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "small"}}
	quota.Spec.Hard = corev1.ResourceList{corev1.ResourcePods: resource.MustParse("4")}
	get(t, func(ctx context.Context) error { return k8s.Create(ctx, quota) })
	e := start(t, environment("held", in(ns), policy(v1alpha1.PolicyImmutable), holding(1)))
	load := hammer(t, e.host(t))
	e.deploy(t, "v2")
	e.waitCondition(t, time.Minute, v1alpha1.ConditionApplied, metav1.ConditionFalse, v1alpha1.ReasonQuotaExceeded)
	e.waitCondition(t, time.Minute, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonQuotaExceeded)
	for _, c := range e.get(t).Status.Conditions {
		if c.Type == v1alpha1.ConditionReady && !strings.Contains(c.Message, "quota small has room for 1 of pods, 3 more instances need 3") {
			t.Errorf("the message does not name the quota and the numbers: %s", c.Message)
		}
	}
	var sets appsv1.ReplicaSetList
	get(t, func(ctx context.Context) error { return k8s.List(ctx, &sets, client.InNamespace(ns)) })
	if len(sets.Items) != 1 {
		t.Errorf("there are %d ReplicaSets, want none but that of v1", len(sets.Items))
	}
	if d := e.get(t).Status.Deployment; d.ID != 1 {
		t.Errorf("deployment %d is said to have begun", d.ID)
	}
	mustKubectl(t, "patch", "resourcequota", "-n", ns, "small", "--type=merge", "-p", `{"spec":{"hard":{"pods":"8"}}}`)
	e.waitVersion(t, "v2")
	settled(t, e, "v2")
	load.stopUnfailed(t, "v1", "v2")
}

// While two sets exist the autoscaler is held; then it follows the new one, and the number of instances is nobody's but its own.
func TestTheAutoscalerFollowsTheNewSet(t *testing.T) {
	t.Parallel()
	e := start(t, environment("followed", scaled, policy(v1alpha1.PolicyImmutable), holding(3)))
	load := hammer(t, e.host(t))
	e.deploy(t, "v2")
	held := 0
	eventually(t, 2*time.Minute, "the deployment", func() error {
		var h autoscalingv2.HorizontalPodAutoscaler
		get(t, func(ctx context.Context) error {
			return k8s.Get(ctx, client.ObjectKey{Namespace: e.namespace, Name: e.name}, &h)
		})
		sets := e.deployments(t)
		if len(sets) == 2 { // seen after the autoscaler, so it may be one step behind
			if h.Spec.MaxReplicas == 2 && *h.Spec.MinReplicas == 2 {
				held++
			} else if held > 0 && h.Spec.ScaleTargetRef.Name != e.name+"-b" {
				t.Errorf("it scales from %d to %d while two sets exist, want 2 to 2", *h.Spec.MinReplicas, h.Spec.MaxReplicas)
			}
		}
		if env := e.get(t); !isDeployed(env) {
			return fmt.Errorf("status.deployment is %+v", env.Status.Deployment)
		}
		return nil
	})
	if held == 0 {
		t.Error("the autoscaler was never held")
	}
	e.waitVersion(t, "v2")
	var h autoscalingv2.HorizontalPodAutoscaler
	get(t, func(ctx context.Context) error {
		return k8s.Get(ctx, client.ObjectKey{Namespace: e.namespace, Name: e.name}, &h)
	})
	if h.Spec.ScaleTargetRef.Name != e.name+"-b" || *h.Spec.MinReplicas != 2 || h.Spec.MaxReplicas != 3 {
		t.Errorf("it scales %s from %d to %d, want followed-b from 2 to 3", h.Spec.ScaleTargetRef.Name, *h.Spec.MinReplicas, h.Spec.MaxReplicas)
	}
	eventually(t, time.Minute, "one set", func() error {
		if n := len(e.deployments(t)); n != 1 {
			return fmt.Errorf("there are %d", n)
		}
		return nil
	})
	for _, m := range e.deployment(t).ManagedFields {
		var fields struct {
			Spec map[string]json.RawMessage `json:"f:spec"`
		}
		if err := json.NewDecoder(bytes.NewReader(m.FieldsV1.Raw)).Decode(&fields); err != nil {
			t.Fatal(err)
		}
		if _, owns := fields.Spec["f:replicas"]; owns && m.Manager == "beanpod" {
			t.Error("field manager beanpod owns spec.replicas, which is the autoscaler's")
		}
	}
	load.stopUnfailed(t, "v1", "v2")
}

// deployments are the environment's, oldest first.
func (h environmentHandle) deployments(t *testing.T) []appsv1.Deployment {
	t.Helper()
	var list appsv1.DeploymentList
	get(t, func(ctx context.Context) error {
		return k8s.List(ctx, &list, client.InNamespace(h.namespace), client.MatchingLabels{v1alpha1.LabelEnvironment: h.name})
	})
	return slices.DeleteFunc(list.Items, func(d appsv1.Deployment) bool { return d.DeletionTimestamp != nil })
}
