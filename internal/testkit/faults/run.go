// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/rollout/toy"
	"github.com/beanpod-dev/beanpod/internal/testkit/simapi"
	"github.com/beanpod-dev/beanpod/internal/testkit/simapi/operator"
)

// Names in every scenario.
const (
	namespace = "shop"
	name      = "blue"
)

// run is one play of a scenario.
type run struct {
	*simapi.World
	scenario *Scenario
	wrap     func(client.Client) client.Client
	user     *simapi.Client
	inject   *injector
	standby  *simapi.Process
	// timers are what happens later, whatever anybody does.
	timers []timer
	// ill are the versions whose instances never get ready, from the n-th on; crashing those that end again and again.
	ill      map[string]int
	crashing map[string]bool
	// cut is true once the rest of the scenario's steps makes no sense any more.
	cut bool
	// edited is true once the user changed his mind in the middle.
	edited bool
	// how it goes; editedIn is the number of the pass in which the user edited.
	how      way
	editedIn int
	// down is what happens before the next process starts.
	down func()
	// strangers are what somebody else made, as it was.
	strangers []client.Object
	// passes are those of the processes that ended.
	passes   int
	problems []string
}

type timer struct {
	at time.Time
	do func()
}

func (r *run) problem(format string, args ...any) {
	r.problems = append(r.problems, fmt.Sprintf(format, args...))
}

func (r *run) after(d time.Duration, do func()) {
	r.timers = append(r.timers, timer{r.Store.Now().Add(d), do})
}

// begin forks the base of a scenario and starts a process there.
func (s *Scenario) begin(b *base, faults []Fault, wrap func(client.Client) client.Client, how way) (*run, error) {
	store, err := b.store.Fork()
	if err != nil {
		return nil, err
	}
	r := &run{scenario: s, wrap: wrap, user: store.Client("user"), ill: map[string]int{}, crashing: map[string]bool{}, how: how}
	r.World = &simapi.World{Store: store, Cluster: b.cluster.Fork(store), Restart: r.restart}
	r.Cluster.Starts, r.Cluster.Crashes, r.Cluster.Runs = r.starts, r.crashes, releases
	if s.Tune != nil {
		s.Tune(r)
	}
	r.inject = newInjector(r, faults)
	if slices.ContainsFunc(faults, func(f Fault) bool { return f.Mode == Failover }) {
		if r.standby, err = r.start(); err != nil {
			return nil, err
		}
		r.Processes = []*simapi.Process{r.standby}
		if err := r.Settle(); err != nil {
			return nil, err
		}
	}
	p, err := r.start()
	if err != nil {
		return nil, err
	}
	r.Processes = []*simapi.Process{p}
	if err := r.Settle(); err != nil {
		return nil, err
	}
	if s.Fresh {
		return r, r.listen()
	}
	if written := len(store.Trace()); written > 0 {
		r.problem("a started process wrote %d times before anything happened: %v", written, tell(store.Trace()))
	}
	return r, r.listen()
}

// listen lets the faults happen from now on.
func (r *run) listen() error {
	r.Store.Intercept, r.Store.Seen = r.inject.intercept, r.inject.seen
	return nil
}

func (r *run) start() (*simapi.Process, error) {
	p, err := r.Store.Start(actor, operator.Setup(r.Store, operator.Options{Wrap: r.wrap}))
	if err == nil && r.how.editBefore > 0 {
		p.Begins = func() {
			if p.Passes == r.how.editBefore {
				r.edit()
			}
		}
	}
	return p, err
}

// restart is what happens after a crash: first to the world, then a new process, or the one that waited.
func (r *run) restart(crashed *simapi.Process) (*simapi.Process, error) {
	r.passes += crashed.Passes
	if down := r.down; down != nil {
		r.down = nil
		down()
	}
	if next := r.standby; next != nil {
		r.standby = nil
		return next, nil
	}
	return r.start()
}

// end stops everything.
func (r *run) end() {
	for _, p := range append(r.Processes, r.standby) {
		if p != nil {
			p.Kill()
		}
	}
}

// until plays until a condition holds at rest.
func (r *run) until(most time.Duration, done func() bool) error {
	end := r.Store.Now().Add(most)
	for {
		if err := r.Settle(); err != nil {
			return err
		}
		if r.ring() {
			continue
		}
		if done() {
			return nil
		}
		next := r.Next()
		for _, t := range r.timers {
			if t.at.Before(next) {
				next = t.at
			}
		}
		if next.Equal(toy.Never) || next.After(end) {
			r.Store.AdvanceTo(end)
			return errEnded
		}
		r.Store.AdvanceTo(next)
	}
}

var errEnded = errors.New("it has not happened")

// ring lets one timer do what it is for.
func (r *run) ring() bool {
	for i, t := range r.timers {
		if !t.at.After(r.Store.Now()) {
			r.timers = slices.Delete(r.timers, i, i+1)
			t.do()
			return true
		}
	}
	return false
}

