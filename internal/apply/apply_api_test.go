// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package apply_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/apply"
	"github.com/beanpod-dev/beanpod/internal/desired/object"
	"github.com/beanpod-dev/beanpod/internal/desired/webserver"
	"github.com/beanpod-dev/beanpod/internal/desired/workload"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/outcome"
	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

// world is one API server with a recorded client.
type world struct {
	*testing.T
	client.Client
	writes  *testkit.Writes
	applier *apply.Applier
	env     *v1alpha1.Environment
	cfg     settings.Settings
}

func TestApply(t *testing.T) {
	config := testkit.StartAPIServer(t)
	writes := &testkit.Writes{}
	c, err := client.New(writes.Watch(config), client.Options{Scheme: testkit.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	// One after another: they share the record of writes.
	for _, test := range []struct {
		name string
		run  func(*world)
	}{
		{"the number goes to the scaler and back", handOver},
		{"a start value above one is seeded once", seed},
		{"a start value of one costs nothing", noSeed},
		{"what is right is not written, not even after a restart", silence},
		{"what differs is written once", drift},
		{"what others add stays", others},
		{"a field that is no longer wanted goes", removal},
		{"strangers are left alone", strangers},
		{"what is no longer wanted goes, unless it is a stranger's", prune},
		{"a successor of the same name is not deleted", successor},
		{"a rebuild deletes, waits, and makes again", rebuild},
		{"a refusal is told, not retried in a loop", refusal},
		{"a namespace that goes away is left alone", terminating},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := &world{T: t, Client: c, writes: writes, applier: &apply.Applier{Client: c, Live: c}}
			ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "apply-"}}
			w.must(c.Create(t.Context(), ns))
			w.env = testkit.MakeEnvironment(ns.Name, "blue", "v1")
			w.must(c.Create(t.Context(), w.env))
			w.cfg = settings.Settings{
				Name: "blue", Namespace: ns.Name, UID: w.env.UID, Application: "shop", Revision: "r1", Scaler: settings.ScalerNone,
				Version: settings.Version{Name: "v1", Image: "shop:1"}, Min: 1, Max: 4, Desired: 3,
				Processes: []settings.Process{{Name: "web", Port: 8080, Health: settings.Health{IntervalSeconds: 1, TimeoutSeconds: 1, HealthyThreshold: 1, UnhealthyThreshold: 1}}},
			}
			test.run(w)
		})
	}
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) ctx() context.Context { return w.Context() }

func (w *world) want() []object.Object {
	w.Helper()
	slot := plan.Slot{
		Name: "a", Content: snapshot.Content{Revision: w.cfg.Revision, Template: w.cfg.Revision}, Rollout: plan.Rollout{ID: 1, Batch: 1},
		Strategy: plan.Strategy{MaxSurge: intstr.FromInt32(1), MaxUnavailable: intstr.FromInt32(0), ProgressDeadlineSeconds: 600},
	}
	d, err1 := workload.Deployment(w.cfg, slot, snapshot.Snapshot{})
	s, err2 := webserver.Service(w.cfg, plan.Traffic{Slot: "a"})
	sa, err3 := workload.ServiceAccount(w.cfg)
	w.must(errors.Join(err1, err2, err3))
	return []object.Object{d, s, sa}
}

// have reads what exists, as the cache would show it.
func (w *world) have() snapshot.Children {
	w.Helper()
	out := snapshot.Children{}
	for child, obj := range map[naming.Child]client.Object{
		{Kind: naming.Deployment, Name: "blue-a"}: &appsv1.Deployment{}, {Kind: naming.Service, Name: "blue"}: &corev1.Service{},
		{Kind: naming.ServiceAccount, Name: "blue"}: &corev1.ServiceAccount{},
	} {
		err := w.Get(w.ctx(), client.ObjectKey{Namespace: w.env.Namespace, Name: child.Name}, obj)
		if err == nil {
			obj.SetManagedFields(nil)
			out[child] = obj
		} else {
			w.must(client.IgnoreNotFound(err))
		}
	}
	return out
}

