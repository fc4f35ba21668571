// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// elastic makes a worker scale by its queue, one instance for 50 messages, each of which takes as long as is said.
func elastic(engine v1alpha1.ScalingEngine, least, most int32, takes string) func(*v1alpha1.Environment) {
	return func(e *v1alpha1.Environment) {
		e.Spec.Capacity.Min, e.Spec.Capacity.Max, e.Spec.Capacity.Desired = &least, &most, nil
		e.Spec.Capacity.Autoscaling = &v1alpha1.Autoscaling{
			Engine: engine, Triggers: []v1alpha1.ScalingTrigger{{Type: v1alpha1.TriggerQueueDepth, Target: 50}}, ScaleDownStabilizationSeconds: new(int32(10)),
		}
		e.Spec.EnvironmentProperties[1].Value = &takes
	}
}

// size waits for a number of instances.
func (j jobs) size(t *testing.T, limit time.Duration, want int) {
	t.Helper()
	eventually(t, limit, fmt.Sprintf("%d instances of %s", want, j.worker.name), func() error {
		if n := len(j.worker.pods(t)); n != want {
			return fmt.Errorf("%d instances", n)
		}
		return nil
	})
}

// kedaScales is 0 instances, several, and 0 again, by KEDA alone; then KEDA does not find the broker any more.
func kedaScales(t *testing.T) {
	const messages = 900
	j := startJobs(t, "keda-nats", elastic(v1alpha1.ScalingKEDA, 0, 4, "1500"))
	j.scalerReady(t, 2*time.Minute, metav1.ConditionTrue)
	j.size(t, 5*time.Minute, 0) // the first instance stays for as long as a deployment may take
	j.put(t, fmt.Sprintf("n=%d", messages))
	j.size(t, 2*time.Minute, 4)
	if b := j.worked(t, messages); b.Again != 0 {
		t.Errorf("%d of %d messages were worked on again", b.Again, messages)
	}
	j.size(t, 3*time.Minute, 0)
	if b, err := j.books(t); err != nil || b.Again != 0 || b.Messages != messages {
		t.Errorf("%+v (%v), want %d messages and none again", b, err, messages)
	}
	if !gone(t, &autoscalingv2.HorizontalPodAutoscaler{}, j.worker.namespace, j.worker.name) {
		t.Error("there is an autoscaler of ours")
	}
	if m := j.worker.deployment(t).ManagedFields; slices.ContainsFunc(m, func(m metav1.ManagedFieldsEntry) bool { return m.Manager == "beanpod-scale" }) {
		t.Error("the operator scaled, too")
	}

	j.losesSight(t)
}

// losesSight gives a worker without instances a new queue, where KEDA is told to look in the wrong place.
func (j jobs) losesSight(t *testing.T) {
	t.Helper()
	const stream, messages = "orders", 50
	makeStream(t, stream)
	look := func(monitoring string) {
		queue := map[string]any{"url": "nats://beanpod-nats." + operatorNamespace + ":4222", "stream": stream, "monitoringURL": monitoring}
		j.worker.patch(t, spec(map[string]any{"worker": map[string]any{"queue": map[string]any{"generated": nil, "nats": queue}}}))
	}
	before := j.web.pods(t)[0].Name
	look("http://nobody.keda:8222")
	message := j.scalerReady(t, 2*time.Minute, metav1.ConditionFalse)
	if !strings.Contains(message, "kubectl describe scaledobject "+j.worker.name) {
		t.Errorf("the condition says %q", message)
	}
	tell(t, "KEDA without its broker: %s", message)
	// What waits need not wait for KEDA. Besides, the consumer that KEDA will ask for is made by the first instance.
	j.size(t, time.Minute, 1)
	// The link to the queue is another one now, and a new instance has new books.
	mustKubectl(t, "wait", "--for=delete", "-n", j.web.namespace, "pod/"+before, "--timeout=2m")
	j.web.waitReady(t, time.Minute)
	j.put(t, fmt.Sprintf("n=%d", messages))
	j.worked(t, messages)
	j.unscaled(t)
	look("http://beanpod-nats." + operatorNamespace + ":8222")
	j.scalerReady(t, 2*time.Minute, metav1.ConditionTrue)
	j.size(t, 2*time.Minute, 0)
	time.Sleep(20 * time.Second) // an autoscaler looks every 15
	if out := mustKubectl(t, "get", "events", "-n", j.worker.namespace, "--field-selector", "reason=Scaled", "-o", "name"); strings.Count(out, "\n") != 1 {
		t.Errorf("the operator brought an instance back %d times, want once", strings.Count(out, "\n"))
	}
	j.put(t, fmt.Sprintf("n=%d&from=%d", messages, messages))
	if b := j.worked(t, 2*messages); b.Again != 0 {
		t.Errorf("%d messages were worked on again", b.Again)
	}
}

