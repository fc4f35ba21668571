// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// Whatever is wrong with what is deployed, what ran before keeps serving, the environment says what it is, and naming
// the old version again is all it takes.
func TestABadDeploymentFailsNoRequest(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		policy v1alpha1.DeploymentPolicy
		causes []string // any of them
		bad    map[string]any
		good   map[string]any
	}{
		{
			name: "unhealthy", policy: v1alpha1.PolicyRollingWithAdditionalBatch, causes: []string{"ProbeFailing"},
			bad: versionRef("broken"), good: versionRef("v1"),
		},
		{
			name: "unhealthy-rolling", policy: v1alpha1.PolicyRolling, causes: []string{"ProbeFailing"},
			bad: versionRef("broken"), good: versionRef("v1"),
		},
		{
			name: "no-image", policy: v1alpha1.PolicyRollingWithAdditionalBatch, causes: []string{"ImagePullFailed"},
			bad: versionRef("absent"), good: versionRef("v1"),
		},
		{
			name: "crash-loop", policy: v1alpha1.PolicyRollingWithAdditionalBatch, causes: []string{"CrashLoop"},
			// It crashes before it listens: ready for a moment, it would be sent requests.
			bad: map[string]any{"environmentProperties": []any{
				map[string]any{"name": "CRASH_AFTER_MS", "value": "1"}, map[string]any{"name": "START_DELAY_MS", "value": "60000"},
			}},
			good: map[string]any{"environmentProperties": nil},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := start(t, environment("bad-"+test.name, policy(test.policy), func(e *v1alpha1.Environment) {
				d := e.Spec.Deployment.Version
				d.TimeoutSeconds, d.OnFailure = new(int32(15)), v1alpha1.OnFailurePause
			}))
			before := e.podUIDs(t)
			load := hammer(t, e.host(t))
			e.patch(t, spec(test.bad))
			e.waitCondition(t, 2*time.Minute, v1alpha1.ConditionVersionDeployed, metav1.ConditionFalse, v1alpha1.ReasonTimedOut)
			e.waitCause(t, test.causes)
			e.waitCondition(t, 5*time.Second, v1alpha1.ConditionReady, metav1.ConditionFalse, "")
			kept := 0
			for uid := range e.podUIDs(t) {
				if before[uid] {
					kept++
				}
			}
			if want := map[v1alpha1.DeploymentPolicy]int{v1alpha1.PolicyRolling: 2, v1alpha1.PolicyRollingWithAdditionalBatch: 3}[test.policy]; kept != want {
				t.Errorf("%d old instances keep running, want %d", kept, want)
			}

			e.patch(t, spec(test.good))
			e.waitVersion(t, "v1")
			settled(t, e, "v1")
			load.stopUnfailed(t, "v1")
			if d := e.get(t).Status.Deployment; d == nil || d.State != v1alpha1.DeploymentSucceeded {
				t.Errorf("after recovery status.deployment is %+v, want Succeeded", d)
			}
		})
	}
}

func versionRef(name string) map[string]any {
	return map[string]any{"versionRef": map[string]any{"name": name}}
}

// waitCause waits until health names one of the causes, with words for people.
func (h environmentHandle) waitCause(t *testing.T, codes []string) {
	t.Helper()
	eventually(t, time.Minute, fmt.Sprintf("a cause of %v", codes), func() error {
		health := h.get(t).Status.Health
		if health == nil {
			return fmt.Errorf("there is no health")
		}
		for _, c := range health.Causes {
			if slices.Contains(codes, c.Code) && c.Message != "" && len(c.Instances) > 0 {
				return nil
			}
		}
		return fmt.Errorf("health is %s because of %+v", health.Status, health.Causes)
	})
}