// rest plays for so long.
func (r *run) rest(d time.Duration) error {
	err := r.until(d, func() bool { return false })
	if errors.Is(err, errEnded) {
		return nil
	}
	return err
}

// play goes through the steps of the scenario, and then waits until everything that may still happen has happened.
func (r *run) play() error {
	for i, step := range r.scenario.Steps {
		if step.When != nil {
			if err := r.until(patience, func() bool { return r.cut || step.When(r) }); err != nil {
				return fmt.Errorf("step %d of the scenario: %w", i+1, err)
			}
		}
		if r.cut {
			break
		}
		step.Do(r)
	}
	return r.rest(afterwards)
}

const (
	// patience is how long a step of a scenario may take to come, with all the pauses after refusals.
	patience = 15 * time.Minute
	// afterwards is how long a run goes on after the last step.
	afterwards = 30 * time.Minute
)

// whileDown is a crash, with what happens before the next process starts.
func (r *run) whileDown(m Mode, w simapi.Write) simapi.Decision {
	switch m {
	case Stranger:
		r.down = func() { r.occupy(w) }
	case Edited:
		if r.editedIn = r.allPasses(); r.how.edits {
			r.edit()
			return simapi.Decision{}
		}
		r.down = r.edit
	case Deleted:
		r.down = func() {
			r.cut = !r.protected()
			r.must(client.IgnoreNotFound(r.user.Delete(context.Background(), r.handle())))
		}
	case Emptied:
		r.down = func() {
			r.cut = !r.protected()
			r.must(client.IgnoreNotFound(r.user.Delete(context.Background(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})))
		}
	}
	return simapi.Decision{Crash: true}
}

// protected says whether a deletion waits for the rest of the story, in which the protection is taken away.
func (r *run) protected() bool {
	env := r.env()
	return env != nil && env.Spec.TerminationProtection
}

// edit is the user who changes his mind in the middle.
func (r *run) edit() {
	r.cut, r.edited = true, true
	if env := r.env(); env != nil && env.DeletionTimestamp == nil {
		r.change(func(e *v1alpha1.Environment) {
			e.Spec.VersionRef = &v1alpha1.LocalReference{Name: "v3"}
			e.Spec.Paused = false
		})
	}
}

// occupy makes an object of somebody else under the name of a write, for some time.
func (r *run) occupy(w simapi.Write) {
	obj := strange(r.user, w)
	if err := r.user.Create(context.Background(), obj); err != nil {
		r.problem("a stranger cannot have the name: %v", err)
		return
	}
	r.strangers = append(r.strangers, obj)
	r.after(lasts, func() {
		if r.emptied() {
			return // whatever was in the namespace went with it
		}
		r.untouched(obj)
		if w.Kind.Kind != "ConfigMap" && !r.cut && !r.toldOf(v1alpha1.ReasonNotOwned) {
			r.problem("the name %s is a stranger's, and the environment never said so", w)
		}
		r.must(client.IgnoreNotFound(r.user.Delete(context.Background(), obj)))
	})
}

// emptied says whether the namespace is gone, or going.
func (r *run) emptied() bool {
	space := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	return r.user.Get(context.Background(), client.ObjectKeyFromObject(space), space) != nil || space.DeletionTimestamp != nil
}

// toldOf says whether the condition Applied ever had a reason.
func (r *run) toldOf(reason string) bool {
	return slices.ContainsFunc(r.Store.Trace(), func(change simapi.Change) bool {
		env, ok := change.New.(*v1alpha1.Environment)
		if !ok {
			return false
		}
		c := condition.Find(env.Status.Conditions, v1alpha1.ConditionApplied)
		return c != nil && c.Reason == reason
	})
}

// untouched demands that a stranger's object is as it was made.
func (r *run) untouched(was client.Object) {
	is := was.DeepCopyObject().(client.Object)
	if err := r.user.Get(context.Background(), client.ObjectKeyFromObject(was), is); err != nil {
		r.problem("the stranger's %T is gone: %v", was, err)
		return
	}
	if is.GetUID() != was.GetUID() || is.GetGeneration() != was.GetGeneration() ||
		!equality.Semantic.DeepEqual([]any{was.GetLabels(), was.GetAnnotations(), was.GetOwnerReferences()}, []any{is.GetLabels(), is.GetAnnotations(), is.GetOwnerReferences()}) {
		r.problem("the stranger's %T was changed: %s", was, normal(is))
	}
}

