// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package simapi

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

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
