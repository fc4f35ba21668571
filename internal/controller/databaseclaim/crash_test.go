// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package databaseclaim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/database"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

var errCrash = errors.New("the operator crashed")

// mortal is a client whose operator crashes at one of its writes: before it reaches the server, or before the answer is seen.
type mortal struct {
	client.Client
	at, count int
	after     bool
	dead      bool
}

func (m *mortal) write(do func() error) error {
	if m.dead {
		return errCrash
	}
	m.count++
	m.dead = m.count == m.at
	if m.dead && !m.after {
		return errCrash
	}
	err := do()
	if m.dead {
		return errCrash
	}
	return err
}

func (m *mortal) Create(ctx context.Context, obj client.Object, opts ...client.CreateOption) error {
	return m.write(func() error { return m.Client.Create(ctx, obj, opts...) })
}

func (m *mortal) Apply(ctx context.Context, obj runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
	return m.write(func() error { return m.Client.Apply(ctx, obj, opts...) })
}

func (m *mortal) Delete(ctx context.Context, obj client.Object, opts ...client.DeleteOption) error {
	return m.write(func() error { return m.Client.Delete(ctx, obj, opts...) })
}

func (m *mortal) Patch(ctx context.Context, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
	return m.write(func() error { return m.Client.Patch(ctx, obj, patch, opts...) })
}

func (m *mortal) Status() client.SubResourceWriter { return mortalStatus{m.Client.Status(), m} }

type mortalStatus struct {
	client.SubResourceWriter
	mortal *mortal
}

func (m mortalStatus) Patch(ctx context.Context, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
	return m.mortal.write(func() error { return m.SubResourceWriter.Patch(ctx, obj, patch, opts...) })
}

// life is the story of a database, from its claim to its end, played pass by pass.
type life struct {
	*testing.T
	bench     *testkit.Bench
	namespace string
	clock     clock
	client    *mortal
	operator  *Reconciler
	secret    string
	toy       types.UID
	restarts  int
}

func (l *life) start(m *mortal) {
	l.client = m
	l.operator = New(Dependencies{
		Client: m, Live: l.bench.Live, Recorder: events.NewFakeRecorder(1000), Now: l.clock.Now, ClusterScoped: true, DeletionDelay: time.Minute,
		Providers: map[v1alpha1.DatabaseProvider]database.Provider{v1alpha1.DatabaseBuiltIn: toy{}},
	})
}

func (l *life) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatalf("crash at write %d, after %t: %v", l.client.at, l.client.after, err)
	}
}

// pass is one pass over a claim; an operator that crashed in it is started again.
func (l *life) pass(name string) {
	l.Helper()
	var claim v1alpha1.DatabaseClaim
	err := l.bench.Live.Get(l.Context(), client.ObjectKey{Namespace: l.namespace, Name: name}, &claim)
	if apierrors.IsNotFound(err) {
		return
	}
	l.must(err)
	_, err = l.operator.Reconcile(l.Context(), &claim)
	if errors.Is(err, errCrash) {
		l.restarts++
		l.start(&mortal{Client: l.client.Client})
		return
	}
	if err != nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
		l.must(err)
	}
}

// until plays passes until something is so, with time going on.
func (l *life) until(name, what string, so func() bool) {
	l.Helper()
	for range 60 {
		l.pass(name)
		if so() {
			return
		}
		l.clock.Jump(5 * time.Second)
		l.collect()
	}
	var claim v1alpha1.DatabaseClaim
	_ = l.bench.Live.Get(l.Context(), client.ObjectKey{Namespace: l.namespace, Name: name}, &claim)
	l.Fatalf("crash at write %d, after %t: %s: never %s: %+v", l.client.at, l.client.after, name, what, claim.Status)
}

// collect is the garbage collector, which an API server alone does not have.
func (l *life) collect() {
	var list corev1.ConfigMapList
	l.must(l.bench.Live.(client.Reader).List(l.Context(), &list, client.InNamespace(l.namespace)))
	for i := range list.Items {
		if list.Items[i].DeletionTimestamp != nil {
			l.patch(&list.Items[i], `{"metadata":{"finalizers":null}}`)
		}
	}
}