// surfaced demands that people can see a refusal that lasts, and that it was not tried again and again.
func (r *run) surfaced(w simapi.Write, f *armed) {
	// Every pass tries it again, and while work is under way there is one every five seconds.
	const often = 60
	if f.hits > often {
		r.problem("a refused write was tried %d times in %s", f.hits, lasts)
	}
	if w.Kind.Kind == "ConfigMap" || w.Subresource == "status" {
		// What a failed deployment left is not worth a condition; a status that cannot be written cannot tell.
		return
	}
	const retry = 90 * time.Second
	if r.Store.Now().Sub(f.last) > retry {
		return // nobody wants it any more
	}
	env := r.env()
	if env == nil || !condition.IsTrue(env.Status.Conditions, v1alpha1.ConditionReady) || w.Kind.Group == v1alpha1.GroupVersion.Group {
		return
	}
	r.problem("%s was refused for %s, and the environment says that it is ready", w, lasts)
}

func (r *run) must(err error) {
	if err != nil {
		r.problem("the user: %v", err)
	}
}

func (r *run) handle() *v1alpha1.Environment {
	return &v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
}

// env is the Environment; nil when there is none.
func (r *run) env() *v1alpha1.Environment {
	out := r.handle()
	if r.user.Get(context.Background(), client.ObjectKeyFromObject(out), out) != nil {
		return nil
	}
	return out
}

// change is an edit by the user.
func (r *run) change(edit func(*v1alpha1.Environment)) {
	env := r.env()
	if env == nil {
		r.problem("the user has nothing to edit")
		return
	}
	before := env.DeepCopy()
	edit(env)
	r.must(r.user.Patch(context.Background(), env, client.MergeFrom(before)))
}

// starts is the cluster's Starts: a second, or never.
func (r *run) starts(pod *corev1.Pod, n int) int {
	if from, ill := r.ill[pod.Annotations[v1alpha1.AnnotationVersion]]; ill && n >= from {
		return -1
	}
	return 1
}

func (r *run) crashes(pod *corev1.Pod) bool {
	return r.crashing[pod.Annotations[v1alpha1.AnnotationVersion]]
}

// fall makes the ready instances of a version fail, and all later ones.
func (r *run) fall(version string) {
	r.ill[version] = 0
	for _, pod := range r.pods() {
		if pod.Annotations[v1alpha1.AnnotationVersion] == version {
			r.Cluster.Fail(client.ObjectKeyFromObject(&pod))
		}
	}
}

func (r *run) pods() []corev1.Pod {
	var list corev1.PodList
	r.must(r.user.List(context.Background(), &list, client.InNamespace(namespace), client.UnsafeDisableDeepCopy))
	return list.Items
}

// ready counts the ready instances of a version.
func (r *run) ready(version string) int {
	n := 0
	for _, pod := range r.pods() {
		if pod.Annotations[v1alpha1.AnnotationVersion] == version && isReady(&pod) {
			n++
		}
	}
	return n
}

// routed is the selector of the Service.
func (r *run) routed() map[string]string {
	var s corev1.Service
	if r.user.Get(context.Background(), client.ObjectKey{Namespace: namespace, Name: name}, &s) != nil {
		return nil
	}
	return s.Spec.Selector
}

// resync makes every process look at everything again, so often, and demands that nothing is written.
func (r *run) resync(times int) error {
	before := len(r.Store.Trace())
	for range times {
		for _, p := range r.Processes {
			p.Resync()
		}
		if err := r.rest(time.Minute); err != nil {
			return err
		}
	}
	if more := r.Store.Trace()[before:]; len(more) > 0 {
		r.problem("O2: at rest, %d forced passes wrote:\n%s", times, strings.Join(tell(more), "\n"))
	}
	return nil
}

// allPasses counts the passes of all processes.
func (r *run) allPasses() int {
	n := r.passes
	for _, p := range r.Processes {
		n += p.Passes
	}
	return n
}

func tell(changes []simapi.Change) []string {
	var out []string
	for _, c := range changes {
		what := ""
		switch {
		case c.Old == nil:
			what = " (new)"
		case c.New == nil:
			what = " (gone)"
		}
		out = append(out, fmt.Sprintf("%8s %s: %s%s%s", c.At.Sub(simapi.Begin), c.Write.Process, c.Write, what, said(c)))
	}
	return out
}

// said is what makes a change worth reading.
func said(c simapi.Change) string {
	env, ok := c.New.(*v1alpha1.Environment)
	if ok && env.Status.Deployment != nil {
		d := env.Status.Deployment
		return fmt.Sprintf(" [%d %s: %s]", d.ID, d.State, d.Message)
	}
	if c.New == nil || c.Write.Process != actor {
		return ""
	}
	a := c.New.GetAnnotations()
	if id := a[v1alpha1.AnnotationRolloutID]; id != "" {
		return fmt.Sprintf(" [%s of %s, failed: %s]", id, a[v1alpha1.AnnotationVersion], a[v1alpha1.AnnotationFailedVersion])
	}
	if s, ok := c.New.(*corev1.Service); ok {
		return fmt.Sprintf(" [to %s]", s.Spec.Selector[v1alpha1.LabelSlot])
	}
	return ""
}
