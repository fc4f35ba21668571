// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/testkit/simapi"
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
			e.Spec.VersionRef = &v1alpha1.LocalReference{Name: r.scenario.another()}
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
		if w.Kind.Kind != "ConfigMap" && !r.cut && !r.toldOf(w) {
			r.problem("the name %s is a stranger's, and nothing ever said so", w)
		}
		r.must(client.IgnoreNotFound(r.user.Delete(context.Background(), obj)))
	})
}

// emptied says whether the namespace is gone, or going.
func (r *run) emptied() bool {
	space := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	return r.user.Get(context.Background(), client.ObjectKeyFromObject(space), space) != nil || space.DeletionTimestamp != nil
}

// toldOf says whether the Environment, or the version that a name belongs to, ever told of a stranger.
func (r *run) toldOf(w simapi.Write) bool {
	version := builds(w)
	return slices.ContainsFunc(r.Store.Trace(), func(change simapi.Change) bool {
		switch o := change.New.(type) {
		case *v1alpha1.Environment:
			c := condition.Find(o.Status.Conditions, v1alpha1.ConditionApplied)
			return version == "" && c != nil && c.Reason == v1alpha1.ReasonNotOwned
		case *v1alpha1.ApplicationVersion:
			c := condition.Find(o.Status.Conditions, v1alpha1.ConditionReady)
			return version == o.Name && c != nil && strings.Contains(c.Message, "does not belong to this version")
		default:
			return false
		}
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
	if version := builds(w); version != "" {
		if ver := r.version(version); ver != nil && condition.IsTrue(ver.Status.Conditions, v1alpha1.ConditionReady) {
			r.problem("%s was refused for %s, and the version says that it is ready", w, lasts)
		}
		return
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
