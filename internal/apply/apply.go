// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package apply brings children to what they should be: it checks who owns them, skips what is already right, applies the
// rest on the server's side, and deletes what is no longer wanted. I/O; called by the environment controller.
package apply

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/desired/object"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/outcome"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// Field managers. Their names never change: a changed name would leave every field with two owners.
const (
	// FieldManager owns what we want.
	FieldManager = "beanpod"
	// SeedManager owns what we set once and then leave to somebody else.
	SeedManager = "beanpod-seed"
	// ScaleManager owns the number of instances while our own scaler does.
	ScaleManager = "beanpod-scale"
)

// Applier writes children. It is safe for concurrent use by several passes of different Environments.
type Applier struct {
	// Client writes; it is never asked to read.
	Client client.Client
	// Live reads the metadata of a child that exists although the cache does not show it.
	Live client.Reader
	// InTurn writes one child after another, in the order in which they are wanted, so that a test can repeat a run exactly.
	InTurn bool

	verified verified
}

// Apply brings the children that exist (have) to those that should (want). Nothing is written when all are right.
//
// It returns a Stall with reason NotOwned when one of the names is taken by a stranger, before anything is written; a Stall
// when the API server refuses a child for good; a Wait while children that must be made again are still going away.
func (a *Applier) Apply(ctx context.Context, env *v1alpha1.Environment, want []object.Object, have snapshot.Children) error {
	if err := strangers(env, want, have); err != nil {
		return err
	}
	if leaving, err := a.makeWay(ctx, want, have, env.Annotations[v1alpha1.AnnotationRebuildRequested]); err != nil || len(leaving) > 0 {
		return waitFor(leaving, err)
	}
	retiring, err := a.retire(ctx, env, want, have)
	if err != nil {
		return classify(err)
	}
	if len(retiring) > 0 {
		want = slices.DeleteFunc(slices.Clone(want), func(w object.Object) bool { return w.Kind.Scales() && have[w.Child] == nil })
		have = maps.Clone(have)
		for _, child := range retiring {
			delete(have, child)
		}
	}
	if err := a.write(ctx, env, want, have); err != nil {
		return classify(err)
	}
	if err := a.prune(ctx, env, want, have); err != nil {
		return classify(err)
	}
	return changing(retiring)
}

// Pending names the children that Apply would write or delete, without doing so.
func (a *Applier) Pending(env *v1alpha1.Environment, want []object.Object, have snapshot.Children) []string {
	var out []string
	for _, w := range want {
		if live, exists := have[w.Child]; !exists || !a.right(env, w, live) {
			out = append(out, w.Child.String())
		}
	}
	for child, live := range have {
		if !wanted(want, child) && metav1.IsControlledBy(live, env) {
			out = append(out, child.String())
		}
	}
	slices.Sort(out)
	return out
}

func wanted(want []object.Object, child naming.Child) bool {
	return slices.ContainsFunc(want, func(w object.Object) bool { return w.Child == child })
}

// strangers finds wanted names that somebody else's objects have.
func strangers(env *v1alpha1.Environment, want []object.Object, have snapshot.Children) error {
	var taken []string
	for _, w := range want {
		if live, exists := have[w.Child]; exists && !metav1.IsControlledBy(live, env) {
			taken = append(taken, w.Child.String())
		}
	}
	if len(taken) == 0 {
		return nil
	}
	return notOwned(taken)
}

func notOwned(taken []string) *outcome.Stall {
	return &outcome.Stall{
		Condition: v1alpha1.ConditionApplied, Reason: v1alpha1.ReasonNotOwned,
		Message: strings.Join(taken, ", ") + " already exists and does not belong to this Environment; it is left alone: delete or rename it, or rename the Environment",
	}
}

// makeWay deletes children that were made for another rebuild token, and names those that are still going away.
func (a *Applier) makeWay(ctx context.Context, want []object.Object, have snapshot.Children, rebuild string) ([]string, error) {
	var leaving []string
	var errs []error
	for _, w := range want {
		live, exists := have[w.Child]
		if !exists || w.Once || w.Keep {
			continue
		}
		if live.GetDeletionTimestamp() != nil {
			leaving = append(leaving, w.Child.String())
			continue
		}
		if live.GetAnnotations()[v1alpha1.AnnotationRebuild] != rebuild && rebuild != "" {
			leaving = append(leaving, w.Child.String())
			errs = append(errs, a.delete(ctx, w.Child, live))
		}
	}
	return leaving, errors.Join(errs...)
}

