// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package faults_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
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
	// seen changes a Deployment that is read; nil: nothing.
	seen func(p *planted, d *appsv1.Deployment)
	// create and remove take over; nil: nothing.
	create func(p *planted, obj client.Object)
	remove func(opts []client.DeleteOption) []client.DeleteOption
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
	return p.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(&unstructured.Unstructured{Object: content}), opts...)
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

// Create implements client.Client.
func (p *planted) Create(ctx context.Context, obj client.Object, opts ...client.CreateOption) error {
	if p.create != nil {
		p.create(p, obj)
	}
	return p.Client.Create(ctx, obj, opts...)
}

// Delete implements client.Client.
func (p *planted) Delete(ctx context.Context, obj client.Object, opts ...client.DeleteOption) error {
	if p.remove != nil {
		opts = p.remove(opts)
	}
	return p.Client.Delete(ctx, obj, opts...)
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

// TestPlanted plants bugs, and wants singles to find each.
func TestPlanted(t *testing.T) {
	for _, tc := range []struct {
		name, scenario string
		bug            *planted
	}{
		{"the failure is remembered in memory only", "rollback/Rolling/first", inMemory("beanpod.dev/failed-")},
		{"when a stage began is remembered in memory only", "rollback/Immutable/first", inMemory("beanpod.dev/stage-started-at")},
		{"the release command has a name by chance", "release/Rolling", &planted{create: func(p *planted, obj client.Object) {
			if j, ok := obj.(*batchv1.Job); ok {
				p.mu.Lock()
				defer p.mu.Unlock()
				p.kept[j.Name] = map[string]string{}
				j.Name = fmt.Sprintf("%s-%p", j.Name, p)
				delete(j.Labels, v1alpha1.LabelEnvironmentUID)
			}
		}}},
		{"a deletion takes whatever has the name", "version/Immutable/1", &planted{remove: func([]client.DeleteOption) []client.DeleteOption { return nil }}},
		{"requests move before the new set is ready", "version/Immutable/1", &planted{apply: func(p *planted, content map[string]any) {
			name, _, _ := unstructured.NestedString(content, "metadata", "name")
			if strings.HasSuffix(name, "-b") {
				p.kept[name] = nil
			}
			if _, begun := p.kept["blue-b"]; begun && content["kind"] == "Deployment" {
				route := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "blue"}}
				patch := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"selector":{"beanpod.dev/slot":"b"}}}`))
				_ = p.Patch(context.Background(), route, patch)
			}
		}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := &faults.Play{Scenario: find(t, tc.scenario), Wrap: func(c client.Client) client.Client {
				bug := &planted{Client: c, apply: tc.bug.apply, seen: tc.bug.seen, create: tc.bug.create, remove: tc.bug.remove, kept: map[string]map[string]string{}}
				return bug
			}}
			list, err := p.Singles()
			if err != nil {
				t.Logf("found without any fault: %.300s", err)
				return
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
