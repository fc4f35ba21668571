// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// books are what the web environment's ledger says of the work that was done.
type books struct {
	Messages, Again int
	Tasks           []string
}

// jobs is a web environment that puts messages into the queue of a worker environment, and keeps the ledger of what was worked on.
type jobs struct{ web, worker environmentHandle }

func startJobs(t *testing.T, ns string, tweaks ...func(*v1alpha1.Environment)) jobs {
	t.Helper()
	if err := makeNamespace(ns); err != nil {
		t.Fatal(err)
	}
	web := ns + "-web"
	worker := environment(ns+"-worker", append([]func(*v1alpha1.Environment){in(ns), instances(2), func(e *v1alpha1.Environment) {
		e.Spec.Tier = v1alpha1.TierWorker
		e.Spec.Worker = &v1alpha1.Worker{
			Queue: v1alpha1.Queue{Generated: &v1alpha1.GeneratedQueue{}}, Path: "/work", MaxRetries: new(int32(2)), Connections: new(int32(10)),
			InactivityTimeoutSeconds: new(int32(20)), VisibilityTimeoutSeconds: new(int32(30)), ErrorVisibilityTimeoutSeconds: new(int32(1)),
		}
		e.Spec.EnvironmentProperties = []v1alpha1.EnvironmentProperty{
			{Name: "LEDGER", Value: new("http://" + web + "/ledger")}, {Name: "WORK_MS", Value: new("50")},
		}
	}}, tweaks...)...)
	j := jobs{worker: start(t, worker)}
	j.web = start(t, environment(web, in(ns), instances(1), func(e *v1alpha1.Environment) {
		e.Spec.Links = []v1alpha1.Link{{Variable: "JOBS_QUEUE", EnvironmentRef: v1alpha1.LocalReference{Name: worker.Name}}}
	}))
	return j
}

// put has the web environment enqueue.
func (j jobs) put(t *testing.T, query string) {
	t.Helper()
	eventually(t, time.Minute, "enqueueing "+query, func() error {
		body, err := fetch(newClient(false), j.web.host(t), "/enqueue?"+query)
		if err == nil && !strings.Contains(string(body), "messages") {
			err = fmt.Errorf("it says %q", body)
		}
		return err
	})
}

func (j jobs) books(t *testing.T) (b books, err error) {
	t.Helper()
	body, err := fetch(newClient(false), j.web.host(t), "/ledger")
	if err == nil {
		err = json.Unmarshal(body, &b)
	}
	return b, err
}

// worked waits until so many messages were worked on.
func (j jobs) worked(t *testing.T, messages int) books {
	t.Helper()
	var b books
	eventually(t, 3*time.Minute, fmt.Sprintf("%d messages", messages), func() (err error) {
		if b, err = j.books(t); err == nil && b.Messages < messages {
			err = fmt.Errorf("%d so far", b.Messages)
		}
		return err
	})
	if b.Messages > messages {
		t.Errorf("%d messages were worked on, but only %d were sent", b.Messages, messages)
	}
	return b
}

// TestAWorkerWorks is the way of a user without a command line: a web application enqueues, a worker works, a periodic task fires, and a
// poisonous message ends in the dead-letter queue and shows.
func TestAWorkerWorks(t *testing.T) {
	t.Parallel()
	j := startJobs(t, "jobs", func(e *v1alpha1.Environment) {
		e.Spec.Worker.PeriodicTasks = []v1alpha1.PeriodicTask{{Name: "audit", Path: "/work", Schedule: "* * * * *"}}
	})
	s := j.worker.get(t).Status.Queue
	if s == nil || !strings.HasPrefix(s.URL, "nats://") || !strings.HasSuffix(s.DeadLetterURL, "-dead") {
		t.Fatalf("status.queue = %+v", s)
	}
	j.put(t, "n=200")
	if b := j.worked(t, 200); b.Again != 0 {
		t.Errorf("%d messages were worked on again, although nothing stopped", b.Again)
	}
	j.put(t, "body=poison")
	eventually(t, 2*time.Minute, "the poisonous message as a cause", func() error {
		for _, c := range j.worker.get(t).Status.Health.Causes {
			if strings.Contains(c.Code, "DeadLetter") {
				return nil
			}
		}
		return fmt.Errorf("the causes are %+v", j.worker.get(t).Status.Health.Causes)
	})
	eventually(t, 2*time.Minute, "the periodic task", func() error {
		b, err := j.books(t)
		if err == nil && len(b.Tasks) == 0 {
			err = fmt.Errorf("no task ran yet")
		}
		return err
	})
	if out := mustKubectl(t, "logs", "-n", j.worker.namespace, j.worker.pods(t)[0].Name); strings.Contains(out, `"level"`) {
		t.Errorf("kubectl logs does not show the application:\n%s", out)
	}
}

