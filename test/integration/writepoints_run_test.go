// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

// performance is one run of a plot under way.
type performance struct {
	*world
	plot  *plot
	mode  testkit.Mode
	edit  bool
	way   *testkit.Faulty
	died  chan struct{}
	actor *operator
	// heir takes over after a crash; nil: a new one does.
	heir *operator
	// last is the way to the API server of whoever is there at the end.
	last *testkit.Faulty
	// cut: the rest of the plot makes no sense any more.
	cut bool
}

// learn plays a plot clean, and goes on with an edit where that is wanted for the part that is played.
func learn(t *testing.T, p *plot, which, n int) lesson {
	t.Helper()
	var out lesson
	perform(t, p, testkit.Fault{}, func(r *performance) {
		for _, l := range r.way.Learned() {
			// How often a status is written depends on the clock.
			if !strings.HasSuffix(l.Point.Write, "/status") || l.Point.Occurrence == 1 {
				out.points = append(out.points, l)
			}
		}
		if p.done == nil {
			return
		}
		out.end = r.ending()
		if !slices.ContainsFunc(singles(p, out.points), func(f testkit.Fault) bool {
			return f.Mode == testkit.Edited && f.Part(p.name, n) == which
		}) {
			return
		}
		names("v3")(r.world)
		r.finish(runs("v3"))
		r.edit = true
		out.edited = r.ending()
	})
	return out
}

// play plays one with a fault, and says whether the fault happened.
func play(t *testing.T, d deed, l lesson) (hit bool) {
	t.Helper()
	perform(t, d.plot, d.fault, func(r *performance) {
		hit = r.way.Hits() > 0
		switch {
		case r.edit:
			r.alike(l.edited)
		case r.cut || d.plot.done == nil:
			return // it is gone, and that is all
		default:
			r.alike(l.end)
		}
		r.silent()
	})
	return hit
}

// perform plays a plot to its end, and then looks.
func perform(t *testing.T, p *plot, f testkit.Fault, look func(*performance)) {
	t.Helper()
	r := &performance{world: newWorld(t), plot: p, mode: f.Mode, died: make(chan struct{})}
	r.way = &testkit.Faulty{Namespace: r.namespace, Fault: f, Died: func() { close(r.died) }}
	r.last = r.way
	defer r.sweep()
	r.stage()
	r.actor = launchIn(t, r.way.Wrap(r.cluster.Operator), r.namespace)
	r.actor.lead()
	if !p.fresh {
		r.create(r.web(blue, p.env))
		r.finish(runs("v1"))
	} else {
		r.Eventually(func() int { return len(r.way.Since(time.Now().Add(-pauseBetween))) }).Should(BeZero())
	}
	if f.Mode == testkit.Failover {
		r.last = &testkit.Faulty{Namespace: r.namespace}
		r.heir = launchIn(t, r.last.Wrap(r.cluster.Operator), r.namespace)
		r.Expect(r.heir.synced(r.ctx)).To(BeTrue())
	}
	r.way.Arm()
	p.act(r.world)
	r.follow()
	for _, way := range []*testkit.Faulty{r.way, r.last} {
		r.Expect(way.Careless()).To(BeEmpty(), "deletions say which object they mean")
	}
	look(r)
	r.actor.Stop()
}

// pauseBetween is how long nothing is written where all is done.
const pauseBetween = 500 * time.Millisecond

// follow goes through what happens until the end.
func (r *performance) follow() {
	r.t.Helper()
	done, told, seen, then := r.plot.done, false, false, r.plot.then
	var hit time.Time
	r.Eventually(func() string {
		select {
		case <-r.died:
			r.died = nil
			done = r.crashed(done)
		default:
		}
		if hit.IsZero() && r.way.Hits() > 0 {
			hit = time.Now()
		}
		if r.mode.Lasts() && !hit.IsZero() && !told && time.Since(hit) > time.Second {
			told = true
			if !seen {
				r.surfaced()
			}
			r.way.Lift()
			r.touch()
		}
		env := r.look()
		seen = seen || env != nil && refused(env)
		switch {
		case r.mode == testkit.Emptied && r.cut:
			return r.emptied()
		case env == nil && done == nil:
			return r.leftovers()
		case env == nil:
			return "the environment is gone"
		case then != nil && !r.cut && r.plot.due(env):
			then(r.world)
			then = nil
			return "just begun"
		case r.mode.Lasts() && !hit.IsZero() && !told:
			return "the write is still refused"
		case r.mode.Refuses() && !hit.IsZero() && time.Since(hit) < patience/3 && !r.repeated():
			return "what was refused has not been tried again"
		case done == nil || !done(env):
			raw, _ := json.Marshal(env.Status)
			return string(raw)
		}
		return ""
	}).WithTimeout(patience + patience/2).Should(BeEmpty())
	if done != nil {
		r.rest()
	}
}

// crashed is what happens after a crash; it returns what the end is then.
func (r *performance) crashed(done func(*v1alpha1.Environment) bool) func(*v1alpha1.Environment) bool {
	r.t.Helper()
	r.actor.Stop()
	var other client.Object
	switch r.mode {
	case testkit.Edited:
		r.cut, r.edit = true, true
		names("v3")(r.world)
		done = runs("v3")
	case testkit.Deleted:
		r.cut, done = true, nil
		r.Expect(client.IgnoreNotFound(r.Delete(r.ctx, r.subject()))).To(Succeed())
	case testkit.Emptied:
		r.cut, done = true, nil
		r.Expect(r.Delete(r.ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: r.namespace}})).To(Succeed())
	case testkit.Stranger:
		other = r.stranger()
	}
	r.forgetLeader()
	if r.heir == nil {
		r.last = &testkit.Faulty{Namespace: r.namespace}
		r.heir = launchIn(r.t, r.last.Wrap(r.cluster.Operator), r.namespace)
	}
	r.actor = r.heir
	r.actor.lead()
	if other != nil {
		r.foreign(other)
	}
	return done
}

