// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package simapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/controller"
	"github.com/beanpod-dev/beanpod/internal/testkit"
	"github.com/beanpod-dev/beanpod/internal/testkit/simapi"
)

const (
	// operations that are compared in all, and in one sequence, which has objects of its own.
	operations, sequence = 2400, 50
	namespace            = "default"
)

// server is one of the two that are compared, with what a caller remembers of one object.
type server struct {
	client.Client
	name string
	// last is the object as it was read last, stale as it was some time before; nil when there was none.
	last, stale client.Object
	newest      int64
}

// operation is done to both servers.
type operation struct {
	text string
	do   func(s *server, empty client.Object) error
}

// TestLikeARealServer plays random sequences against a real API server and the simulation. After every operation the class of the
// error, whether the object was written, its generation and its content must be the same.
func TestLikeARealServer(t *testing.T) {
	t.Parallel()
	scheme, err := controller.Scheme()
	if err != nil {
		t.Fatal(err)
	}
	real, err := client.New(testkit.StartAPIServer(t), client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	started := time.Now()
	kinds := []func(name string) client.Object{
		func(n string) client.Object { return &appsv1.Deployment{ObjectMeta: named(n)} },
		func(n string) client.Object { return &corev1.Service{ObjectMeta: named(n)} },
		func(n string) client.Object { return &corev1.ConfigMap{ObjectMeta: named(n)} },
		func(n string) client.Object { return &v1alpha1.Environment{ObjectMeta: named(n)} },
	}
	refused := map[string]int{}
	for i := range operations / sequence {
		d := &comparison{
			chance: rand.New(rand.NewPCG(7, uint64(i))), empty: kinds[i%len(kinds)], name: fmt.Sprintf("o%d", i), refused: refused,
			servers: [2]*server{{Client: real, name: "real"}, {Client: simapi.New(scheme).Client("user"), name: "simulated"}},
		}
		t.Run(d.name, d.play)
	}
	t.Logf("%d operations compared in %s; refused: %v", operations, time.Since(started).Round(time.Millisecond), refused)
}

func named(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: namespace, Name: name} }

// comparison is one sequence about one object.
type comparison struct {
	*testing.T
	chance  *rand.Rand
	empty   func(name string) client.Object
	name    string
	servers [2]*server
	history []string
	refused map[string]int
}

func (d *comparison) play(t *testing.T) {
	d.T = t
	for range sequence {
		if d.step(); t.Failed() {
			t.Fatalf("after:\n%s", strings.Join(d.history, "\n"))
		}
	}
}

// seen is what one server answered.
type seen struct {
	Error      string
	Exists     bool
	Written    bool
	Generation int64
	Deleting   bool
	content    map[string]any
}

func (d *comparison) step() {
	d.Helper()
	op := d.operation()
	d.history = append(d.history, op.text)
	var got [2]seen
	for i, s := range d.servers {
		err := op.do(s, d.empty(d.name))
		got[i] = d.look(s)
		got[i].Error = class(err)
		if err != nil {
			d.history = append(d.history, "    "+s.name+": "+err.Error())
		}
		if i == 0 && err != nil {
			d.refused[got[i].Error]++
		}
	}
	if diff := cmp.Diff(got[0], got[1], cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".content" }, cmp.Ignore())); diff != "" {
		d.Errorf("%s (-real +simulated):\n%s", op.text, diff)
	}
	for _, diff := range differences("", got[0].content, got[1].content) {
		d.Errorf("%s: %s", op.text, diff)
	}
}

// class is what callers can tell about an error.
func class(err error) string {
	if err == nil {
		return ""
	}
	return string(apierrors.ReasonForError(err))
}

// look reads the object again.
func (d *comparison) look(s *server) seen {
	d.Helper()
	now := d.empty(d.name)
	err := s.Get(context.Background(), client.ObjectKeyFromObject(now), now)
	if apierrors.IsNotFound(err) {
		s.stale, s.last = s.last, nil
		return seen{}
	}
	if err != nil {
		d.Fatal(err)
	}
	version, err := strconv.ParseInt(now.GetResourceVersion(), 10, 64)
	if err != nil {
		d.Fatal(err)
	}
	out := seen{
		Exists: true, Generation: now.GetGeneration(), Deleting: now.GetDeletionTimestamp() != nil,
		Written: s.last == nil || s.last.GetResourceVersion() != now.GetResourceVersion(), content: normalized(d.T, now),
	}
	if version < s.newest {
		d.Errorf("%s: resource version %d follows on %d", s.name, version, s.newest)
	}
	if s.newest = version; out.Written {
		s.stale, s.last = s.last, now
	}
	return out
}