func waitFor(leaving []string, err error) error {
	if err != nil {
		return classify(err)
	}
	return &outcome.Wait{
		Condition: v1alpha1.ConditionApplied, Reason: v1alpha1.ReasonRebuilding,
		Message: "waiting until " + strings.Join(leaving, ", ") + " is gone, to make it again",
	}
}

// write applies what differs: first the Deployments, which record what is being done, and then everything else at once. A Service that
// moved back while the failure was not yet recorded would be moved forth again. Before them comes only a scaler that must let go of a
// Deployment: two may not set its size at the same time.
func (a *Applier) write(ctx context.Context, env *v1alpha1.Environment, want []object.Object, have snapshot.Children) error {
	var releases, records, rest []object.Object
	for _, w := range want {
		if live, exists := have[w.Child]; w.Keep || (exists && a.right(env, w, live)) {
			continue
		}
		switch {
		case w.Kind == naming.Deployment:
			records = append(records, w)
		case letsGo(w, have[w.Child], want):
			releases = append(releases, w)
		default:
			rest = append(rest, w)
		}
	}
	if err := a.together(ctx, env, releases, have); err != nil {
		return err
	}
	if err := a.together(ctx, env, records, have); err != nil {
		return err
	}
	return a.together(ctx, env, rest, have)
}

// letsGo says whether a scaler moves away from a Deployment whose size is set here.
func letsGo(w object.Object, live snapshot.Object, want []object.Object) bool {
	from := scaledBy(live)
	if from == "" || !w.Kind.Scales() {
		return false
	}
	return slices.ContainsFunc(want, func(d object.Object) bool {
		_, sized, _ := unstructured.NestedFieldNoCopy(d.Intent, "spec", "replicas")
		return sized && d.Kind == naming.Deployment && d.Name == from
	})
}

// together writes children that do not depend on each other's order.
func (a *Applier) together(ctx context.Context, env *v1alpha1.Environment, children []object.Object, have snapshot.Children) error {
	errs := make([]error, len(children))
	var group sync.WaitGroup
	for i, w := range children {
		live, exists := have[w.Child]
		group.Go(func() { errs[i] = a.one(ctx, env, w, live, exists) })
		if a.InTurn {
			group.Wait()
		}
	}
	group.Wait()
	return errors.Join(errs...)
}

// prune deletes our children that are no longer wanted.
func (a *Applier) prune(ctx context.Context, env *v1alpha1.Environment, want []object.Object, have snapshot.Children) error {
	var errs []error
	for _, child := range slices.SortedFunc(maps.Keys(have), func(a, b naming.Child) int { return strings.Compare(a.String(), b.String()) }) {
		live := have[child]
		if !wanted(want, child) && metav1.IsControlledBy(live, env) && live.GetDeletionTimestamp() == nil {
			errs = append(errs, a.delete(ctx, child, live))
		}
	}
	return errors.Join(errs...)
}

// delete removes exactly the object that was looked at, never a successor of the same name.
func (a *Applier) delete(ctx context.Context, child naming.Child, live snapshot.Object) error {
	switch child.Kind {
	case naming.Job, naming.ScaledObject:
		// The Job stays until its pod is gone, so that no two release commands run at a time. The ScaledObject stays until the autoscaler that
		// KEDA made for it is gone, so that no two scalers set the number of instances: KEDA itself leaves that one to the garbage collector.
		return a.remove(ctx, child, live, metav1.DeletePropagationForeground)
	default:
		return a.remove(ctx, child, live, metav1.DeletePropagationBackground)
	}
}

func (a *Applier) remove(ctx context.Context, child naming.Child, live snapshot.Object, how metav1.DeletionPropagation) error {
	obj, ok := live.DeepCopyObject().(client.Object)
	if !ok {
		return fmt.Errorf("deleting %s: not an API object", child)
	}
	uid := live.GetUID()
	err := a.Client.Delete(ctx, obj, client.Preconditions{UID: &uid}, client.PropagationPolicy(how))
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("deleting %s: %w", child, err)
	}
	return nil
}

// Forget drops what is remembered of an Environment that is gone.
func (a *Applier) Forget(env *v1alpha1.Environment) { a.verified.forget(env) }
