// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package shell

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

func TestForgetting(t *testing.T) {
	t.Parallel()
	f := &Frame{}
	f.pacer.wrote(types.UID("a"), time.Now())
	f.pacer.wrote(types.UID("b"), time.Now())
	gone := &v1alpha1.Application{ObjectMeta: metav1.ObjectMeta{UID: "a"}}
	if !f.Forgetting().Delete(event.DeleteEvent{Object: gone}) {
		t.Error("Delete = false, want the event to pass")
	}
	if _, kept := f.pacer.last["a"]; kept || len(f.pacer.last) != 1 {
		t.Errorf("remembers %v, want b only", f.pacer.last)
	}
}

func TestByUsers(t *testing.T) {
	t.Parallel()
	base := v1alpha1.Application{ObjectMeta: metav1.ObjectMeta{Generation: 1, ResourceVersion: "1"}}
	for _, tc := range []struct {
		name   string
		change func(*v1alpha1.Application)
		want   bool
	}{
		{"resync", func(*v1alpha1.Application) {}, false},
		{"our status", func(a *v1alpha1.Application) { a.ResourceVersion, a.Status.ObservedGeneration = "2", 1 }, false},
		{"label", func(a *v1alpha1.Application) { a.Labels = map[string]string{"a": "b"} }, false},
		{"spec or deletion", func(a *v1alpha1.Application) { a.Generation = 2 }, true},
		{"annotation", func(a *v1alpha1.Application) {
			a.Annotations = map[string]string{v1alpha1.AnnotationForceDelete: "true"}
		}, true},
		{"finalizer", func(a *v1alpha1.Application) { a.Finalizers = []string{"x"} }, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			is := base.DeepCopy()
			tc.change(is)
			if got := ByUsers().Update(event.UpdateEvent{ObjectOld: base.DeepCopy(), ObjectNew: is}); got != tc.want {
				t.Errorf("Update = %t, want %t", got, tc.want)
			}
		})
	}
}
