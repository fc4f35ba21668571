// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package faults_test

import (
	"context"
	"maps"
	"strings"
	"sync"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/testkit/faults"
)

// planted is a client that makes a bug of a correct operator. It lives as long as the process.
type planted struct {
	client.Client
	mu sync.Mutex
	// apply changes what is applied; nil: nothing.
	apply func(p *planted, content map[string]any)
	// failed is told when an apply fails; nil: nothing.
	failed func(p *planted, content map[string]any, err error)
	// seen changes a Deployment that is read; nil: nothing.
	seen func(p *planted, d *appsv1.Deployment)
	// kept is what the bug remembers in memory.
	kept map[string]map[string]string
}

// Apply implements client.Client.
func (p *planted) Apply(ctx context.Context, config runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
	if p.apply == nil {
		return p.Client.Apply(ctx, config, opts...)
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(config)
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.apply(p, content)
	p.mu.Unlock()
	err = p.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(&unstructured.Unstructured{Object: content}), opts...)
	if err != nil && p.failed != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.failed(p, content, err)
	}
	return err
}

// Get implements client.Client.
func (p *planted) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	err := p.Client.Get(ctx, key, obj, opts...)
	if d, ok := obj.(*appsv1.Deployment); ok && err == nil && p.seen != nil {
		d.Annotations = maps.Clone(d.Annotations)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.seen(p, d)
	}
	return err
}

// inMemory keeps annotations of Deployments in memory instead of writing them.
func inMemory(prefix string) *planted {
	return &planted{
		apply: func(p *planted, content map[string]any) {
			annotations, _, _ := unstructured.NestedStringMap(content, "metadata", "annotations")
			name, _, _ := unstructured.NestedString(content, "metadata", "name")
			if content["kind"] != "Deployment" || annotations == nil {
				return
			}
			p.kept[name] = map[string]string{}
			for k, v := range annotations {
				if strings.HasPrefix(k, prefix) {
					p.kept[name][k] = v
					unstructured.RemoveNestedField(content, "metadata", "annotations", k)
				}
			}
		},
		seen: func(p *planted, d *appsv1.Deployment) { maps.Copy(d.Annotations, p.kept[d.Name]) },
	}
}

// forgetful writes no failure any more once that met a conflict.
func forgetful() *planted {
	const prefix = "beanpod.dev/failed-"
	return &planted{
		apply: func(p *planted, content map[string]any) {
			annotations, _, _ := unstructured.NestedStringMap(content, "metadata", "annotations")
			for k := range annotations {
				if _, conflict := p.kept["conflict"]; conflict && strings.HasPrefix(k, prefix) {
					unstructured.RemoveNestedField(content, "metadata", "annotations", k)
				}
			}
		},
		failed: func(p *planted, content map[string]any, err error) {
			annotations, _, _ := unstructured.NestedStringMap(content, "metadata", "annotations")
			if annotations[v1alpha1.AnnotationFailedChange] != "" && apierrors.IsConflict(err) {
				p.kept["conflict"] = nil
			}
		},
	}
}

// hasty sends requests to a second set that it did not start itself.
func hasty() *planted {
	return &planted{
		apply: func(p *planted, content map[string]any) {
			name, _, _ := unstructured.NestedString(content, "metadata", "name")
			if content["kind"] == "Deployment" {
				p.kept[name] = nil
			}
		},
		seen: func(p *planted, d *appsv1.Deployment) {
			if _, mine := p.kept[d.Name]; mine || !strings.HasSuffix(d.Name, "-b") {
				return
			}
			route := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "blue"}}
			patch := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"selector":{"beanpod.dev/slot":"b"}}}`))
			_ = p.Patch(context.Background(), route, patch)
		},
	}
}

// TestPlanted plants bugs that nobody sees without a fault, and wants singles to find each.
func TestPlanted(t *testing.T) {
	for _, tc := range []struct {
		name, scenario string
		bug            *planted
	}{
		{"the failure is remembered in memory only", "rollback/Rolling/first", inMemory("beanpod.dev/failed-")},
		{"when a stage began is remembered in memory only", "rollback/Immutable/first", inMemory("beanpod.dev/stage-started-at")},
		{"the failure is forgotten when its write meets a conflict", "rollback/Immutable/first", forgetful()},
		{"requests move before the new set is ready, after a restart", "version/Immutable/1", hasty()},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := &faults.Play{Scenario: find(t, tc.scenario), Wrap: func(c client.Client) client.Client {
				bug := &planted{Client: c, apply: tc.bug.apply, seen: tc.bug.seen, failed: tc.bug.failed, kept: map[string]map[string]string{}}
				return bug
			}}
			list, err := p.Singles()
			if err != nil {
				t.Fatalf("found without any fault: %.300s", err)
			}
			for i, f := range list {
				out, err := p.Run(f)
				if err != nil {
					t.Fatal(err)
				}
				if len(out.Problems) > 0 {
					t.Logf("found by single %d of %d, %s: %.300s", i+1, len(list), f, out.Problems[0])
					return
				}
			}
			t.Errorf("%d singles do not find it", len(list))
		})
	}
}

func find(t *testing.T, name string) *faults.Scenario {
	t.Helper()
	for _, s := range faults.Catalog() {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("there is no scenario %s", name)
	return nil
}
