// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package evidence_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/evidence"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

// requests records what a client asks about ConfigMaps.
type requests struct {
	inner http.RoundTripper
	mu    *sync.Mutex
	seen  *[]string
}

// RoundTrip records the request and sends it.
func (r requests) RoundTrip(req *http.Request) (*http.Response, error) {
	if _, name, found := strings.Cut(req.URL.Path, "/configmaps"); found {
		what := req.Method + " configmaps" + name
		if strings.Contains(req.Header.Get("Accept"), "as=PartialObjectMetadata") {
			what += " metadata"
		}
		r.mu.Lock()
		*r.seen = append(*r.seen, what)
		r.mu.Unlock()
	}
	return r.inner.RoundTrip(req)
}

// bench is an API server, behind the manager's client.
type bench struct {
	*testing.T
	direct client.Client
	keeper *evidence.Keeper
	env    *v1alpha1.Environment
	mu     *sync.Mutex
	seen   *[]string
}

func TestKeeper(t *testing.T) {
	config := testkit.StartAPIServer(t)
	direct, err := client.New(config, client.Options{Scheme: testkit.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var seen []string
	recorded := rest.CopyConfig(config)
	recorded.Wrap(func(inner http.RoundTripper) http.RoundTripper { return requests{inner, &mu, &seen} })
	mgr := testkit.StartManager(t, recorded, "", func(ctrl.Manager) error { return nil })
	// One after another: they share the record of requests.
	for _, test := range []struct {
		name string
		run  func(*bench)
	}{
		{"what is made, and what it costs", made},
		{"a second pass changes nothing", twice},
		{"two passes at once", race},
		{"a stranger's is left alone", stranger},
		{"a predecessor's is left alone", predecessor},
		{"a stranger that comes while logs are read", lateStranger},
		{"a full one is accepted", full},
		{"prune", prune},
		{"a successor of the same name is not pruned", successor},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := &bench{T: t, direct: direct, mu: &mu, seen: &seen}
			ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "evidence-"}}
			b.must(direct.Create(t.Context(), ns))
			b.env = testkit.MakeEnvironment(ns.Name, "blue", "v2")
			b.must(direct.Create(t.Context(), b.env))
			b.keeper = &evidence.Keeper{
				Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Logs: everything{}, Now: func() time.Time { return noon },
			}
			b.take()
			test.run(b)
		})
	}
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bench) take() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := *b.seen
	*b.seen = nil
	return out
}

// asked asserts the requests since the last call.
func (b *bench) asked(want ...string) {
	b.Helper()
	if diff := cmp.Diff(want, b.take()); diff != "" {
		b.Errorf("requests (-want +got):\n%s", diff)
	}
}

func (b *bench) keep(id int64) string {
	b.Helper()
	f := failure(running("a", false))
	f.ID = id
	name, err := b.keeper.Keep(b.Context(), b.env, f)
	b.must(err)
	return name
}

func (b *bench) read(name string) *corev1.ConfigMap {
	b.Helper()
	out := &corev1.ConfigMap{}
	b.must(b.direct.Get(b.Context(), client.ObjectKey{Namespace: b.env.Namespace, Name: name}, out))
	return out
}

// foreign makes a ConfigMap that is not ours, whatever its labels say.
func (b *bench) foreign(name string, labels map[string]string, owners ...metav1.OwnerReference) *corev1.ConfigMap {
	b.Helper()
	cm := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: b.env.Namespace, Name: name, Labels: labels, OwnerReferences: owners},
		Data:       map[string]string{"mine": "yes"},
	}
	b.must(b.direct.Create(b.Context(), cm))
	return cm
}

// refused asserts that Keep leaves a ConfigMap alone.
func (b *bench) refused() {
	b.Helper()
	name, err := b.keeper.Keep(b.Context(), b.env, failure(running("a", false)))
	if name != "" || !errors.Is(err, evidence.ErrNotOwned) || !strings.Contains(err.Error(), "blue-deployment-7") {
		b.Errorf("Keep = %q, %v; want ErrNotOwned", name, err)
	}
	if diff := cmp.Diff(map[string]string{"mine": "yes"}, b.read("blue-deployment-7").Data); diff != "" {
		b.Errorf("the stranger's data (-want +got):\n%s", diff)
	}
}

const (
	look   = "GET configmaps/blue-deployment-7 metadata"
	create = "POST configmaps"
)

func made(b *bench) {
	if name := b.keep(7); name != "blue-deployment-7" {
		b.Errorf("the name is %q", name)
	}
	b.asked(look, create)
	cm := b.read("blue-deployment-7")
	yes := true
	want := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: b.env.Namespace, Name: "blue-deployment-7",
			Labels: map[string]string{
				"app.kubernetes.io/managed-by": "beanpod", "beanpod.dev/environment": "blue", "beanpod.dev/environment-uid": string(b.env.UID),
				"beanpod.dev/application": "shop", "beanpod.dev/deployment": "7",
			},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "beanpod.dev/v1alpha1", Kind: "Environment", Name: "blue", UID: b.env.UID, Controller: &yes, BlockOwnerDeletion: &yes,
			}},
		},
		Immutable: &yes,
		Data:      map[string]string{"a.web.log": "something\n", evidence.SummaryKey: cm.Data[evidence.SummaryKey]},
	}
	got := cm.DeepCopy()
	got.UID, got.ResourceVersion, got.CreationTimestamp, got.ManagedFields = "", "", metav1.Time{}, nil
	if diff := cmp.Diff(want, got); diff != "" {
		b.Errorf("ConfigMap (-want +got):\n%s", diff)
	}
}