// makeStream makes a stream that is nobody's yet.
func makeStream(t *testing.T, name string) {
	t.Helper()
	var server corev1.Service
	get(t, func(ctx context.Context) error {
		return k8s.Get(ctx, client.ObjectKey{Namespace: operatorNamespace, Name: "beanpod-nats"}, &server)
	})
	conn, err := nats.Connect("nats://" + net.JoinHostPort(server.Spec.ClusterIP, "4222"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{
		Name: name, Subjects: []string{name}, Retention: jetstream.WorkQueuePolicy, Discard: jetstream.DiscardNew, MaxAge: 24 * time.Hour,
	}); err != nil {
		t.Fatal(err)
	}
}

// kedaChangesHands changes the engine to KEDA and back while messages wait: never two scalers, never no instance.
func kedaChangesHands(t *testing.T) {
	const messages = 3000
	j := startJobs(t, "keda-hands", elastic(v1alpha1.ScalingAuto, 0, 3, "1000"))
	j.put(t, fmt.Sprintf("n=%d", messages))
	j.size(t, 2*time.Minute, 3)
	saw := j.watchScalers(t)
	engine := func(e v1alpha1.ScalingEngine) {
		j.worker.patch(t, spec(map[string]any{"capacity": map[string]any{"autoscaling": map[string]any{"engine": e}}}))
	}
	engine(v1alpha1.ScalingKEDA)
	j.scalerReady(t, time.Minute, metav1.ConditionTrue)
	time.Sleep(20 * time.Second) // KEDA's autoscaler looks every 15
	engine(v1alpha1.ScalingBuiltIn)
	eventually(t, time.Minute, "the end of the ScaledObject", func() error {
		if o := scaledObject(); !gone(t, o, j.worker.namespace, j.worker.name) {
			return fmt.Errorf("it has the finalizers %v", o.GetFinalizers())
		}
		return nil
	})
	j.worker.waitReady(t, time.Minute)
	if b, err := j.books(t); err != nil || b.Messages >= messages {
		t.Fatalf("no message waits any more (%v), so nothing was shown", err)
	}
	for _, problem := range saw() {
		t.Error(problem)
	}
	if b := j.worked(t, messages); b.Again != 0 {
		t.Errorf("%d of %d messages were worked on again", b.Again, messages)
	}
	j.size(t, 2*time.Minute, 0)
}

// watchScalers looks again and again at what scales the worker, and returns what tells which wrongs it saw.
func (j jobs) watchScalers(t *testing.T) (saw func() []string) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan []string)
	inside := client.InNamespace(j.worker.namespace)
	go func() {
		wrongs, looks := map[string]bool{}, 0
		for ; ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
			var autoscalers autoscalingv2.HorizontalPodAutoscalerList
			var deployments appsv1.DeploymentList
			// In this order: an autoscaler that is seen after the ScaledObject was not there has outlived it.
			missing := apierrors.IsNotFound(k8s.Get(ctx, client.ObjectKey{Namespace: j.worker.namespace, Name: j.worker.name}, scaledObject()))
			if k8s.List(ctx, &autoscalers, inside) != nil || k8s.List(ctx, &deployments, inside, client.MatchingLabels{v1alpha1.LabelEnvironment: j.worker.name}) != nil {
				continue
			}
			looks++
			if missing && len(autoscalers.Items) > 0 {
				wrongs["the autoscaler "+autoscalers.Items[0].Name+" outlived its ScaledObject"] = true
			}
			if len(autoscalers.Items) > 1 {
				wrongs["two autoscalers"] = true
			}
			for _, d := range deployments.Items {
				if *d.Spec.Replicas == 0 {
					wrongs["no instance was wanted although messages waited"] = true
				}
			}
		}
		if looks < 100 {
			wrongs[fmt.Sprintf("only %d looks, so nothing was shown", looks)] = true
		}
		var out []string
		for w := range wrongs {
			out = append(out, w)
		}
		done <- out
	}()
	return func() []string {
		cancel()
		return <-done
	}
}

