// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

const app = "shop"

func application(ns string) *v1alpha1.Application {
	return &v1alpha1.Application{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: app}}
}

// version is named like the tag of its image; the node has no image "absent".
func version(ns, name string, tweaks ...func(*v1alpha1.ApplicationVersion)) *v1alpha1.ApplicationVersion {
	v := &v1alpha1.ApplicationVersion{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name},
		Spec: v1alpha1.ApplicationVersionSpec{
			ApplicationRef: v1alpha1.LocalReference{Name: app},
			Source: v1alpha1.VersionSource{Image: &v1alpha1.ImageSource{
				Reference: "localhost/sample-web:" + name, PullPolicy: v1alpha1.PullNever,
			}},
		},
	}
	for _, tweak := range tweaks {
		tweak(v)
	}
	return v
}

// environment is one that is quick to deploy: three instances of v1 that nothing scales.
func environment(name string, tweaks ...func(*v1alpha1.Environment)) *v1alpha1.Environment {
	e := &v1alpha1.Environment{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: v1alpha1.EnvironmentSpec{
			ApplicationRef: v1alpha1.LocalReference{Name: app},
			VersionRef:     &v1alpha1.LocalReference{Name: "v1"},
			Tier:           v1alpha1.TierWebServer,
			EnvironmentSettings: v1alpha1.EnvironmentSettings{
				Capacity: &v1alpha1.Capacity{
					Min: new(int32(1)), Max: new(int32(4)), Desired: new(int32(3)),
					Autoscaling: &v1alpha1.Autoscaling{Engine: v1alpha1.ScalingNone},
					Resources:   &v1alpha1.Resources{Requests: &v1alpha1.ResourceAmounts{CPU: "20m", Memory: "32Mi"}},
				},
				Deployment: &v1alpha1.Deployment{Version: &v1alpha1.DeploymentSettings{
					Policy:         v1alpha1.PolicyRollingWithAdditionalBatch,
					BatchSize:      new(intstr.FromInt32(1)),
					HealthGate:     &v1alpha1.HealthGate{Seconds: new(int32(2))},
					TimeoutSeconds: new(int32(120)),
				}},
				Processes: []v1alpha1.Process{process("web", 8080)},
			},
		},
	}
	for _, tweak := range tweaks {
		tweak(e)
	}
	return e
}

func process(name string, port int32) v1alpha1.Process {
	return v1alpha1.Process{
		Name: name, Port: &port, DrainSeconds: new(int32(5)),
		HealthCheck: &v1alpha1.HealthCheck{Path: "/healthz", IntervalSeconds: new(int32(1)), HealthyThreshold: new(int32(1))},
	}
}

func policy(p v1alpha1.DeploymentPolicy) func(*v1alpha1.Environment) {
	return func(e *v1alpha1.Environment) { e.Spec.Deployment.Version.Policy = p }
}

func instances(n int32) func(*v1alpha1.Environment) {
	return func(e *v1alpha1.Environment) { e.Spec.Capacity.Desired = &n }
}

func in(ns string) func(*v1alpha1.Environment) {
	return func(e *v1alpha1.Environment) { e.Namespace = ns }
}

// create makes an object that the test's environment refers to, and has it deleted at the end of the test.
func create(t *testing.T, o client.Object) {
	t.Helper()
	get(t, func(ctx context.Context) error { return k8s.Create(ctx, o) })
	t.Cleanup(func() {
		get(t, func(ctx context.Context) error { return client.IgnoreNotFound(k8s.Delete(ctx, o)) })
	})
}

// environmentHandle is a running environment.
type environmentHandle struct {
	namespace, name string
}

// start makes the environment, waits until it is ready, and has it deleted at the end of the test.
func start(t *testing.T, e *v1alpha1.Environment) environmentHandle {
	t.Helper()
	h := environmentHandle{e.Namespace, e.Name}
	t.Cleanup(func() {
		if t.Failed() {
			diagnose(h.namespace, h.name)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := client.IgnoreNotFound(k8s.Delete(ctx, e)); err != nil {
			t.Errorf("deleting environment %s: %v", e.Name, err)
		}
	})
	get(t, func(ctx context.Context) error { return k8s.Create(ctx, e) })
	h.waitReady(t, 3*time.Minute)
	return h
}

func (h environmentHandle) get(t *testing.T) *v1alpha1.Environment {
	t.Helper()
	var e v1alpha1.Environment
	get(t, func(ctx context.Context) error {
		return k8s.Get(ctx, client.ObjectKey{Namespace: h.namespace, Name: h.name}, &e)
	})
	return &e
}

// host is the name that the URL asks for.
func (h environmentHandle) host(t *testing.T) string {
	t.Helper()
	url := h.get(t).Status.URL
	if want := "http://" + h.name + "." + baseDomain; url != want {
		t.Fatalf("status.url = %q, want %q", url, want)
	}
	return h.name + "." + baseDomain
}

// patch merges; keys are as in YAML.
func (h environmentHandle) patch(t *testing.T, patch map[string]any) {
	t.Helper()
	data, err := json.Marshal(patch)
	if err != nil {
		t.Fatal(err)
	}
	e := &v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Namespace: h.namespace, Name: h.name}}
	get(t, func(ctx context.Context) error {
		return k8s.Patch(ctx, e, client.RawPatch("application/merge-patch+json", data))
	})
}

