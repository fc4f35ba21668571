// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package platforms installs the shipped catalogue of Platforms when the operator starts. I/O: one read for each Platform, and a
// write only where the catalogue has changed. The manager runs it.
package platforms

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	catalogue "github.com/beanpod-dev/beanpod/config/platforms"
)

// owner is the field manager of the catalogue. It is nobody else's, so what it does not own was changed by somebody.
const owner = "beanpod-catalogue"

const (
	firstPause   = time.Second
	longestPause = time.Minute
)

// reasonKept is the reason of the event that a Platform is left as somebody changed it.
const reasonKept = "CatalogueNotApplied"

// Installer applies the catalogue once, retrying until it is done: the CRD may come after the operator.
type Installer struct {
	// Client reads live and writes.
	Client client.Client
	// Recorder tells of Platforms that are left alone.
	Recorder events.EventRecorder
}

// NeedLeaderElection makes one replica install the catalogue, not all.
func (Installer) NeedLeaderElection() bool { return true }

// Start installs the catalogue and returns when every Platform of it is as it should be.
func (i Installer) Start(ctx context.Context) error {
	shipped, err := catalogue.Catalogue()
	if err != nil {
		return fmt.Errorf("reading the catalogue: %w", err)
	}
	logger := log.FromContext(ctx).WithName("platforms")
	pause := firstPause
	for {
		var left []v1alpha1.Platform
		var problems []error
		for _, p := range shipped {
			if err := i.install(ctx, p); err != nil {
				left, problems = append(left, p), append(problems, err)
			}
		}
		if len(left) == 0 {
			logger.Info("Catalogue is installed")
			return nil
		}
		logger.Info("Catalogue is not installed yet", "left", len(left), "retryAfter", pause.String(), "error", errors.Join(problems...).Error())
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		shipped, pause = left, min(2*pause, longestPause)
	}
}

// install applies one Platform, unless it is as the catalogue wants or belongs to somebody else.
func (i Installer) install(ctx context.Context, p v1alpha1.Platform) error {
	wanted, hash, err := intent(p)
	if err != nil {
		return err
	}
	var have v1alpha1.Platform
	err = i.Client.Get(ctx, client.ObjectKeyFromObject(&p), &have)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading Platform %s: %w", p.Name, err)
	}
	if have.Annotations[v1alpha1.AnnotationManaged] == "false" || have.Annotations[v1alpha1.AnnotationIntentHash] == hash {
		return nil
	}
	if err == nil && have.Annotations[v1alpha1.AnnotationIntentHash] == "" {
		i.keep(ctx, &have, "it was not made from the catalogue")
		return nil
	}
	err = i.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(wanted), client.FieldOwner(owner))
	if apierrors.IsConflict(err) {
		i.keep(ctx, &have, "it was changed: "+err.Error())
		return nil
	}
	if err != nil {
		return fmt.Errorf("applying Platform %s: %w", p.Name, err)
	}
	return nil
}

// keep says that a Platform stays as it is.
func (i Installer) keep(ctx context.Context, have *v1alpha1.Platform, why string) {
	log.FromContext(ctx).WithName("platforms").Info("Platform is left as it is", "platform", have.Name, "why", why)
	i.Recorder.Eventf(have, nil, corev1.EventTypeNormal, reasonKept, "Install",
		"The catalogue has other contents for this Platform, which stays as it is, because %.700s. Delete it to get the catalogue's, or annotate it with %s: \"false\".",
		why, v1alpha1.AnnotationManaged)
}

// intent is a Platform as it is applied, with the hash of its spec, which says when there is nothing to do.
func intent(p v1alpha1.Platform) (*unstructured.Unstructured, string, error) {
	raw, err := json.Marshal(p.Spec)
	if err != nil {
		return nil, "", fmt.Errorf("hashing Platform %s: %w", p.Name, err)
	}
	sum := sha256.Sum256(raw)
	hash := hex.EncodeToString(sum[:8])
	spec, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&p.Spec)
	if err != nil {
		return nil, "", fmt.Errorf("converting Platform %s: %w", p.Name, err)
	}
	out := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	out.SetAPIVersion(v1alpha1.GroupVersion.String())
	out.SetKind("Platform")
	out.SetName(p.Name)
	out.SetLabels(map[string]string{v1alpha1.LabelManagedBy: v1alpha1.ManagedBy})
	out.SetAnnotations(map[string]string{v1alpha1.AnnotationIntentHash: hash})
	return out, hash, nil
}