// kedaAsksRedis scales by a stream of Debian's Redis with a password, which somebody changes then.
func kedaAsksRedis(t *testing.T) {
	const ns, messages, secret = "keda-redis", 400, "redis-login"
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("there is no redis-server")
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(theCluster.hostIP, "0"))
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	host, port, _ := net.SplitHostPort(address)
	server := exec.CommandContext(t.Context(), "redis-server", "--bind", host, "--port", port, "--requirepass", "right", "--dir", t.TempDir(), "--appendonly", "yes")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
	ask := func(password, commands string) {
		t.Helper()
		cmd := exec.Command("redis-cli", "-h", host, "-p", port, "--no-auth-warning", "-a", password)
		cmd.Stdin = strings.NewReader(commands)
		if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), "ERR") {
			t.Fatalf("redis-cli: %v\n%s", err, out)
		}
	}
	if err := makeNamespace(ns); err != nil {
		t.Fatal(err)
	}
	create(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: secret}, StringData: map[string]string{"password": "right"}})
	eventually(t, 10*time.Second, "redis", func() error {
		c, err := net.Dial("tcp", address)
		if err == nil {
			_ = c.Close()
		}
		return err
	})
	ask("right", "XGROUP CREATE jobs beanpod $ MKSTREAM\n")
	j := startJobs(t, ns, elastic(v1alpha1.ScalingKEDA, 1, 3, "1000"), func(e *v1alpha1.Environment) {
		e.Spec.Worker.Queue = v1alpha1.Queue{Redis: &v1alpha1.RedisQueue{
			URL: "redis://" + address, Stream: "jobs", CredentialsRef: &v1alpha1.LocalReference{Name: secret},
		}}
	})
	j.scalerReady(t, 2*time.Minute, metav1.ConditionTrue)
	var add strings.Builder
	for i := range messages {
		fmt.Fprintf(&add, "XADD jobs * body message-%d\n", i)
	}
	ask("right", add.String())
	j.size(t, 2*time.Minute, 3)
	if b := j.worked(t, messages); b.Again != 0 {
		t.Errorf("%d of %d messages were worked on again", b.Again, messages)
	}
	j.size(t, 3*time.Minute, 1)
	ask("right", "CONFIG SET requirepass other\nCLIENT KILL TYPE normal SKIPME yes\n")
	message := j.scalerReady(t, 2*time.Minute, metav1.ConditionFalse)
	tell(t, "KEDA with a wrong password: %s", message)
	if strings.Contains(message, "right") {
		t.Error("the condition tells the password")
	}
	ask("other", "CONFIG SET requirepass right\n")
	j.scalerReady(t, 3*time.Minute, metav1.ConditionTrue)
}

// kedaFallsSilent ends KEDA's operator: an environment that it scaled tells, and so does one that it never saw.
func kedaFallsSilent(t *testing.T) {
	old := startJobs(t, "keda-silent", elastic(v1alpha1.ScalingKEDA, 1, 2, "10"))
	old.scalerReady(t, 2*time.Minute, metav1.ConditionTrue)
	mustKubectl(t, "scale", "-n", kedaNamespace, "deployment/keda-operator", "--replicas=0")
	fresh := startJobs(t, "keda-unseen", elastic(v1alpha1.ScalingKEDA, 1, 2, "10"))
	tell(t, "KEDA that never spoke: %s", fresh.scalerReady(t, time.Minute, metav1.ConditionUnknown))
	tell(t, "KEDA that fell silent: %s", old.scalerReady(t, 3*time.Minute, metav1.ConditionFalse))
	old.unscaled(t)
	fresh.unscaled(t)
	mustKubectl(t, "scale", "-n", kedaNamespace, "deployment/keda-operator", "--replicas=1")
	kedaRuns(t, "keda-operator")
	for _, j := range []jobs{old, fresh} {
		j.scalerReady(t, 3*time.Minute, metav1.ConditionTrue)
		eventually(t, time.Minute, "health without it", func() error {
			if h := j.worker.get(t).Status.Health; h.Status != v1alpha1.HealthOk {
				return fmt.Errorf("%s: %v", h.Status, h.Causes)
			}
			return nil
		})
	}
}

// scalerReady waits until the condition has a status, and returns its message.
func (j jobs) scalerReady(t *testing.T, limit time.Duration, status metav1.ConditionStatus) (message string) {
	t.Helper()
	j.worker.waitCondition(t, limit, v1alpha1.ConditionScalerReady, status, "")
	return meta.FindStatusCondition(j.worker.get(t).Status.Conditions, v1alpha1.ConditionScalerReady).Message
}

// unscaled waits until health tells, after three minutes, that KEDA does not scale.
func (j jobs) unscaled(t *testing.T) {
	t.Helper()
	eventually(t, 5*time.Minute, "the cause ScalerNotReady", func() error {
		h := j.worker.get(t).Status.Health
		if !slices.ContainsFunc(h.Causes, func(c v1alpha1.HealthCause) bool { return c.Code == "ScalerNotReady" }) {
			return fmt.Errorf("health is %s because of %+v", h.Status, h.Causes)
		}
		return nil
	})
}

func scaledObject() *unstructured.Unstructured {
	o := &unstructured.Unstructured{}
	o.SetAPIVersion("keda.sh/v1alpha1")
	o.SetKind("ScaledObject")
	return o
}