func (l *life) patch(obj client.Object, text string) {
	l.Helper()
	l.must(client.IgnoreNotFound(l.bench.Client.Patch(l.Context(), obj, client.RawPatch(types.MergePatchType, []byte(text)))))
}

func (l *life) claim(name string) *v1alpha1.DatabaseClaim {
	return &v1alpha1.DatabaseClaim{ObjectMeta: metav1.ObjectMeta{Namespace: l.namespace, Name: name}}
}

func (l *life) is(name, reason string) func() bool {
	return func() bool {
		c := l.claim(name)
		l.must(l.bench.Live.Get(l.Context(), client.ObjectKeyFromObject(c), c))
		for _, kind := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionTerminating} {
			if is := condition.Find(c.Status.Conditions, kind); is != nil && is.Reason == reason && is.ObservedGeneration == c.Generation {
				return true
			}
		}
		return false
	}
}

func (l *life) gone(obj client.Object) func() bool {
	return func() bool {
		return apierrors.IsNotFound(l.bench.Live.Get(l.Context(), client.ObjectKeyFromObject(obj), obj))
	}
}

// intact demands the same data and the same password as at first.
func (l *life) intact(when string) {
	l.Helper()
	var cm corev1.ConfigMap
	var secret corev1.Secret
	l.must(l.bench.Live.Get(l.Context(), client.ObjectKey{Namespace: l.namespace, Name: "shop-db"}, &cm))
	l.must(l.bench.Live.Get(l.Context(), client.ObjectKey{Namespace: l.namespace, Name: "shop-binding"}, &secret))
	if l.toy == "" {
		l.toy, l.secret = cm.UID, string(secret.Data["password"])
	}
	if cm.UID != l.toy || cm.DeletionTimestamp != nil || string(secret.Data["password"]) != l.secret || l.secret == "" {
		l.Fatalf("crash at write %d, after %t: %s: another database or password", l.client.at, l.client.after, when)
	}
}

// play provides a database, takes a snapshot, decouples it, retains it, has another claim adopt it, and deletes it. It returns what is left.
func (l *life) play() []string {
	ctx := l.Context()
	class := &v1alpha1.DatabaseClassReference{Name: "toys"}
	shop := l.claim("shop")
	shop.Spec = v1alpha1.DatabaseClaimSpec{
		ClassRef: class, Engine: v1alpha1.DatabaseEngine{Name: "postgres"},
		CoupledTo: &v1alpha1.DatabaseCoupling{EnvironmentRef: v1alpha1.LocalReference{Name: "dev"}},
	}
	env := testkit.MakeEnvironment(l.namespace, "dev", "v1", func(*v1alpha1.Environment) {})
	l.must(l.bench.Client.Create(ctx, env))
	l.must(l.bench.Client.Create(ctx, shop))
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: l.namespace, Name: "shop-db"}}
	l.until("shop", "provided", func() bool { return !l.gone(cm)() })
	l.patch(cm, `{"data":{"is":"ready"}}`)
	l.until("shop", "ready", l.is("shop", v1alpha1.ReasonProvisioned))
	l.intact("provided")

	l.patch(shop, `{"metadata":{"annotations":{"`+v1alpha1.AnnotationSnapshotRequested+`":"one"}}}`)
	l.until("shop", "snapshot taken", func() bool {
		l.markSnapshots()
		c := l.claim("shop")
		l.must(l.bench.Live.Get(ctx, client.ObjectKeyFromObject(c), c))
		return operations(c).Snapshot == "one" && c.Status.LastSnapshot != nil
	})
	l.patch(shop, `{"spec":{"coupledTo":null,"deletionProtection":false}}`)
	l.until("shop", "decoupled", func() bool {
		c := l.claim("shop")
		l.must(l.bench.Live.Get(ctx, client.ObjectKeyFromObject(c), c))
		return c.Status.CoupledUID == "" && c.Status.ObservedGeneration == c.Generation
	})
	l.must(l.bench.Client.Delete(ctx, env))
	l.pass("shop")
	l.intact("decoupled")

	l.must(l.bench.Client.Delete(ctx, l.claim("shop")))
	l.until("shop", "retained", l.gone(l.claim("shop")))
	l.intact("retained")
	next := l.claim("next")
	next.Spec = v1alpha1.DatabaseClaimSpec{
		ClassRef: class, Engine: v1alpha1.DatabaseEngine{Name: "postgres"}, DeletionPolicy: v1alpha1.DatabaseDelete,
		Adopt: &v1alpha1.DatabaseAdoption{ProviderResourceName: "shop-db"}, DeletionProtection: new(bool),
	}
	l.must(l.bench.Client.Create(ctx, next))
	l.until("next", "adopted", l.is("next", v1alpha1.ReasonProvisioned))
	l.intact("adopted")

	l.must(l.bench.Client.Delete(ctx, l.claim("next")))
	l.until("next", "unconfirmed", l.is("next", v1alpha1.ReasonUnconfirmed))
	l.intact("unconfirmed")
	l.patch(next, `{"metadata":{"annotations":{"`+v1alpha1.AnnotationConfirmDeletion+`":"`+string(next.UID)+`"}}}`)
	l.until("next", "cooling", l.is("next", v1alpha1.ReasonCooling))
	l.intact("cooling")
	l.until("next", "gone", l.gone(l.claim("next")))
	return l.left()
}

