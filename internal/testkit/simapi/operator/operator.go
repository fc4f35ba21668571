// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package operator starts Beanpod's controllers on a simulated API. I/O; called by tests. It is not part of package simapi so that
// the tests of controllers may use that.
package operator

import (
	"context"
	"errors"

	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlcontroller "sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/beanpod-dev/beanpod/internal/controller"
	"github.com/beanpod-dev/beanpod/internal/controller/application"
	"github.com/beanpod-dev/beanpod/internal/controller/applicationversion"
	"github.com/beanpod-dev/beanpod/internal/controller/environment"
	"github.com/beanpod-dev/beanpod/internal/registry"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/testkit/simapi"
)

// logs are those of containers that say nothing.
type logs struct{}

// Tail implements evidence.LogReader.
func (logs) Tail(context.Context, string, string, string, bool, int64, int64) (string, error) {
	return "", nil
}

// Options of an operator.
type Options struct {
	settings.Operator
	// Wrap changes what the controllers' client does; nil: nothing.
	Wrap func(client.Client) client.Client
}

// Setup registers the controllers of Applications, ApplicationVersions and Environments, as internal/controller does. No registry
// is reachable: versions must have the pull policy Never.
func Setup(store *simapi.Store, op Options) simapi.Setup {
	return func(mgr manager.Manager, opts ctrlcontroller.Options) error {
		c, live, events := mgr.GetClient(), mgr.GetAPIReader(), mgr.GetEventRecorder(controller.Recorder)
		if op.Wrap != nil {
			c = op.Wrap(c)
		}
		return errors.Join(
			application.New(application.Dependencies{Client: c, Recorder: events, Now: store.Now}).SetupWithManager(mgr, opts),
			applicationversion.New(applicationversion.Dependencies{
				Client: c, Live: live, Registry: registry.New(registry.Options{}), Recorder: events, Logs: logs{}, Operator: op.Operator, Now: store.Now,
			}).SetupWithManager(mgr, opts),
			environment.New(environment.Dependencies{
				Client: c, Live: live, Recorder: events, Logs: logs{}, Operator: op.Operator, ClusterScoped: true, Now: store.Now, InTurn: true,
			}).SetupWithManager(mgr, opts),
		)
	}
}