// stranger makes somebody else's object under the name of the write that was never sent.
func (r *performance) stranger() client.Object {
	r.t.Helper()
	out := &unstructured.Unstructured{}
	r.Expect(json.Unmarshal(r.way.Body(), &out.Object)).To(Succeed())
	out.Object["metadata"] = map[string]any{"name": out.GetName(), "namespace": r.namespace, "labels": map[string]any{"owner": "somebody"}}
	if out.GetKind() == "Deployment" {
		for _, path := range [][]string{{"spec", "selector", "matchLabels"}, {"spec", "template", "metadata", "labels"}} {
			r.Expect(unstructured.SetNestedStringMap(out.Object, map[string]string{"owner": "somebody"}, path...)).To(Succeed())
		}
		r.Expect(unstructured.SetNestedField(out.Object, int64(0), "spec", "replicas")).To(Succeed())
	}
	r.create(out)
	return out
}

// foreign demands that a stranger's object is told of and left alone; then the stranger goes.
func (r *performance) foreign(was client.Object) {
	r.t.Helper()
	kind := was.GetObjectKind().GroupVersionKind().Kind
	if kind != "ConfigMap" {
		r.Eventually(r.told(blue, v1alpha1.ConditionApplied)).Should(ContainSubstring(v1alpha1.ReasonNotOwned), "a stranger has the name of the %s", kind)
	}
	is := &unstructured.Unstructured{}
	is.SetGroupVersionKind(was.GetObjectKind().GroupVersionKind())
	r.Expect(r.Get(r.ctx, client.ObjectKeyFromObject(was), is)).To(Succeed())
	r.Expect([]any{is.GetUID(), is.GetGeneration(), is.GetLabels(), is.GetOwnerReferences()}).To(
		Equal([]any{was.GetUID(), was.GetGeneration(), was.GetLabels(), was.GetOwnerReferences()}), "the stranger's object")
	r.Expect(r.Delete(r.ctx, was)).To(Succeed())
	r.touch()
}

// surfaced demands that people see that a child is refused. A template of what failed already is not wanted any more.
func (r *performance) surfaced() {
	r.t.Helper()
	at := r.way.Fault.Point.Write
	if childless.MatchString(at) || r.plot.done == nil {
		return
	}
	r.Eventually(func() bool { return refused(r.environment(blue)) }).Should(BeTrue(), "%s is refused, and the condition Applied says so", at)
}

// childless are writes that a condition of the Environment does not tell of.
var childless = regexp.MustCompile(`/status$| (configmaps|controllerrevisions|applications|applicationversions|environments)\b`)

func refused(env *v1alpha1.Environment) bool {
	c := condition.Find(env.Status.Conditions, v1alpha1.ConditionApplied)
	return c != nil && c.Reason == v1alpha1.ReasonWriteRefused
}

// repeated says whether a write that was refused, and is no child's, was made later. Pauses between tries grow.
func (r *performance) repeated() bool {
	at := r.way.Fault.Point.Write
	return !patient.MatchString(at) || slices.ContainsFunc(r.way.Learned(), func(l testkit.Learned) bool {
		return l.Point.Write == at && l.Accepted && l.Point.Occurrence > r.way.Fault.Point.Occurrence
	})
}

// patient are writes that are tried again after such a pause, and not with the next pass over the Environment.
var patient = regexp.MustCompile(`/status$| (applications|applicationversions|environments)/`)

// touch makes the operator look again.
func (r *performance) touch() {
	r.t.Helper()
	if env := r.look(); env != nil {
		before := env.DeepCopy()
		metav1.SetMetaDataAnnotation(&env.ObjectMeta, "touched", fmt.Sprint(time.Now().UnixNano()))
		r.Expect(client.IgnoreNotFound(r.Patch(r.ctx, env, client.MergeFrom(before)))).To(Succeed())
	}
}

// finish waits for an end and for rest.
func (r *performance) finish(done func(*v1alpha1.Environment) bool) {
	r.t.Helper()
	r.Eventually(func() bool { env := r.look(); return env != nil && done(env) }).Should(BeTrue())
	r.rest()
}

// written is what whoever is there wrote lately, but for the summaries of an Application and of its versions: they are paced, and may come
// seconds after all else.
func (r *performance) written(since time.Time) []string {
	return slices.DeleteFunc(r.last.Since(since), summary.MatchString)
}

var summary = regexp.MustCompile(` (applications|applicationversions)/`)

func (r *performance) rest() {
	r.t.Helper()
	r.Eventually(func() []string { return r.written(time.Now().Add(-pauseBetween)) }).Should(BeEmpty(), "it comes to rest")
}

// silent demands that one more look writes nothing, and that summaries come to an end as well.
func (r *performance) silent() {
	r.t.Helper()
	now := time.Now()
	r.touch()
	time.Sleep(pauseBetween)
	r.Expect(r.written(now)).To(BeEmpty(), "at rest, another look")
	r.Eventually(func() []string { return r.last.Since(time.Now().Add(-pauseBetween)) }).WithTimeout(3*progress).Should(BeEmpty(), "summaries come to an end")
}

// progress is how far apart writes of a summary are.
const progress = 5 * time.Second
