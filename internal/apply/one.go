// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package apply

import (
	"context"
	"fmt"
	"maps"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/desired/object"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// right says whether an existing child needs no write.
func (a *Applier) right(env *v1alpha1.Environment, w object.Object, live snapshot.Object) bool {
	return w.Keep || w.Once || a.verified.unchanged(env, w, live)
}

func (a *Applier) one(ctx context.Context, env *v1alpha1.Environment, w object.Object, live snapshot.Object, exists bool) error {
	if exists && w.Seed != nil {
		// A scaler takes over: another manager must own the live value before ours lets go of it.
		if err := a.handOver(ctx, w, live); err != nil {
			return err
		}
	}
	if w.Once {
		return a.create(ctx, env, w)
	}
	if err := a.Client.Apply(ctx, configuration(w), client.FieldOwner(FieldManager), client.ForceOwnership); err != nil {
		return fmt.Errorf("applying %s: %w", w.Child, err)
	}
	if exists || w.Seed == nil {
		return nil
	}
	return a.seed(ctx, w, nil)
}

// configuration is what is sent. A client must be told when a kind has no Go type.
func configuration(w object.Object) runtime.ApplyConfiguration {
	if !w.Kind.Untyped() {
		return w.Config
	}
	out := &unstructured.Unstructured{Object: runtime.DeepCopyJSON(w.Intent)}
	annotations := out.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[v1alpha1.AnnotationIntentHash] = w.Hash
	out.SetAnnotations(annotations)
	return client.ApplyConfigurationFromUnstructured(out)
}

// create makes a child that is made once. Children of such kinds are found by label, so a stranger with the name is not among those
// that were looked at, and an apply would take it over; a creation fails instead.
func (a *Applier) create(ctx context.Context, env *v1alpha1.Environment, w object.Object) error {
	obj, err := typed(a.Client.Scheme(), w)
	if err != nil {
		return fmt.Errorf("making %s: %w", w.Child, err)
	}
	err = a.Client.Create(ctx, obj, client.FieldOwner(FieldManager))
	if !apierrors.IsAlreadyExists(err) {
		if err != nil {
			return fmt.Errorf("making %s: %w", w.Child, err)
		}
		return nil
	}
	live := &metav1.PartialObjectMetadata{}
	live.SetGroupVersionKind(obj.GetObjectKind().GroupVersionKind())
	switch err := a.Live.Get(ctx, client.ObjectKeyFromObject(obj), live); {
	case err != nil:
		return fmt.Errorf("looking at %s, which exists: %w", w.Child, err)
	case !metav1.IsControlledBy(live, env):
		// Nobody tells us when it goes away.
		stall := notOwned([]string{w.Child.String()})
		stall.After = refusedRetry
		return stall
	default:
		return nil // ours, made a moment ago
	}
}

// typed is what is wanted as an object of its Go type.
func typed(scheme *runtime.Scheme, w object.Object) (client.Object, error) {
	version, _ := w.Intent["apiVersion"].(string)
	kind, _ := w.Intent["kind"].(string)
	made, err := scheme.New(schema.FromAPIVersionAndKind(version, kind))
	if err != nil {
		return nil, err
	}
	obj, ok := made.(client.Object)
	if !ok {
		return nil, fmt.Errorf("a %s has no metadata", kind)
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(w.Intent, obj); err != nil {
		return nil, err
	}
	annotations := maps.Clone(obj.GetAnnotations())
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[v1alpha1.AnnotationIntentHash] = w.Hash
	obj.SetAnnotations(annotations)
	return obj, nil
}
