// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package object frames one child to apply: its identity, its apply configuration and the hash of the intent. Pure; the
// builders of internal/desired make Objects, internal/apply writes them.
package object

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"k8s.io/apimachinery/pkg/runtime"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

// Object is one child to apply.
type Object struct {
	naming.Child
	// Config is the apply configuration. Unset fields are not ours.
	Config runtime.ApplyConfiguration
	// Intent is Config as generic JSON, without the hash annotation.
	Intent map[string]any
	// Hash of Intent; it is also an annotation of Config.
	Hash string
	// Once is true for what is made once and never changed; Keep is true for what stays as it is, and then Config is nil.
	Once, Keep bool
	// Seed, when not nil, makes the apply configuration, for another field manager, of a field that is somebody else's from
	// then on: with nil when the object has just been created, with the live replicas when they are handed over. It may
	// return nil: nothing to set.
	Seed func(live *int32) runtime.ApplyConfiguration
}

// annotated is what every generated apply configuration can do.
type annotated[T any] interface {
	runtime.ApplyConfiguration
	WithAnnotations(map[string]string) T
}

// New hashes an apply configuration and frames it. The configuration must not be changed afterwards.
func New[T annotated[T]](child naming.Child, config T) (Object, error) {
	raw, err := json.Marshal(config)
	if err != nil {
		return Object{}, err
	}
	var intent map[string]any
	if err := json.Unmarshal(raw, &intent); err != nil {
		return Object{}, err
	}
	sum := sha256.Sum256(raw)
	hash := hex.EncodeToString(sum[:10])
	config.WithAnnotations(map[string]string{v1alpha1.AnnotationIntentHash: hash})
	return Object{Child: child, Config: config, Intent: intent, Hash: hash}, nil
}

// Owner is the controller reference of every child.
func Owner(s settings.Settings) *metav1ac.OwnerReferenceApplyConfiguration {
	return metav1ac.OwnerReference().
		WithAPIVersion(v1alpha1.GroupVersion.String()).WithKind("Environment").
		WithName(s.Name).WithUID(s.UID).
		WithController(true).WithBlockOwnerDeletion(true)
}

// Labels are on every child: ours and the tags that fit.
func Labels(s settings.Settings) map[string]string {
	labels := naming.Labels(s.Name, s.UID, s.Application)
	for k, v := range s.TagLabels {
		labels[k] = v
	}
	return labels
}

// Annotations are on every child: the other tags, and the rebuild token that it was made for.
func Annotations(s settings.Settings) map[string]string {
	out := map[string]string{}
	for k, v := range s.TagAnnotations {
		out[k] = v
	}
	if s.RebuildToken != "" {
		out[v1alpha1.AnnotationRebuild] = s.RebuildToken
	}
	return out
}
