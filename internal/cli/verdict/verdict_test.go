// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package verdict_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/cli/verdict"
)

func condition(kind, status, reason string) metav1.Condition {
	return metav1.Condition{Type: kind, Status: metav1.ConditionStatus(status), Reason: reason, Message: "about " + reason}
}

// environment is one that named version 2 with its generation 5, and was observed.
func environment(conditions ...metav1.Condition) *v1alpha1.Environment {
	env := &v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Name: "shop", Generation: 5}}
	env.Spec.VersionRef = &v1alpha1.LocalReference{Name: "shop-2"}
	env.Status.ObservedGeneration = 5
	env.Status.TargetVersion = &v1alpha1.LocalReference{Name: "shop-2"}
	env.Status.Conditions = conditions
	return env
}

func TestJudge(t *testing.T) {
	t.Parallel()
	const ready, deployed, stalled = v1alpha1.ConditionReady, v1alpha1.ConditionVersionDeployed, v1alpha1.ConditionStalled
	older := func(e *v1alpha1.Environment) { e.Status.ObservedGeneration = 4 }
	for _, c := range []struct {
		name       string
		conditions []metav1.Condition
		tweak      func(*v1alpha1.Environment)
		until      verdict.Until
		want       verdict.State
		reason     string
	}{
		{"nothing is known", nil, nil, verdict.RolledOut, verdict.Waiting, "NotYetObserved"},
		{"the status is about the generation before", []metav1.Condition{condition(deployed, "True", "Deployed")}, older, verdict.RolledOut, verdict.Waiting, "NotYetObserved"},
		{"the failure is of the generation before", []metav1.Condition{condition(deployed, "False", "RolledBack")}, older, verdict.RolledOut, verdict.Waiting, "NotYetObserved"},
		{"under way", []metav1.Condition{condition(deployed, "False", "Deploying")}, nil, verdict.RolledOut, verdict.Waiting, "Deploying"},
		{"under way is accepted", []metav1.Condition{condition(deployed, "False", "Deploying")}, nil, verdict.Accepted, verdict.Succeeded, "Deploying"},
		{"an input is still being made", []metav1.Condition{condition(deployed, "False", "NotDeployed"), condition(ready, "Unknown", "VersionNotReady")}, nil, verdict.Accepted, verdict.Waiting, "VersionNotReady"},
		{"an input is missing", []metav1.Condition{condition(deployed, "False", "NotDeployed"), condition(ready, "False", "SecretNotFound"), condition(stalled, "True", "SecretNotFound")}, nil, verdict.RolledOut, verdict.Stuck, "SecretNotFound"},
		{"done", []metav1.Condition{condition(deployed, "True", "Deployed"), condition(ready, "Unknown", "Updating")}, nil, verdict.RolledOut, verdict.Succeeded, "Deployed"},
		{"done but not ready", []metav1.Condition{condition(deployed, "True", "Deployed"), condition(ready, "Unknown", "Updating")}, nil, verdict.Healthy, verdict.Waiting, "Updating"},
		{"done but not green", []metav1.Condition{condition(deployed, "True", "Deployed"), condition(ready, "True", "Ready")}, func(e *v1alpha1.Environment) {
			e.Status.Health = &v1alpha1.Health{Status: v1alpha1.HealthWarning, Color: v1alpha1.ColorYellow}
		}, verdict.Healthy, verdict.Waiting, "Deployed"},
		{"done and green", []metav1.Condition{condition(deployed, "True", "Deployed"), condition(ready, "True", "Ready")}, func(e *v1alpha1.Environment) {
			e.Status.Health = &v1alpha1.Health{Status: v1alpha1.HealthInfo, Color: v1alpha1.ColorGreen}
		}, verdict.Healthy, verdict.Succeeded, "Deployed"},
		{"coming back", []metav1.Condition{condition(deployed, "False", "RollingBack")}, nil, verdict.Accepted, verdict.Waiting, "RollingBack"},
		{"rolled back", []metav1.Condition{condition(deployed, "False", "RolledBack")}, nil, verdict.Accepted, verdict.Failed, "RolledBack"},
		{"stopped where it was", []metav1.Condition{condition(deployed, "False", "TimedOut"), condition(stalled, "True", "TimedOut")}, nil, verdict.RolledOut, verdict.Failed, "TimedOut"},
		{"the failure is of another version", []metav1.Condition{condition(deployed, "False", "RolledBack"), condition(ready, "Unknown", "VersionNotReady")}, func(e *v1alpha1.Environment) {
			e.Status.TargetVersion.Name = "shop-1"
		}, verdict.RolledOut, verdict.Waiting, "VersionNotReady"},
		{"paused", []metav1.Condition{condition(deployed, "False", "NotDeployed"), condition(ready, "False", "Paused")}, nil, verdict.RolledOut, verdict.Paused, "Paused"},
		{"another version", []metav1.Condition{condition(deployed, "True", "Deployed")}, func(e *v1alpha1.Environment) {
			e.Generation, e.Spec.VersionRef.Name = 6, "shop-3"
		}, verdict.RolledOut, verdict.Superseded, "Superseded"},
		{"another setting", []metav1.Condition{condition(deployed, "True", "Deployed")}, func(e *v1alpha1.Environment) { e.Generation = 6 }, verdict.RolledOut, verdict.Succeeded, "Deployed"},
		{"no version", nil, func(e *v1alpha1.Environment) { e.Spec.VersionRef = nil }, verdict.RolledOut, verdict.Superseded, "Superseded"},
		{"deleted", nil, func(e *v1alpha1.Environment) { e.DeletionTimestamp = ptr.To(metav1.Now()) }, verdict.RolledOut, verdict.Superseded, "Terminating"},
	} {
		env := environment(c.conditions...)
		if c.tweak != nil {
			c.tweak(env)
		}
		got := verdict.Judge(env, verdict.Goal{Version: "shop-2", Generation: 5, Until: c.until})
		if got.State != c.want || got.Reason != c.reason || got.Message == "" {
			t.Errorf("%s: got %+v, want %s for %s", c.name, got, c.want, c.reason)
		}
	}
}