// apply is one pass; it returns its writes.
func (w *world) apply() ([]string, error) {
	w.Helper()
	have := w.have()
	w.writes.Take()
	err := w.applier.Apply(w.ctx(), w.env, w.want(), have)
	out := w.writes.Take()
	slices.Sort(out)
	return out, err
}

func (w *world) applied(want ...string) {
	w.Helper()
	got, err := w.apply()
	w.must(err)
	if !slices.Equal(got, want) {
		w.Fatalf("writes are %q, want %q", got, want)
	}
}

func (w *world) deployment() *appsv1.Deployment {
	w.Helper()
	d := &appsv1.Deployment{}
	w.must(w.Get(w.ctx(), client.ObjectKey{Namespace: w.env.Namespace, Name: "blue-a"}, d))
	return d
}

func (w *world) service() *corev1.Service {
	w.Helper()
	s := &corev1.Service{}
	w.must(w.Get(w.ctx(), client.ObjectKeyFromObject(w.env), s))
	return s
}

// replicas asserts the number of instances and the field managers that own it.
func (w *world) replicas(want int32, owners ...string) {
	w.Helper()
	d := w.deployment()
	var got []string
	for _, m := range d.ManagedFields {
		var fields map[string]map[string]any
		w.must(json.Unmarshal(m.FieldsV1.GetRawBytes(), &fields))
		if _, has := fields["f:spec"]["f:replicas"]; has {
			got = append(got, m.Manager)
		}
	}
	if *d.Spec.Replicas != want || !slices.Equal(got, owners) {
		w.Fatalf("%d instances, owned by %q; want %d, owned by %q", *d.Spec.Replicas, got, want, owners)
	}
}

const (
	all        = "PATCH deployments/blue-a"
	service    = "PATCH services/blue"
	account    = "PATCH serviceaccounts/blue"
	autoscaler = "horizontal-pod-autoscaler"
)

func handOver(w *world) {
	w.applied(all, account, service)
	w.replicas(3, apply.FieldManager)

	w.cfg.Scaler = settings.ScalerHPA
	w.applied(all, all)
	w.replicas(3, apply.SeedManager)

	scale := &autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: 5}}
	w.must(w.SubResource("scale").Update(w.ctx(), w.deployment(), client.WithSubResourceBody(scale), client.FieldOwner(autoscaler)))
	w.applied()
	w.cfg.Version.Image = "shop:2"
	w.applied(all)
	w.replicas(5, autoscaler)

	w.cfg.Scaler, w.cfg.Desired = settings.ScalerNone, 2
	w.applied(all)
	w.replicas(2, apply.FieldManager)
	w.applied()
}

func seed(w *world) {
	w.cfg.Scaler, w.cfg.Min = settings.ScalerHPA, 2
	w.applied(all, all, account, service)
	w.replicas(2, apply.SeedManager)
	w.applied()
}

func noSeed(w *world) {
	w.cfg.Scaler = settings.ScalerHPA
	w.applied(all, account, service)
	w.replicas(1)
	w.applied()
}

func silence(w *world) {
	w.applied(all, account, service)
	w.applied()
	w.applier = &apply.Applier{Client: w.Client, Live: w.Client}
	w.applied()
	if got := w.applier.Pending(w.env, w.want(), w.have()); len(got) > 0 {
		w.Errorf("pending: %q", got)
	}
}

func drift(w *world) {
	w.applied(all, account, service)
	d := w.deployment()
	d.Spec.Template.Spec.Containers[0].Image = "evil:1"
	w.must(w.Update(w.ctx(), d))
	if got := w.applier.Pending(w.env, w.want(), w.have()); !slices.Equal(got, []string{"Deployment blue-a"}) {
		w.Errorf("pending: %q", got)
	}
	w.applied(all)
	if got := w.deployment().Spec.Template.Spec.Containers[0].Image; got != "shop:1" {
		w.Errorf("image is %s", got)
	}
	s := w.service()
	s.Spec.Ports[0].TargetPort = intstr.FromInt32(1)
	w.must(w.Update(w.ctx(), s))
	w.applied(service)
	w.must(w.Delete(w.ctx(), w.service()))
	w.applied(service)
	w.applied()
}