// TestAWorkerIsReplacedWithoutADuplicate changes the version and the number of instances while messages flow: each is worked on once.
func TestAWorkerIsReplacedWithoutADuplicate(t *testing.T) {
	t.Parallel()
	const each, rounds = 100, 12
	j := startJobs(t, "draining", instances(3))
	for i := range rounds {
		j.put(t, fmt.Sprintf("n=%d&from=%d", each, i*each))
		switch i {
		case 2:
			j.worker.deploy(t, "v2")
		case 8:
			j.worker.patch(t, spec(map[string]any{"capacity": map[string]any{"desired": 1}}))
		}
		time.Sleep(2 * time.Second)
	}
	j.worker.waitVersion(t, "v2")
	if b := j.worked(t, each*rounds); b.Again != 0 {
		t.Errorf("%d of %d messages were worked on again", b.Again, each*rounds)
	}
	for _, p := range j.worker.pods(t) {
		if p.Spec.Containers[0].Name == "web" || !isSidecar(p, "web") {
			t.Errorf("the application of %s is not a sidecar", p.Name)
		}
	}
}

// TestAWorkerScalesWithItsQueue goes to zero while there is no work, up when there is much, and back, and each message is worked on once.
func TestAWorkerScalesWithItsQueue(t *testing.T) {
	t.Parallel()
	const messages = 400
	j := startJobs(t, "elastic", func(e *v1alpha1.Environment) {
		e.Spec.Capacity.Min, e.Spec.Capacity.Max, e.Spec.Capacity.Desired = new(int32(0)), new(int32(4)), nil
		e.Spec.Capacity.Autoscaling = &v1alpha1.Autoscaling{
			Triggers: []v1alpha1.ScalingTrigger{{Type: v1alpha1.TriggerQueueDepth, Target: 50}}, ScaleDownStabilizationSeconds: new(int32(10)),
		}
		e.Spec.EnvironmentProperties[1].Value = new("1500")
	})
	size := func(want int) func() error {
		return func() error {
			if n := len(j.worker.pods(t)); n != want {
				return fmt.Errorf("%d instances", n)
			}
			return nil
		}
	}
	eventually(t, 2*time.Minute, "no instance", size(0))
	j.put(t, fmt.Sprintf("n=%d", messages))
	eventually(t, time.Minute, "four instances", size(4))
	if b := j.worked(t, messages); b.Again != 0 {
		t.Errorf("%d of %d messages were worked on again", b.Again, messages)
	}
	eventually(t, 2*time.Minute, "no instance again", size(0))
	if b, err := j.books(t); err != nil || b.Again != 0 {
		t.Errorf("%d of %d messages were worked on again (%v)", b.Again, messages, err)
	}
	if out := mustKubectl(t, "get", "events", "-n", j.worker.namespace, "--field-selector", "reason=Scaled"); !strings.Contains(out, "messages wait") {
		t.Errorf("the events do not say why:\n%s", out)
	}
}

func isSidecar(p corev1.Pod, name string) bool {
	for _, c := range p.Spec.InitContainers {
		if c.Name == name {
			return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
		}
	}
	return false
}