func (h environmentHandle) deploy(t *testing.T, version string) {
	t.Helper()
	h.patch(t, spec(map[string]any{"versionRef": map[string]any{"name": version}}))
}

func spec(fields map[string]any) map[string]any { return map[string]any{"spec": fields} }

func annotations(pairs map[string]any) map[string]any {
	return map[string]any{"metadata": map[string]any{"annotations": pairs}}
}

func (h environmentHandle) waitReady(t *testing.T, limit time.Duration) {
	t.Helper()
	h.waitCondition(t, limit, "Ready", metav1.ConditionTrue, "")
}

// waitCondition waits for a condition that speaks of the newest generation; reason "" is any.
func (h environmentHandle) waitCondition(t *testing.T, limit time.Duration, kind string, status metav1.ConditionStatus, reason string) {
	t.Helper()
	eventually(t, limit, fmt.Sprintf("environment %s %s=%s", h.name, kind, status), func() error {
		e := h.get(t)
		c := meta.FindStatusCondition(e.Status.Conditions, kind)
		if c == nil {
			return fmt.Errorf("there is no condition %s yet", kind)
		}
		if c.Status != status || reason != "" && c.Reason != reason || c.ObservedGeneration != e.Generation {
			return fmt.Errorf("it is %s, %s, for generation %d of %d: %s", c.Status, c.Reason, c.ObservedGeneration, e.Generation, c.Message)
		}
		return nil
	})
}

// waitVersion waits until every instance runs the version and the environment says so.
func (h environmentHandle) waitVersion(t *testing.T, version string) {
	t.Helper()
	h.waitReady(t, 4*time.Minute)
	if got := h.get(t).Status.DeployedVersion; got == nil || got.Name != version {
		t.Fatalf("environment %s is Ready with deployedVersion %v, want %s", h.name, got, version)
	}
	// A set that was replaced is being deleted then, and its instances a moment later.
	eventually(t, 20*time.Second, "instances of "+version+" alone", func() error {
		for _, p := range h.pods(t) {
			all := slices.Concat(p.Spec.Containers, p.Spec.InitContainers) // in a worker, the application is a sidecar
			if !slices.ContainsFunc(all, func(c corev1.Container) bool { return c.Image == "localhost/sample-web:"+version }) {
				return fmt.Errorf("pod %s does not run %s", p.Name, version)
			}
		}
		return nil
	})
}

// pods are the instances that are not going away, oldest first.
func (h environmentHandle) pods(t *testing.T) []corev1.Pod {
	t.Helper()
	var list corev1.PodList
	get(t, func(ctx context.Context) error {
		return k8s.List(ctx, &list, client.InNamespace(h.namespace), client.MatchingLabels{v1alpha1.LabelEnvironment: h.name},
			client.HasLabels{v1alpha1.LabelSlot})
	})
	return slices.DeleteFunc(list.Items, func(p corev1.Pod) bool { return p.DeletionTimestamp != nil })
}

func (h environmentHandle) podUIDs(t *testing.T) map[string]bool {
	t.Helper()
	uids := map[string]bool{}
	for _, p := range h.pods(t) {
		uids[string(p.UID)] = true
	}
	return uids
}

// deployment is the only one of the environment.
func (h environmentHandle) deployment(t *testing.T) *appsv1.Deployment {
	t.Helper()
	var list appsv1.DeploymentList
	get(t, func(ctx context.Context) error {
		return k8s.List(ctx, &list, client.InNamespace(h.namespace), client.MatchingLabels{v1alpha1.LabelEnvironment: h.name})
	})
	if len(list.Items) != 1 {
		t.Fatalf("environment %s has %d Deployments, want 1", h.name, len(list.Items))
	}
	return &list.Items[0]
}

// gone says whether there is no such object.
func gone(t *testing.T, o client.Object, ns, name string) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	err := k8s.Get(ctx, client.ObjectKey{Namespace: ns, Name: name}, o)
	if err != nil && !apierrors.IsNotFound(err) {
		t.Fatal(err)
	}
	return err != nil
}

// get asks the API server; a busy machine may make it late once.
func get(t *testing.T, ask func(context.Context) error) {
	t.Helper()
	var err error
	for range 3 {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		err = ask(ctx)
		cancel()
		if err == nil || apierrors.ReasonForError(err) != metav1.StatusReasonUnknown {
			break
		}
		time.Sleep(500 * time.Millisecond)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// eventually asks until there is no error, and otherwise fails the test with the last one.
func eventually(t *testing.T, limit time.Duration, what string, ask func() error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		if err = ask(); err == nil {
			return
		}
	}
	t.Fatalf("waited %s for %s: %v", limit, what, err)
}