func others(w *world) {
	w.applied(all, account, service)
	s := w.service()
	s.Annotations["cloud.example.com/balancer"] = "7"
	w.must(w.Update(w.ctx(), s))
	w.applied()
	w.cfg.Processes[0].Port = 9090
	w.applied(all, service)
	if got := w.service().Annotations["cloud.example.com/balancer"]; got != "7" {
		w.Error("somebody else's annotation is gone")
	}
}

func removal(w *world) {
	w.cfg.TagLabels = map[string]string{"team": "shop"}
	w.cfg.Processes[0].ExtraPorts = []settings.Port{{Name: "admin", Port: 9090}}
	w.applied(all, account, service)
	w.cfg.TagLabels, w.cfg.Processes[0].ExtraPorts = nil, nil
	w.applied(all, account, service)
	if s := w.service(); s.Labels["team"] != "" || len(s.Spec.Ports) != 2 {
		w.Errorf("labels %v, ports %v", s.Labels, s.Spec.Ports)
	}
}

func strangers(w *world) {
	s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: w.env.Namespace, Name: "blue"}}
	s.Spec.Ports = []corev1.ServicePort{{Port: 99}}
	w.must(w.Create(w.ctx(), s))
	got, err := w.apply()
	stall := outcome.AsStall(err)
	if stall == nil || stall.Reason != v1alpha1.ReasonNotOwned || !strings.Contains(stall.Message, "Service blue") || len(got) > 0 {
		w.Fatalf("outcome %v, writes %q", err, got)
	}
	w.must(w.Delete(w.ctx(), s))
	w.applied(all, account, service)
}

func prune(w *world) {
	w.applied(all, account, service)
	have := w.have()
	foreign := w.service()
	foreign.OwnerReferences = nil
	have[naming.Child{Kind: naming.Ingress, Name: "blue"}] = foreign
	w.writes.Take()
	w.must(w.applier.Apply(w.ctx(), w.env, w.want()[:1], have))
	got := w.writes.Take()
	slices.Sort(got)
	if want := []string{"DELETE serviceaccounts/blue", "DELETE services/blue"}; !slices.Equal(got, want) {
		w.Errorf("writes are %q, want %q", got, want)
	}
}

func successor(w *world) {
	w.applied(all, account, service)
	have := w.have()
	w.must(w.Delete(w.ctx(), w.service()))
	w.applied(service)
	err := w.applier.Apply(w.ctx(), w.env, w.want()[:1], have)
	if !apierrors.IsConflict(err) {
		w.Errorf("outcome is %v, want a conflict", err)
	}
	w.service()
}

func rebuild(w *world) {
	w.applied(all, account, service)
	was := w.deployment().UID
	w.env.Annotations = map[string]string{v1alpha1.AnnotationRebuildRequested: "one"}
	w.cfg.RebuildToken = "one"
	got, err := w.apply()
	if wait := outcome.AsWait(err); wait == nil || wait.Reason != v1alpha1.ReasonRebuilding || len(got) != 3 {
		w.Fatalf("outcome %v, writes %q", err, got)
	}
	w.applied(all, account, service)
	if w.deployment().UID == was {
		w.Error("the Deployment is the old one")
	}
	w.applied()
}

func refusal(w *world) {
	w.applied(all, account, service)
	was := w.deployment()
	w.cfg.Processes[0].Port = 70000
	_, err := w.apply()
	stall := outcome.AsStall(err)
	if stall == nil || stall.Reason != v1alpha1.ReasonWriteRefused || stall.After == 0 || !strings.Contains(stall.Message, "blue") {
		w.Fatalf("outcome is %v", err)
	}
	if w.deployment().ResourceVersion != was.ResourceVersion {
		w.Error("the Deployment was written")
	}
	w.cfg.Processes[0].Port = 8081
	w.applied(all, service)
}

func terminating(w *world) {
	// Without a namespace controller it stays in this state.
	w.must(w.Delete(w.ctx(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.env.Namespace}}))
	_, err := w.apply()
	if stall := outcome.AsStall(err); stall == nil || stall.Reason != v1alpha1.ReasonNamespaceTerminating {
		w.Fatalf("outcome is %v", err)
	}
}