func normalized(t *testing.T, obj client.Object) map[string]any {
	t.Helper()
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
	if err != nil {
		t.Fatal(err)
	}
	metadata, _ := content["metadata"].(map[string]any)
	for _, key := range []string{"uid", "resourceVersion", "creationTimestamp", "managedFields", "deletionTimestamp"} {
		delete(metadata, key)
	}
	return content
}

// defaulted are the fields that a real server fills in and the simulation leaves out, because Beanpod never looks at them.
var defaulted = regexp.MustCompile(`^(` + strings.Join([]string{
	`/apiVersion|/kind`,
	`/spec/(progressDeadlineSeconds|revisionHistoryLimit|strategy)`,
	`/spec/template/spec/(dnsPolicy|restartPolicy|schedulerName|securityContext|terminationGracePeriodSeconds)`,
	`/spec/template/spec/containers/\d+/(imagePullPolicy|resources|terminationMessagePath|terminationMessagePolicy|ports/\d+/protocol)`,
	`/spec/(clusterIPs?|internalTrafficPolicy|ipFamilies|ipFamilyPolicy|sessionAffinity|type|ports/\d+/(protocol|targetPort))`,
	`/status/loadBalancer`,
}, "|") + `)(/.*)?$`)

// differences lists the fields in which two objects differ, but those that are defaulted.
func differences(at string, real, simulated any) []string {
	if defaulted.MatchString(at) && (simulated == nil || at == "/apiVersion" || at == "/kind") {
		return nil
	}
	switch r := real.(type) {
	case map[string]any:
		if s, ok := simulated.(map[string]any); ok || simulated == nil {
			return mapDifferences(at, r, s)
		}
	case []any:
		if s, ok := simulated.([]any); ok && len(s) == len(r) {
			var out []string
			for i := range r {
				out = append(out, differences(fmt.Sprintf("%s/%d", at, i), r[i], s[i])...)
			}
			return out
		}
	default:
		if real == simulated {
			return nil
		}
	}
	return []string{fmt.Sprintf("%s is %v, simulated %v", at, real, simulated)}
}

