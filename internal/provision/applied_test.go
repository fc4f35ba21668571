// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/internal/database"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

// shelf keeps objects as they should be on a real API server, and counts what is sent.
type shelf struct {
	*testing.T
	*testkit.Bench
	*Provisioner
	namespace string
	clock     testkit.Clock
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	s := &shelf{T: t, Bench: testkit.StartBench(t, func(ctrl.Manager) error { return nil })}
	s.clock.Stopped = time.Now()
	s.Provisioner = &Provisioner{Client: s.Bench.Client, Live: s.Bench.Live, Now: s.clock.Now}
	var err error
	if s.namespace, err = s.MakeNamespace(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// objects of some data: one of a kind whose generation the server counts, and one of a kind without.
func (s *shelf) objects(id string) []database.Object {
	w := database.Wanted{Namespace: s.namespace, Claim: id, ID: id, Resource: id}
	var out []database.Object
	for _, kind := range []struct {
		version, name string
		fields        map[string]any
	}{
		{"v1", "ConfigMap", map[string]any{"data": map[string]any{"is": "ours"}}},
		{"networking.k8s.io/v1", "NetworkPolicy", map[string]any{"spec": map[string]any{"podSelector": map[string]any{}, "policyTypes": []any{"Ingress"}}}},
	} {
		intent := map[string]any{"apiVersion": kind.version, "kind": kind.name, "metadata": w.Metadata(id)}
		for k, v := range kind.fields {
			intent[k] = v
		}
		gv, _ := schema.ParseGroupVersion(kind.version)
		out = append(out, database.Object{Ref: database.Ref{GroupVersionKind: gv.WithKind(kind.name), Name: id}, Intent: intent})
	}
	return out
}

// pass reads and applies, as a pass of the controller does, and says how many requests were sent.
func (s *shelf) pass(id string) int {
	s.Helper()
	want := s.objects(id)
	have, err := s.Read(s.Context(), s.namespace, []database.Ref{want[0].Ref, want[1].Ref})
	if err != nil {
		s.Fatal(err)
	}
	s.Writes.Take()
	if err := s.Provisioner.Apply(s.Context(), want, have); err != nil {
		s.Fatal(err)
	}
	return len(s.Writes.Take())
}

func (s *shelf) wants(id string, requests int, why string) {
	s.Helper()
	if got := s.pass(id); got != requests {
		s.Errorf("%s: %d requests, want %d", why, got, requests)
	}
}

func (s *shelf) change(id string, kind int, patch string) {
	s.Helper()
	want := s.objects(id)[kind]
	have, err := s.Read(s.Context(), s.namespace, []database.Ref{want.Ref})
	if err == nil {
		err = s.Bench.Client.Patch(s.Context(), have[want.Ref], client.RawPatch(types.MergePatchType, []byte(patch)))
	}
	if err != nil {
		s.Fatal(err)
	}
}

// TestApplied counts requests: what is right costs none, what others changed is put right in the next pass, and what is gone is
// forgotten.
func TestApplied(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.wants("a", 2, "nothing is there")
	s.wants("a", 0, "everything is there")
	for _, c := range []struct {
		kind  int
		patch string
	}{
		{0, `{"data":{"is":"theirs"}}`},
		{0, `{"metadata":{"labels":{"app.kubernetes.io/managed-by":null}}}`},
		{1, `{"spec":{"policyTypes":["Ingress","Egress"]}}`},
		{1, `{"metadata":{"labels":{"app.kubernetes.io/managed-by":"Helm"}}}`},
		{1, `{"metadata":{"annotations":{"beanpod.dev/intent-hash":"another"}}}`},
	} {
		s.change("a", c.kind, c.patch)
		s.wants("a", 1, "somebody changed "+c.patch)
		s.wants("a", 0, "it was put right after "+c.patch)
	}
	var cm corev1.ConfigMap
	if err := s.Bench.Live.Get(t.Context(), client.ObjectKey{Namespace: s.namespace, Name: "a"}, &cm); err != nil || cm.Data["is"] != "ours" {
		t.Errorf("the ConfigMap says %v, %v", cm.Data, err)
	}
	s.clock.Ahead += repair
	s.wants("a", 2, "nobody looked for a long time")

	t.Log("what was deleted and made again is another object")
	if err := s.Bench.Client.Delete(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "a"}}); err != nil {
		t.Fatal(err)
	}
	s.wants("a", 1, "one is gone")
	s.wants("a", 0, "it was made again")
}

// TestForgets counts what is remembered while claims come and go.
func TestForgets(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	remembers := func(n int, when string) {
		t.Helper()
		if got := len(s.applied.facts); got != n {
			t.Errorf("%s: %d objects are remembered, want %d", when, got, n)
		}
	}
	for i := range 5 {
		s.pass(fmt.Sprint("claim-", i))
	}
	remembers(10, "five claims")
	s.Release("claim-0")
	remembers(8, "one claim is gone")
	want := s.objects("claim-1")[0]
	have, err := s.Read(t.Context(), s.namespace, []database.Ref{want.Ref})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Provisioner.Delete(t.Context(), have[want.Ref]); err != nil {
		t.Fatal(err)
	}
	remembers(7, "one object was deleted")
	s.Release("")
	remembers(7, "nobody is gone")
	t.Log("claims that went without a word are forgotten while others live")
	s.clock.Ahead += repair
	s.pass("claim-4")
	remembers(2, "one claim is left")
}
