// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package applicationversion

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/desired/buildjob"
	"github.com/beanpod-dev/beanpod/internal/registry"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/store"
)

// Reasons of an artifact that is built, and whose image is not in the registry.
const (
	reasonRegistryUnavailable = "RegistryUnavailable"
	reasonRegistryRefused     = "RegistryRefused"
)

// images says whether artifacts become images.
func (r *Reconciler) images() bool { return r.imager != nil && r.operator.Registry.Prefix != "" }

// image makes the image of an artifact that is built, where there is a registry. It returns when to come back.
func (r *Reconciler) image(ver *v1alpha1.ApplicationVersion, entry *v1alpha1.Artifact, order buildjob.Order) time.Duration {
	if entry.State != v1alpha1.ArtifactBuilt {
		return 0
	}
	entry.Reason, entry.Message = "", ""
	// Of a version that the Platform lists no more, the run image is not known.
	if !r.images() || order.On.RunImage == "" || r.operator.Packaged(entry, order.On.RunImage) != "" {
		return 0
	}
	o := r.imageOrder(ver, *entry, order.On.RunImage)
	work := r.imager.ask(ver, order.Key(), o)
	switch {
	case work.running && work.problem == nil:
		entry.Message = condition.Cut(fmt.Sprintf("its image is being pushed to %s", o.Repository))
	case work.problem == nil:
		entry.Image, entry.RunImage = work.image, order.On.RunImage
		return 0
	case work.problem.Definite:
		entry.Reason = reasonRegistryRefused
		entry.Message = condition.Cut(fmt.Sprintf("%s. %s It is tried again every 5 minutes.", work.problem.Message, work.problem.Next))
	default:
		entry.Reason = reasonRegistryUnavailable
		entry.Message = condition.Cut(fmt.Sprintf("%s. It is tried again, with growing pauses.", work.problem.Message))
	}
	if work.running {
		return imageLook // until then what went wrong last is still said
	}
	return work.wait(r.now())
}

// imageOrder is the same for the same artifact on the same run image.
func (r *Reconciler) imageOrder(ver *v1alpha1.ApplicationVersion, a v1alpha1.Artifact, runImage string) registry.Order {
	platform := settings.PlatformKey(a.Platform, a.Branch, a.Version)
	digest := sha256.Sum256([]byte(strings.Join([]string{platform, runImage, a.SHA256, string(ver.UID)}, "\x00")))
	key := store.Key{Namespace: ver.Namespace, Kind: store.Artifact, Name: a.SHA256}
	return registry.Order{
		Base:       runImage,
		Repository: strings.Join([]string{r.operator.Registry.Prefix, ver.Namespace, ver.Spec.ApplicationRef.Name}, "/"),
		Tag:        ver.Name[:min(len(ver.Name), 100)] + "-" + hex.EncodeToString(digest[:6]),
		Artifact: registry.Artifact{SHA256: a.SHA256, Open: func(ctx context.Context) (io.ReadCloser, error) {
			in, _, err := r.store.Open(ctx, key)
			return in, err
		}},
		Labels: map[string]string{
			v1alpha1.LabelApplication: ver.Spec.ApplicationRef.Name, v1alpha1.AnnotationVersion: ver.Name, v1alpha1.AnnotationPlatform: platform,
			v1alpha1.AnnotationArtifact: "sha256:" + a.SHA256,
		},
	}
}

// reuse takes over what was built for another version of the branch, if a build would be told the same, in the same build image. Only
// where that image is named: a build in the run image is bound to it.
func (r *Reconciler) reuse(ver *v1alpha1.ApplicationVersion, entry *v1alpha1.Artifact, order buildjob.Order) bool {
	if !r.images() || entry.State != "" || entry.Attempts > 0 || order.On.BuildImage == "" {
		return false
	}
	recipe := order.Recipe()
	for _, a := range ver.Status.Artifacts {
		if a.State == v1alpha1.ArtifactBuilt && a.Recipe == recipe && a.Platform == entry.Platform && a.Branch == entry.Branch {
			entry.State, entry.SHA256, entry.SizeBytes, entry.Recipe = a.State, a.SHA256, a.SizeBytes, recipe
			entry.Processes, entry.Release, entry.Postdeploy = a.Processes, a.Release, a.Postdeploy
			return true
		}
	}
	return false
}
