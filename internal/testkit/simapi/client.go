// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package simapi

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	k8sjson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
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

// Create implements client.Writer.
func (c *Client) Create(_ context.Context, obj client.Object, opts ...client.CreateOption) error {
	o := (&client.CreateOptions{}).ApplyOptions(opts)
	return c.send(obj, Write{Verb: Create, Manager: c.manager(o.FieldManager)}, func(k *kind, sent client.Object, w *Write) (client.Object, error) {
		return c.store.create(k, sent, w)
	})
}

// Update implements client.Writer.
func (c *Client) Update(_ context.Context, obj client.Object, opts ...client.UpdateOption) error {
	o := (&client.UpdateOptions{}).ApplyOptions(opts)
	return c.send(obj, Write{Verb: Update, Manager: c.manager(o.FieldManager)}, c.put)
}

func (c *Client) put(k *kind, sent client.Object, w *Write) (client.Object, error) {
	r, err := c.store.find(k, client.ObjectKeyFromObject(sent))
	if err != nil {
		return nil, err
	}
	return c.store.replace(k, r, sent, w)
}

// send writes a whole object, as JSON would carry it, and hands back what was stored.
func (c *Client) send(obj client.Object, w Write, op func(k *kind, sent client.Object, w *Write) (client.Object, error)) error {
	k, err := c.resolve(obj)
	if err != nil {
		return err
	}
	content, err := asMap(obj)
	if err != nil {
		return err
	}
	if w.Verb == Create && k.status {
		delete(content, "status")
	}
	sent, err := c.store.decode(k, content)
	if err != nil {
		return apierrors.NewBadRequest(err.Error())
	}
	w.Kind, w.Namespace, w.Name = k.gvk, obj.GetNamespace(), obj.GetName()
	out, err := c.do(w, func(w *Write) (client.Object, error) { return op(k, sent, w) })
	if err != nil {
		return err
	}
	return hand(out, obj, false)
}

func (c *Client) resolve(obj runtime.Object) (*kind, error) {
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	return c.store.kindOf(obj)
}

func (c *Client) manager(named string) string {
	if named != "" {
		return named
	}
	return c.name
}

// Patch implements client.Writer. JSON merge patches work for every kind, strategic ones for those that are built in.
func (c *Client) Patch(_ context.Context, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
	o := (&client.PatchOptions{}).ApplyOptions(opts)
	return c.patch(obj, patch, Write{Verb: Patch, Manager: c.manager(o.FieldManager)})
}

func (c *Client) patch(obj client.Object, patch client.Patch, w Write) error {
	data, err := patch.Data(obj)
	if err != nil {
		return err
	}
	k, err := c.resolve(obj)
	if err != nil {
		return err
	}
	w.Kind, w.Namespace, w.Name = k.gvk, obj.GetNamespace(), obj.GetName()
	out, err := c.do(w, func(w *Write) (client.Object, error) {
		r, err := c.store.find(k, client.ObjectKeyFromObject(obj))
		if err != nil {
			return nil, err
		}
		next, err := c.store.patched(k, r.object, patch.Type(), data)
		if err != nil {
			return nil, err
		}
		return c.store.replace(k, r, next, w)
	})
	if err != nil {
		return err
	}
	return hand(out, obj, false)
}

// patched is an object with a patch applied to it.
func (s *Store) patched(k *kind, old client.Object, kindOfPatch types.PatchType, data []byte) (client.Object, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(old)
	if err != nil {
		return nil, err
	}
	var change map[string]any
	if err := k8sjson.Unmarshal(data, &change); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	switch kindOfPatch {
	case types.MergePatchType:
		content = mergePatch(content, change)
	case types.StrategicMergePatchType:
		if content, err = strategicpatch.StrategicMergeMapPatch(content, change, old); err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
	default:
		return nil, apierrors.NewBadRequest("the simulation has no patches of type " + string(kindOfPatch))
	}
	next, err := s.decode(k, content)
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	return next, nil
}

// mergePatch is RFC 7386.
func mergePatch(into, change map[string]any) map[string]any {
	if into == nil {
		into = map[string]any{}
	}
	for key, value := range change {
		switch v := value.(type) {
		case nil:
			delete(into, key)
		case map[string]any:
			inner, _ := into[key].(map[string]any)
			into[key] = mergePatch(inner, v)
		default:
			into[key] = value
		}
	}
	return into
}

