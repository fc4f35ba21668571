// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package simapi

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Client is a client.Client of one process. It always reads what was written last.
type Client struct {
	name  string
	store *Store
	// gate lets one write after another through, with what Intercept says before and after it.
	gate sync.Mutex
	// dead is guarded by the store's lock.
	dead bool
}

var _ client.Client = (*Client)(nil)

// Client makes a client. The name is that of the process, and the field manager of writes that name none.
func (s *Store) Client(name string) *Client { return &Client{name: name, store: s} }

// Crash makes every later call fail with ErrCrashed.
func (c *Client) Crash() {
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	c.dead = true
}

// Crashed says whether it has.
func (c *Client) Crashed() bool {
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	return c.dead
}

// Get implements client.Reader.
func (c *Client) Get(_ context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	o := (&client.GetOptions{}).ApplyOptions(opts)
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	if c.dead {
		return ErrCrashed
	}
	k, err := c.store.kindOf(obj)
	if err != nil {
		return err
	}
	r, err := c.store.find(k, key)
	if err != nil {
		return err
	}
	return hand(r.object, obj, o.UnsafeDisableDeepCopy != nil && *o.UnsafeDisableDeepCopy)
}

// hand copies a stored object into the caller's.
func hand(stored, out client.Object, shared bool) error {
	if generic(out) {
		return handGeneric(stored, out)
	}
	if !shared {
		stored = copyOf(stored)
	}
	target := reflect.ValueOf(out).Elem()
	source := reflect.ValueOf(stored).Elem()
	if target.Type() != source.Type() {
		return fmt.Errorf("a %T is not a %T", stored, out)
	}
	target.Set(source)
	return nil
}

func handGeneric(stored, out client.Object) error {
	gvk := stored.GetObjectKind().GroupVersionKind()
	if m, ok := out.(*metav1.PartialObjectMetadata); ok {
		m.ObjectMeta = reflect.ValueOf(copyOf(stored)).Elem().FieldByName("ObjectMeta").Interface().(metav1.ObjectMeta)
		m.SetGroupVersionKind(gvk)
		return nil
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(stored)
	if err != nil {
		return err
	}
	return runtime.DefaultUnstructuredConverter.FromUnstructured(content, out)
}

// List implements client.Reader.
func (c *Client) List(_ context.Context, list client.ObjectList, opts ...client.ListOption) error {
	o := (&client.ListOptions{}).ApplyOptions(opts)
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	if c.dead {
		return ErrCrashed
	}
	k, err := c.store.kindOfItems(list)
	if err != nil {
		return err
	}
	found, err := k.search(o)
	if err != nil {
		return err
	}
	items := reflect.ValueOf(list).Elem().FieldByName("Items")
	out := reflect.MakeSlice(items.Type(), len(found), len(found))
	for i, obj := range found {
		if err := hand(obj, out.Index(i).Addr().Interface().(client.Object), o.UnsafeDisableDeepCopy != nil && *o.UnsafeDisableDeepCopy); err != nil {
			return err
		}
	}
	items.Set(out)
	list.SetResourceVersion(fmt.Sprint(c.store.version))
	return nil
}

func (s *Store) kindOfItems(list client.ObjectList) (*kind, error) {
	gvk := list.GetObjectKind().GroupVersionKind()
	if !generic(list) {
		kinds, _, err := s.scheme.ObjectKinds(list)
		if err != nil {
			return nil, err
		}
		gvk = kinds[0]
	}
	gvk.Kind = strings.TrimSuffix(gvk.Kind, "List")
	return s.kind(gvk), nil
}

// search returns what matches, ordered by namespace and name.
func (k *kind) search(o *client.ListOptions) ([]client.Object, error) {
	var out []client.Object
	for _, r := range k.records {
		if o.Namespace != "" && r.key.Namespace != o.Namespace {
			continue
		}
		if o.LabelSelector != nil && !o.LabelSelector.Matches(labels.Set(r.object.GetLabels())) {
			continue
		}
		ok, err := k.matches(r.object, o)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, r.object)
		}
	}
	return out, nil
}

func (k *kind) matches(obj client.Object, o *client.ListOptions) (bool, error) {
	if o.FieldSelector == nil {
		return true, nil
	}
	for _, want := range o.FieldSelector.Requirements() {
		extract := k.indexes[want.Field]
		if extract == nil {
			return false, fmt.Errorf("%s has no index %s", k.gvk.Kind, want.Field)
		}
		found := false
		for _, value := range extract(obj) {
			found = found || value == want.Value
		}
		if !found {
			return false, nil
		}
	}
	return true, nil
}

// Scheme implements client.Client.
func (c *Client) Scheme() *runtime.Scheme { return c.store.scheme }

// RESTMapper implements client.Client.
func (c *Client) RESTMapper() meta.RESTMapper { return c.store.mapper() }

// GroupVersionKindFor implements client.Client.
func (c *Client) GroupVersionKindFor(obj runtime.Object) (schema.GroupVersionKind, error) {
	k, err := c.resolve(obj)
	if err != nil {
		return schema.GroupVersionKind{}, err
	}
	return k.gvk, nil
}

// IsObjectNamespaced implements client.Client.
func (c *Client) IsObjectNamespaced(obj runtime.Object) (bool, error) {
	k, err := c.resolve(obj)
	if err != nil {
		return false, err
	}
	return !k.cluster, nil
}

// mapperOf maps the kinds of a scheme.
func mapperOf(scheme *runtime.Scheme) meta.RESTMapper {
	out := meta.NewDefaultRESTMapper(nil)
	for gvk := range scheme.AllKnownTypes() {
		scope := meta.RESTScope(meta.RESTScopeNamespace)
		if traitsOf(gvk).cluster {
			scope = meta.RESTScopeRoot
		}
		out.Add(gvk, scope)
	}
	return out
}
