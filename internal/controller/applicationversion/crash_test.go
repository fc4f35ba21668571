// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package applicationversion

import (
	"context"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// crashing is a client whose writes fail when due says so, before they reach the server.
type crashing struct {
	client.Client
	due func() error
}

func (c crashing) Create(ctx context.Context, obj client.Object, opts ...client.CreateOption) error {
	if err := c.due(); err != nil {
		return err
	}
	return c.Client.Create(ctx, obj, opts...)
}

func (c crashing) Apply(ctx context.Context, obj runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
	if err := c.due(); err != nil {
		return err
	}
	return c.Client.Apply(ctx, obj, opts...)
}

func (c crashing) Delete(ctx context.Context, obj client.Object, opts ...client.DeleteOption) error {
	if err := c.due(); err != nil {
		return err
	}
	return c.Client.Delete(ctx, obj, opts...)
}

func (c crashing) Patch(ctx context.Context, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
	if err := c.due(); err != nil {
		return err
	}
	return c.Client.Patch(ctx, obj, patch, opts...)
}

func (c crashing) Status() client.SubResourceWriter { return crashingStatus{c.Client.Status(), c.due} }

type crashingStatus struct {
	client.SubResourceWriter
	due func() error
}

func (c crashingStatus) Patch(ctx context.Context, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
	if err := c.due(); err != nil {
		return err
	}
	return c.SubResourceWriter.Patch(ctx, obj, patch, opts...)
}