func TestBudget(t *testing.T) {
	t.Parallel()
	settings := func(d v1alpha1.DeploymentSettings) func(*v1alpha1.Environment) {
		return func(e *v1alpha1.Environment) {
			e.Spec.Capacity = &v1alpha1.Capacity{Min: ptr.To[int32](4)}
			e.Spec.Deployment = &v1alpha1.Deployment{Version: &d}
		}
	}
	for _, c := range []struct {
		name    string
		tweak   func(*v1alpha1.Environment)
		version *v1alpha1.ApplicationVersion
		want    time.Duration
	}{
		{"one instance", func(*v1alpha1.Environment) {}, nil, 21 * time.Minute},
		{"four in batches of two", settings(v1alpha1.DeploymentSettings{}), nil, 41 * time.Minute},
		{"four one by one, quickly", settings(v1alpha1.DeploymentSettings{BatchSize: ptr.To(intstr.FromInt32(1)), TimeoutSeconds: ptr.To[int32](60)}), nil, 9 * time.Minute},
		{"all at once", settings(v1alpha1.DeploymentSettings{Policy: v1alpha1.PolicyAllAtOnce}), nil, 21 * time.Minute},
		{"a second set", settings(v1alpha1.DeploymentSettings{Policy: v1alpha1.PolicyImmutable, HoldSeconds: ptr.To[int32](60)}), nil, 43 * time.Minute},
		{"more run than the least", func(e *v1alpha1.Environment) {
			e.Status.Health = &v1alpha1.Health{Instances: v1alpha1.InstanceCounts{Total: 10}}
		}, nil, 81 * time.Minute},
		{"a bundle with a migration", func(*v1alpha1.Environment) {}, &v1alpha1.ApplicationVersion{Spec: v1alpha1.ApplicationVersionSpec{
			Source: v1alpha1.VersionSource{Bundle: &v1alpha1.BundleSource{}}, ReleaseCommand: &v1alpha1.ReleaseCommand{TimeoutSeconds: ptr.To[int32](120)},
		}}, 38 * time.Minute},
	} {
		env := environment()
		env.Spec.Tier = v1alpha1.TierWebServer
		c.tweak(env)
		if diff := cmp.Diff(c.want.String(), verdict.Budget(env, c.version).String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestReconciler(t *testing.T) {
	t.Parallel()
	entry := func(manager string, operation metav1.ManagedFieldsOperationType, fields string) metav1.ManagedFieldsEntry {
		return metav1.ManagedFieldsEntry{Manager: manager, Operation: operation, FieldsV1: metav1.NewFieldsV1(fields)}
	}
	const version, other = `{"f:spec":{"f:versionRef":{"f:name":{}}}}`, `{"f:spec":{"f:capacity":{}}}`
	for _, c := range []struct {
		name string
		by   metav1.ManagedFieldsEntry
		want string
	}{
		{"ourselves", entry("beanpod-cli", "Update", version), ""},
		{"kubectl edit", entry("kubectl-edit", "Update", version), ""},
		{"Argo CD", entry("argocd-controller", "Update", version), "argocd-controller"},
		{"Argo CD, another field", entry("argocd-controller", "Apply", other), ""},
		{"Flux", entry("kustomize-controller", "Apply", version), "kustomize-controller"},
		{"somebody who applies", entry("ci", "Apply", version), "ci"},
		{"nonsense", entry("ci", "Apply", "["), ""},
	} {
		env := environment()
		env.ManagedFields = []metav1.ManagedFieldsEntry{c.by}
		if got := verdict.Reconciler(env, "beanpod-cli"); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}
