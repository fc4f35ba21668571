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
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
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
	r.Cluster.Starts, r.Cluster.Crashes = r.starts, r.crashes
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
	p, err := r.Store.Start(actor, operator.Setup(r.Store, operator.Options{Operator: installation, Wrap: r.wrap}))
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