// Apply implements client.Writer.
func (c *Client) Apply(_ context.Context, config runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
	o := (&client.ApplyOptions{}).ApplyOptions(opts)
	content, err := asMap(config)
	if err != nil {
		return err
	}
	version, _ := content["apiVersion"].(string)
	name, _ := content["kind"].(string)
	metadata, _ := content["metadata"].(map[string]any)
	w := Write{Verb: Apply, Kind: schema.FromAPIVersionAndKind(version, name), Manager: o.FieldManager, Applied: content}
	w.Namespace, _ = metadata["namespace"].(string)
	w.Name, _ = metadata["name"].(string)
	if w.Manager == "" {
		return apierrors.NewBadRequest("fieldManager is required for an apply")
	}
	stored, err := c.do(w, func(w *Write) (client.Object, error) {
		return c.store.applyTo(c.store.kind(w.Kind), content, o.Force != nil && *o.Force, w)
	})
	if err != nil {
		return err
	}
	return answer(stored, config)
}

// answer gives a caller what is stored, where its configuration can hold it.
func answer(stored client.Object, config runtime.ApplyConfiguration) error {
	out, ok := config.(runtime.Unstructured)
	if !ok {
		return nil
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(stored)
	if err != nil {
		return err
	}
	out.SetUnstructuredContent(content)
	return nil
}

// Delete implements client.Writer.
func (c *Client) Delete(_ context.Context, obj client.Object, opts ...client.DeleteOption) error {
	o := (&client.DeleteOptions{}).ApplyOptions(opts)
	k, err := c.resolve(obj)
	if err != nil {
		return err
	}
	w := Write{Verb: Delete, Kind: k.gvk, Namespace: obj.GetNamespace(), Name: obj.GetName()}
	if o.Preconditions != nil && o.Preconditions.UID != nil {
		w.UID = *o.Preconditions.UID
	}
	_, err = c.do(w, func(w *Write) (client.Object, error) {
		r, err := c.store.find(k, client.ObjectKeyFromObject(obj))
		if err != nil {
			return nil, err
		}
		return c.store.remove(k, r, *o, w)
	})
	return err
}

// DeleteAllOf implements client.Writer, one delete for each object.
func (c *Client) DeleteAllOf(ctx context.Context, obj client.Object, opts ...client.DeleteAllOfOption) error {
	o := (&client.DeleteAllOfOptions{}).ApplyOptions(opts)
	k, err := c.resolve(obj)
	if err != nil {
		return err
	}
	c.store.mu.Lock()
	found, err := k.search(&o.ListOptions)
	c.store.mu.Unlock()
	if err != nil {
		return err
	}
	for _, x := range found {
		if err := c.Delete(ctx, copyOf(x), &o.DeleteOptions); client.IgnoreNotFound(err) != nil {
			return err
		}
	}
	return nil
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

// Status implements client.Client.
func (c *Client) Status() client.SubResourceWriter { return c.SubResource("status") }

// SubResource implements client.Client. There is only status.
func (c *Client) SubResource(name string) client.SubResourceClient {
	return subresource{Client: c, sub: name}
}

// subresource writes one subresource.
type subresource struct {
	*Client
	sub string
}

// Get implements client.SubResourceReader.
func (r subresource) Get(context.Context, client.Object, client.Object, ...client.SubResourceGetOption) error {
	return r.unknown()
}

// Create implements client.SubResourceWriter.
func (r subresource) Create(context.Context, client.Object, client.Object, ...client.SubResourceCreateOption) error {
	return r.unknown()
}

// Apply implements client.SubResourceWriter.
func (r subresource) Apply(context.Context, runtime.ApplyConfiguration, ...client.SubResourceApplyOption) error {
	return r.unknown()
}

func (r subresource) unknown() error {
	return apierrors.NewBadRequest("the simulation only updates and patches the subresource status, not " + r.sub)
}

// Update implements client.SubResourceWriter.
func (r subresource) Update(_ context.Context, obj client.Object, opts ...client.SubResourceUpdateOption) error {
	o := (&client.SubResourceUpdateOptions{}).ApplyOptions(opts)
	return r.send(obj, Write{Verb: Update, Subresource: r.sub, Manager: r.manager(o.FieldManager)}, r.put)
}

// Patch implements client.SubResourceWriter.
func (r subresource) Patch(_ context.Context, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
	o := (&client.SubResourcePatchOptions{}).ApplyOptions(opts)
	return r.patch(obj, patch, Write{Verb: Patch, Subresource: r.sub, Manager: r.manager(o.FieldManager)})
}