func twice(b *bench) {
	first := b.read(b.keep(7))
	b.take()
	b.keeper.Now = time.Now
	b.keeper.Logs = nil
	second := b.read(b.keep(7))
	b.asked(look)
	if diff := cmp.Diff(first, second); diff != "" {
		b.Errorf("the second pass changed it:\n%s", diff)
	}
}

// meanwhile does something while a log is read.
type meanwhile func()

func (m meanwhile) Tail(context.Context, string, string, string, bool, int64, int64) (string, error) {
	m()
	return "late\n", nil
}

func race(b *bench) {
	quick := *b.keeper
	b.keeper.Logs = meanwhile(func() {
		if _, err := quick.Keep(b.Context(), b.env, failure(running("a", false))); err != nil {
			b.Error(err)
		}
	})
	if got := b.read(b.keep(7)).Data["a.web.log"]; got != "something\n" {
		b.Errorf("the log is %q, want that of the quicker pass", got)
	}
	b.asked(look, look, create, create, look)
}

func stranger(b *bench) {
	b.foreign("blue-deployment-7", nil)
	b.refused()
	b.asked(look)
}

func predecessor(b *bench) {
	owner := *metav1.NewControllerRef(b.env, v1alpha1.GroupVersion.WithKind("Environment"))
	owner.UID = "11111111-2222-3333-4444-555555555555"
	b.foreign("blue-deployment-7", nil, owner)
	b.refused()
}

func lateStranger(b *bench) {
	b.keeper.Logs = meanwhile(func() { b.foreign("blue-deployment-7", nil) })
	b.refused()
}

// full has characters that JSON would write with six bytes each.
func full(b *bench) {
	b.keeper.Logs = &logs{text: map[string]string{}}
	var pods []snapshot.Instance
	for i := range 200 {
		pod := crashing(fmt.Sprintf("blue-a-7c9d8f-%03d", i), "one", "two", "three")
		for j := range pod.Containers {
			pod.Containers[j].Message = strings.Repeat("<", 2000)
			b.keeper.Logs.(*logs).text[pod.Name+"/"+pod.Containers[j].Name+"/previous"] = strings.Repeat(strings.Repeat("<", 4000)+"\n", 60)
		}
		pods = append(pods, pod)
	}
	name, err := b.keeper.Keep(b.Context(), b.env, failure(pods...))
	b.must(err)
	cm := b.read(name)
	checkFits(b.T, cm)
	if cm.Size() < 900_000 {
		b.Errorf("it has only %d bytes", cm.Size())
	}
}

func (b *bench) names() []string {
	b.Helper()
	var list corev1.ConfigMapList
	b.must(b.direct.List(b.Context(), &list, client.InNamespace(b.env.Namespace)))
	var out []string
	for _, cm := range list.Items {
		out = append(out, cm.Name)
	}
	slices.Sort(out)
	return out
}

func prune(b *bench) {
	ours := b.read(b.keep(1)).Labels
	for id := range int64(4) {
		b.keep(id + 2)
	}
	b.foreign("labelled", ours)
	b.foreign("settings", nil)
	green := testkit.MakeEnvironment(b.env.Namespace, "green", "v2")
	b.must(b.direct.Create(b.Context(), green))
	if _, err := b.keeper.Keep(b.Context(), green, failure()); err != nil {
		b.Fatal(err)
	}
	b.take()
	b.must(b.keeper.Prune(b.Context(), b.env, []string{"blue-deployment-5", "blue-deployment-3", "blue-deployment-99"}))
	b.asked("GET configmaps metadata", "DELETE configmaps/blue-deployment-1",
		"DELETE configmaps/blue-deployment-2", "DELETE configmaps/blue-deployment-4")
	want := []string{"blue-deployment-3", "blue-deployment-5", "green-deployment-7", "labelled", "settings"}
	if diff := cmp.Diff(want, b.names()); diff != "" {
		b.Errorf("ConfigMaps that are left (-want +got):\n%s", diff)
	}
	b.must(b.keeper.Prune(b.Context(), b.env, nil))
	if diff := cmp.Diff(want[2:], b.names()); diff != "" {
		b.Errorf("ConfigMaps that are left when none is wanted (-want +got):\n%s", diff)
	}
}

// swapping does something in the moment before a delete.
type swapping struct {
	client.Client
	before func()
}

func (s swapping) Delete(ctx context.Context, obj client.Object, opts ...client.DeleteOption) error {
	s.before()
	return s.Client.Delete(ctx, obj, opts...)
}

func successor(b *bench) {
	name := b.keep(7)
	b.keeper.Client = swapping{Client: b.keeper.Client, before: func() {
		b.must(b.direct.Delete(b.Context(), b.read(name)))
		b.foreign(name, nil)
	}}
	b.must(b.keeper.Prune(b.Context(), b.env, nil))
	if b.read(name).Data["mine"] != "yes" {
		b.Error("the successor is gone")
	}
}