func mapDifferences(at string, real, simulated map[string]any) []string {
	var out []string
	keys := slices.Collect(maps.Keys(real))
	for key := range simulated {
		if _, both := real[key]; !both {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		out = append(out, differences(at+"/"+key, real[key], simulated[key])...)
	}
	return out
}

// operation picks one.
func (d *comparison) operation() operation {
	if d.servers[1].last == nil && d.chance.IntN(4) > 0 {
		return d.pick(d.create, d.apply)
	}
	return d.pick(d.create, d.apply, d.apply, d.apply, d.seed, d.patch, d.patch, d.update, d.status, d.finalizers, d.remove)
}

func (d *comparison) pick(from ...func() operation) operation {
	return from[d.chance.IntN(len(from))]()
}

func (d *comparison) create() operation {
	content := d.content(true)
	return operation{"create " + text(content), func(s *server, empty client.Object) error {
		return s.Create(context.Background(), d.object(content, empty), client.FieldOwner("user"))
	}}
}

func (d *comparison) apply() operation {
	content, force := d.content(true), d.chance.IntN(4) > 0
	manager := []string{"beanpod", "beanpod", "other"}[d.chance.IntN(3)]
	return operation{fmt.Sprintf("apply %s force=%t %s", manager, force, text(content)), d.applying(content, manager, force)}
}

// seed applies as much as internal/apply does under its second manager. Alone it would not be an object.
func (d *comparison) seed() operation {
	if d.servers[1].last == nil {
		return d.apply()
	}
	content := d.identity()
	switch {
	case d.maybe():
	case d.isDeployment():
		content["spec"] = map[string]any{"replicas": d.chance.Int64N(4)}
	default:
		content["metadata"].(map[string]any)["labels"] = d.some("a", "b")
	}
	return operation{"seed " + text(content), d.applying(content, "beanpod-seed", true)}
}

func (d *comparison) applying(content map[string]any, manager string, force bool) func(*server, client.Object) error {
	return func(s *server, _ client.Object) error {
		opts := []client.ApplyOption{client.FieldOwner(manager)}
		if force {
			opts = append(opts, client.ForceOwnership)
		}
		config := &unstructured.Unstructured{Object: runtime.DeepCopyJSON(content)}
		return s.Apply(context.Background(), client.ApplyConfigurationFromUnstructured(config), opts...)
	}
}

func (d *comparison) patch() operation {
	content, lock := d.content(false), d.chance.IntN(3)
	delete(content, "apiVersion")
	delete(content, "kind")
	if d.chance.IntN(3) == 0 {
		content["metadata"].(map[string]any)["labels"] = nil
	}
	return operation{fmt.Sprintf("patch lock=%d %s", lock, text(content)), func(s *server, empty client.Object) error {
		return s.Patch(context.Background(), empty, s.locked(content, lock), client.FieldOwner("user"))
	}}
}

// locked is a merge patch without a lock (0), with the newest resource version (1), or with an old one (2).
func (s *server) locked(content map[string]any, lock int) client.Patch {
	content = runtime.DeepCopyJSON(content)
	from := []client.Object{nil, s.last, s.stale}[lock]
	if from != nil {
		metadata, ok := content["metadata"].(map[string]any)
		if !ok {
			metadata = map[string]any{}
			content["metadata"] = metadata
		}
		metadata["resourceVersion"] = from.GetResourceVersion()
	}
	raw, err := json.Marshal(content)
	if err != nil {
		panic(err)
	}
	return client.RawPatch(types.MergePatchType, raw)
}

func (d *comparison) update() operation {
	old, label := d.chance.IntN(3) == 0, fmt.Sprint(d.chance.IntN(3))
	return operation{fmt.Sprintf("update stale=%t label=%s", old, label), func(s *server, empty client.Object) error {
		from := s.last
		if old && from != nil {
			from = s.stale
		}
		if from == nil {
			return nil // kinds differ in what an update of nothing is, and Beanpod updates nothing
		}
		obj := from.DeepCopyObject().(client.Object)
		obj.SetLabels(map[string]string{"updated": label})
		return s.Update(context.Background(), obj, client.FieldOwner("user"))
	}}
}

// status writes a status, and a spec that must be ignored.
func (d *comparison) status() operation {
	lock, n := d.chance.IntN(3), d.chance.Int64N(3)
	content := map[string]any{"status": map[string]any{"observedGeneration": n}}
	switch d.empty("").(type) {
	case *appsv1.Deployment:
		content["spec"] = map[string]any{"replicas": int64(7)}
	case *v1alpha1.Environment:
		content["spec"] = map[string]any{"paused": true}
	case *corev1.Service:
		content["status"] = map[string]any{"loadBalancer": map[string]any{"ingress": []any{map[string]any{"hostname": fmt.Sprint("h", n)}}}}
	default:
		return d.remove()
	}
	if _, ok := d.empty("").(*corev1.Service); ok {
		return d.remove()
	}
	return operation{fmt.Sprintf("patch status lock=%d %s", lock, text(content)), func(s *server, empty client.Object) error {
		return s.Status().Patch(context.Background(), empty, s.locked(content, lock), client.FieldOwner("user"))
	}}
}

func (d *comparison) finalizers() operation {
	list := [][]any{{}, {"beanpod.dev/a"}, {"beanpod.dev/a", "beanpod.dev/b"}}[d.chance.IntN(3)]
	lock := d.chance.IntN(3)
	content := map[string]any{"metadata": map[string]any{"finalizers": list}}
	return operation{fmt.Sprintf("patch lock=%d %s", lock, text(content)), func(s *server, empty client.Object) error {
		return s.Patch(context.Background(), empty, s.locked(content, lock), client.FieldOwner("user"))
	}}
}

func (d *comparison) remove() operation {
	which := d.chance.IntN(4)
	return operation{fmt.Sprintf("delete precondition=%d", which), func(s *server, empty client.Object) error {
		opts := []client.DeleteOption{client.PropagationPolicy(metav1.DeletePropagationBackground)}
		wrong := types.UID("wrong")
		old := []client.Object{nil, s.last, s.stale, nil}[which]
		switch {
		case which == 3:
			opts = append(opts, client.Preconditions{UID: &wrong})
		case old != nil && which == 1:
			uid := old.GetUID()
			opts = append(opts, client.Preconditions{UID: &uid})
		case old != nil:
			uid, version := old.GetUID(), old.GetResourceVersion()
			opts = append(opts, client.Preconditions{UID: &uid, ResourceVersion: &version})
		}
		return s.Delete(context.Background(), empty, opts...)
	}}
}

func (d *comparison) isDeployment() bool {
	_, ok := d.empty("").(*appsv1.Deployment)
	return ok
}

func (d *comparison) identity() map[string]any {
	metadata := map[string]any{"name": d.name, "namespace": namespace}
	version, kind := "v1", "ConfigMap"
	switch d.empty("").(type) {
	case *appsv1.Deployment:
		version, kind = "apps/v1", "Deployment"
	case *corev1.Service:
		kind = "Service"
	case *v1alpha1.Environment:
		version, kind = v1alpha1.GroupVersion.String(), "Environment"
	}
	return map[string]any{"apiVersion": version, "kind": kind, "metadata": metadata}
}

// content is a random object; whole says that it must be complete enough to be created.
func (d *comparison) content(whole bool) map[string]any {
	out := d.identity()
	metadata := out["metadata"].(map[string]any)
	if m := d.some("a", "b", "c"); len(m) > 0 {
		metadata["labels"] = m
	}
	if m := d.some("x", "y"); len(m) > 0 {
		metadata["annotations"] = m
	}
	switch d.empty("").(type) {
	case *appsv1.Deployment:
		out["spec"] = d.deployment(whole)
	case *corev1.Service:
		spec := map[string]any{"ports": d.ports("port", whole)}
		if m := d.some("app", "slot"); len(m) > 0 {
			spec["selector"] = m
		}
		out["spec"] = spec
	case *v1alpha1.Environment:
		out["spec"] = d.environment()
	default:
		if m := d.some("k", "l", "m"); len(m) > 0 {
			out["data"] = m
		}
	}
	return out
}

func (d *comparison) some(keys ...string) map[string]any {
	out := map[string]any{}
	for _, key := range keys {
		if d.chance.IntN(2) == 0 {
			out[key] = fmt.Sprint("v", d.chance.IntN(2))
		}
	}
	return out
}

func (d *comparison) maybe() bool { return d.chance.IntN(2) == 0 }

func (d *comparison) deployment(whole bool) map[string]any {
	spec := map[string]any{}
	if d.maybe() {
		spec["replicas"] = d.chance.Int64N(4)
	}
	if d.maybe() {
		spec["minReadySeconds"] = d.chance.Int64N(3)
	}
	if !whole {
		return spec
	}
	container := map[string]any{"name": "main", "image": fmt.Sprint("shop:v", d.chance.IntN(2))}
	var env []any
	for _, name := range []string{"A", "B", "C"} {
		if d.maybe() {
			env = append(env, map[string]any{"name": name, "value": fmt.Sprint("v", d.chance.IntN(2))})
		}
	}
	if env != nil {
		container["env"] = env
	}
	if ports := d.ports("containerPort", false); len(ports) > 0 {
		container["ports"] = ports
	}
	containers := []any{container}
	if d.maybe() {
		containers = append(containers, map[string]any{"name": "side", "image": "side:v1"})
	}
	labels := map[string]any{"app": "shop"}
	spec["selector"] = map[string]any{"matchLabels": labels}
	spec["template"] = map[string]any{"metadata": map[string]any{"labels": labels}, "spec": map[string]any{"containers": containers}}
	return spec
}

func (d *comparison) ports(number string, some bool) []any {
	var out []any
	for i, name := range []string{"http", "admin"} {
		if (some && i == 0) || d.maybe() {
			out = append(out, map[string]any{"name": name, number: int64(80 + i)})
		}
	}
	if out == nil {
		out = []any{map[string]any{"name": "http", number: int64(80)}}
	}
	return out
}

func (d *comparison) environment() map[string]any {
	spec := map[string]any{"applicationRef": map[string]any{"name": "shop"}, "tier": "Background"}
	if d.maybe() {
		// Go types that leave out what is zero cannot tell false from absent; the store has Go types, CRDs have not.
		spec["paused"] = true
	}
	if d.maybe() {
		spec["capacity"] = map[string]any{"max": 1 + d.chance.Int64N(3)}
	}
	if d.maybe() {
		var list []any
		for _, name := range []string{"A", "B"} {
			if d.maybe() {
				list = append(list, map[string]any{"name": name, "value": fmt.Sprint("v", d.chance.IntN(2))})
			}
		}
		if list != nil {
			spec["environmentProperties"] = list
		}
	}
	return spec
}

func (d *comparison) object(content map[string]any, into client.Object) client.Object {
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(content, into); err != nil {
		d.Fatal(err)
	}
	return into
}

func text(content map[string]any) string {
	raw, err := json.Marshal(content)
	if err != nil {
		return err.Error()
	}
	return string(raw)
}
