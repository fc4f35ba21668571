// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package platforms

import (
	"fmt"

	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// +kubebuilder:rbac:groups=beanpod.dev,resources=platforms,verbs=get;create;patch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// SetupWithManager makes the manager install the catalogue. The client is one of its own, without a cache: each Platform is
// read once, and maybe before the CRD is there, which a cache would wait for.
func SetupWithManager(mgr ctrl.Manager, recorder events.EventRecorder) error {
	c, err := client.New(mgr.GetConfig(), client.Options{HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper()})
	if err != nil {
		return fmt.Errorf("making a client for the catalogue: %w", err)
	}
	return mgr.Add(Installer{Client: c, Recorder: recorder})
}