// markSnapshots lets the toys' snapshots be complete.
func (l *life) markSnapshots() {
	for _, name := range l.left() {
		if kind, name, _ := strings.Cut(name, " "); kind == "ConfigMap" && name != "shop-db" {
			l.patch(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: l.namespace, Name: name}}, `{"data":{"is":"usable"}}`)
		}
	}
}

// left names what belongs to databases. Names of snapshots have a hash of a UID in them.
func (l *life) left() []string {
	var out []string
	var maps corev1.ConfigMapList
	var secrets corev1.SecretList
	live := l.bench.Live.(client.Reader)
	l.must(live.List(l.Context(), &maps, client.InNamespace(l.namespace), client.HasLabels{v1alpha1.LabelDatabase}))
	l.must(live.List(l.Context(), &secrets, client.InNamespace(l.namespace), client.HasLabels{v1alpha1.LabelDatabase}))
	for _, o := range maps.Items {
		out = append(out, "ConfigMap "+o.Name)
	}
	for _, o := range secrets.Items {
		out = append(out, "Secret "+o.Name)
	}
	slices.Sort(out)
	return out
}

// TestCrashAtEveryWrite plays the life of a database with the operator crashing at each of its writes, before the server gets it and
// before its answer is seen. Each life must end as the one without a crash, with data and password the same all along.
func TestCrashAtEveryWrite(t *testing.T) {
	t.Parallel()
	bench := testkit.StartBench(t, func(mgr ctrl.Manager) error { return addIndexes(t.Context(), mgr.GetFieldIndexer()) })
	if err := bench.Client.Create(t.Context(), &v1alpha1.DatabaseClass{ObjectMeta: metav1.ObjectMeta{Name: "toys"}, Spec: v1alpha1.DatabaseClassSpec{Provider: v1alpha1.DatabaseBuiltIn}}); err != nil {
		t.Fatal(err)
	}
	play := func(at int, after bool) (left []string, writes, restarts int) {
		namespace, err := bench.MakeNamespace(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		l := &life{T: t, bench: bench, namespace: namespace}
		m := &mortal{Client: bench.Client, at: at, after: after}
		l.start(m)
		left = l.play()
		return left, m.count, l.restarts
	}
	want, writes, _ := play(0, false)
	if len(want) != 1 || !strings.HasPrefix(want[0], "ConfigMap shop-") || writes < 20 {
		t.Fatalf("without a crash %d writes leave %v; wanted the snapshot only", writes, want)
	}
	crashes := 0
	for at := 1; at <= writes; at++ {
		for _, after := range []bool{false, true} {
			left, _, restarts := play(at, after)
			crashes += restarts
			if len(left) != 1 || !strings.HasPrefix(left[0], "ConfigMap shop-") || restarts != 1 {
				t.Errorf("crash at write %d, after %t: %d crashes, left %v", at, after, restarts, left)
			}
		}
	}
	fmt.Printf("databaseclaim: %d writes, %d crashes, each life ended as the one without\n", writes, crashes)
}
