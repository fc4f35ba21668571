// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// settled demands that only one version answers from now on.
func settled(t *testing.T, e environmentHandle, version string) {
	t.Helper()
	// Ready comes before the last old instance has drained, and it answers until then.
	eventually(t, 30*time.Second, "old instances to be gone", func() error {
		c, host := newClient(false), e.host(t)
		for range 30 {
			a, err := ask(c, host, "/")
			if err != nil {
				return err
			}
			if a.Version != version {
				return fmt.Errorf("version %s still answers", a.Version)
			}
		}
		return nil
	})
}

// All at once may fail requests: nothing serves meanwhile. They are counted for the closing line.
func TestAllAtOnceDeploys(t *testing.T) {
	t.Parallel()
	e := start(t, environment("all-at-once", policy(v1alpha1.PolicyAllAtOnce)))
	load := hammer(t, e.host(t))
	e.deploy(t, "v2")
	e.waitVersion(t, "v2")
	settled(t, e, "v2")
	t.Log(load.stop())
}

func TestRestartReplacesEveryInstanceAndFailsNoRequest(t *testing.T) {
	t.Parallel()
	e := start(t, environment("restart"))
	before := e.podUIDs(t)
	load := hammer(t, e.host(t))
	e.patch(t, annotations(map[string]any{v1alpha1.AnnotationRestartRequested: "once"}))
	waitOperation(t, e, func(o *v1alpha1.Operations) *v1alpha1.Operation { return o.Restart }, "once")
	e.waitReady(t, time.Minute)
	for uid := range e.podUIDs(t) {
		if before[uid] {
			t.Errorf("instance %s was not replaced", uid)
		}
	}
	settled(t, e, "v1")
	load.stopUnfailed(t, "v1")

	// The same token again is no request.
	generation := e.deployment(t).Generation
	e.patch(t, annotations(map[string]any{v1alpha1.AnnotationRestartRequested: "once", "example.com/other": "x"}))
	time.Sleep(2 * time.Second)
	if got := e.deployment(t).Generation; got != generation {
		t.Errorf("the same token changed the Deployment: generation %d, want %d", got, generation)
	}
}

func TestRebuildMakesEverythingAgain(t *testing.T) {
	t.Parallel()
	e := start(t, environment("rebuild", instances(1)))
	before := e.deployment(t).UID
	e.patch(t, annotations(map[string]any{v1alpha1.AnnotationRebuildRequested: "once"}))
	waitOperation(t, e, func(o *v1alpha1.Operations) *v1alpha1.Operation { return o.Rebuild }, "once")
	e.waitReady(t, time.Minute)
	if e.deployment(t).UID == before {
		t.Error("the Deployment is still the same object")
	}
	untilServed(t, e.host(t))
}

func waitOperation(t *testing.T, e environmentHandle, which func(*v1alpha1.Operations) *v1alpha1.Operation, token string) {
	t.Helper()
	eventually(t, 3*time.Minute, "the operation", func() error {
		all := e.get(t).Status.Operations
		if all == nil {
			return fmt.Errorf("status.operations is not there")
		}
		if o := which(all); o == nil || o.Token != token || !o.Completed {
			text, err := json.Marshal(all)
			return fmt.Errorf("status.operations is %s (%w)", text, err)
		}
		return nil
	})
}

// A control: without draining, routers send requests to instances that are gone. If this sees no failure, the
// promises above prove nothing.
func TestControlWithoutDrainingRequestsFail(t *testing.T) {
	t.Parallel()
	e := start(t, environment("control", func(e *v1alpha1.Environment) {
		e.Spec.Processes[0].DrainSeconds = new(int32(0))
		e.Spec.Deployment.Version.BatchSize = new(intstr.FromInt32(2))
	}, policy(v1alpha1.PolicyRolling)))
	load := hammer(t, e.host(t))
	for i := range 3 {
		token := fmt.Sprintf("round-%d", i)
		e.patch(t, annotations(map[string]any{v1alpha1.AnnotationRestartRequested: token}))
		waitOperation(t, e, func(o *v1alpha1.Operations) *v1alpha1.Operation { return o.Restart }, token)
		if load.so().failed > 0 {
			break
		}
	}
	r := load.stop()
	t.Log(r)
	if r.failed == 0 {
		t.Errorf("want failures without draining, got %v", r)
	}
}

// kubectl wait must never believe what was said of the spec before the patch.
func TestReadySpeaksOfTheNewestGeneration(t *testing.T) {
	t.Parallel()
	e := start(t, environment("wait", instances(2)))
	for _, v := range []string{"v2", "v1", "v2"} {
		mustKubectl(t, "patch", "benv", "-n", e.namespace, e.name, "--type=merge", "-p", `{"spec":{"versionRef":{"name":"`+v+`"}}}`)
		mustKubectl(t, "wait", "benv", "-n", e.namespace, e.name, "--for=condition=Ready", "--timeout=2m")
		pods := e.pods(t)
		if len(pods) != 2 {
			t.Errorf("%d instances run after the deployment of %s, want 2", len(pods), v)
		}
		for _, p := range pods {
			if image := p.Spec.Containers[0].Image; image != "localhost/sample-web:"+v {
				t.Errorf("Ready although %s runs %s, want %s", p.Name, image, v)
			}
		}
	}
	e.waitCondition(t, time.Minute, v1alpha1.ConditionVersionDeployed, metav1.ConditionTrue, v1alpha1.ReasonDeployed)
}
