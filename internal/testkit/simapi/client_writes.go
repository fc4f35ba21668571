// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package simapi

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	k8sjson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

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
