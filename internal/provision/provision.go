// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package provision reads, writes and deletes what providers make of databases, and their Secrets. I/O; called by the databaseclaim
// controller. It reads live and by name: nothing about data is concluded from a cache or from a list.
package provision

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/database"
	"github.com/beanpod-dev/beanpod/internal/outcome"
)

const (
	// fieldManager owns what we want; it is the same as for children of Environments, and never changes.
	fieldManager = "beanpod"
	// repair is how often what is already right is applied again, which takes back what others changed and writes nothing otherwise.
	repair = 10 * time.Minute
	// refusedRetry is when a refused write is tried again although nothing changed: a quota or a policy may have been.
	refusedRetry = time.Minute
)

// Provisioner is safe for concurrent use.
type Provisioner struct {
	// Client writes, Live reads the API server.
	Client client.Client
	Live   client.Reader
	// Now is the clock.
	Now func() time.Time

	applied memory
}

// Release forgets everything of some data: their claim is gone.
func (p *Provisioner) Release(id string) { p.applied.forget("", id) }

// Missing names a kind that the cluster does not serve; empty: it serves them all.
func (p *Provisioner) Missing(kinds []schema.GroupVersionKind) (string, error) {
	return Missing(p.Client.RESTMapper(), kinds)
}

// Missing names a kind that a cluster does not serve; empty: it serves them all.
func Missing(mapper meta.RESTMapper, kinds []schema.GroupVersionKind) (string, error) {
	for _, k := range kinds {
		if _, err := mapper.RESTMapping(k.GroupKind(), k.Version); meta.IsNoMatchError(err) {
			return k.Kind + "." + k.Group, nil
		} else if err != nil {
			return "", fmt.Errorf("asking whether the cluster serves %s: %w", k.Kind, err)
		}
	}
	return "", nil
}

// Read reads objects by name. Those that are not found are not in the answer; whatever else goes wrong is an error.
func (p *Provisioner) Read(ctx context.Context, namespace string, refs []database.Ref) (database.Objects, error) {
	have := database.Objects{}
	for _, ref := range refs {
		if job, ok := ref.JobOfPod(); ok {
			pod, err := p.podOf(ctx, namespace, job)
			if err != nil {
				return nil, err
			}
			if pod != nil {
				have[ref] = pod
			}
			continue
		}
		obj := &unstructured.Unstructured{}
		obj.SetGroupVersionKind(ref.GroupVersionKind)
		err := p.Live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: ref.Name}, obj)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", ref, err)
		}
		have[ref] = obj
	}
	return have, nil
}

// podOf finds the newest pod of a Job; nil: it has none. What a Job became is told by the Job itself, so an empty list decides nothing.
func (p *Provisioner) podOf(ctx context.Context, namespace, job string) (*unstructured.Unstructured, error) {
	list := &unstructured.UnstructuredList{}
	list.SetAPIVersion("v1")
	list.SetKind("PodList")
	if err := p.Live.List(ctx, list, client.InNamespace(namespace), client.MatchingLabels{batchv1.JobNameLabel: job}); err != nil {
		return nil, fmt.Errorf("listing the pods of Job %s: %w", job, err)
	}
	var newest *unstructured.Unstructured
	for i := range list.Items {
		if at := list.Items[i].GetCreationTimestamp(); newest == nil || newest.GetCreationTimestamp().Time.Before(at.Time) {
			newest = &list.Items[i]
		}
	}
	return newest, nil
}

// Apply brings objects to what they should be. What exists must have been read into have.
func (p *Provisioner) Apply(ctx context.Context, want []database.Object, have database.Objects) error {
	for _, w := range want {
		live := have[w.Ref]
		if live != nil && (w.Once || live.GetDeletionTimestamp() != nil) {
			continue
		}
		if err := p.one(ctx, w, live); err != nil {
			return classify(fmt.Errorf("applying %s: %w", w.Ref, err))
		}
	}
	return nil
}

func (p *Provisioner) one(ctx context.Context, w database.Object, live *unstructured.Unstructured) error {
	raw, err := json.Marshal(w.Intent)
	if err != nil {
		return err
	}
	obj := &unstructured.Unstructured{}
	if err := json.Unmarshal(raw, &obj.Object); err != nil {
		return err
	}
	obj.SetGroupVersionKind(w.GroupVersionKind)
	sum := sha256.Sum256(raw)
	hash := hex.EncodeToString(sum[:10])
	annotations := maps.Clone(obj.GetAnnotations())
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[v1alpha1.AnnotationIntentHash] = hash
	obj.SetAnnotations(annotations)
	switch {
	case w.Once:
		err := p.Client.Create(ctx, obj, client.FieldOwner(fieldManager), client.DisableReadYourWritesConsistency)
		if apierrors.IsAlreadyExists(err) {
			return nil // the next pass reads it
		}
		return err
	case live != nil && p.applied.fresh(live, obj, hash, p.Now()):
		return nil
	}
	if err := p.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(obj), client.FieldOwner(fieldManager), client.ForceOwnership, client.DisableReadYourWritesConsistency); err != nil {
		return err
	}
	if obj.GetUID() != "" {
		p.applied.remember(obj, hash, p.Now())
	}
	return nil
}

// Delete deletes exactly the object that was read, as it was read: another object of the name, or a change since then, is an error.
func (p *Provisioner) Delete(ctx context.Context, obj *unstructured.Unstructured) error {
	uid, version := obj.GetUID(), obj.GetResourceVersion()
	p.applied.forget(uid, "")
	err := p.Client.Delete(ctx, obj, client.Preconditions{UID: &uid, ResourceVersion: &version}, client.PropagationPolicy(metav1.DeletePropagationForeground), client.DisableReadYourWritesConsistency)
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("deleting %s %s: %w", obj.GetKind(), obj.GetName(), err)
	}
	return nil
}

// Strangers names objects that were read and that belong to other data, or to nobody that we know.
func Strangers(have database.Objects, refs []database.Ref, id string) []string {
	var out []string
	for _, ref := range refs {
		if live := have[ref]; live != nil && live.GetAnnotations()[v1alpha1.AnnotationDatabaseID] != id {
			out = append(out, ref.String())
		}
	}
	return out
}

// classify tells what a user must change from what passes by itself.
func classify(err error) error {
	switch {
	case err == nil:
		return nil
	case apierrors.HasStatusCause(err, "NamespaceTerminating"):
		return &outcome.Stall{Reason: v1alpha1.ReasonNamespaceTerminating, Message: "the namespace is being deleted; nothing is made in it any more"}
	case apierrors.IsForbidden(err) && strings.Contains(err.Error(), "exceeded quota"):
		return &outcome.Stall{
			Reason: v1alpha1.ReasonQuotaExceeded, After: refusedRetry,
			Message: "the namespace's quota is full; raise the quota or ask for less: " + err.Error(),
		}
	case apierrors.IsForbidden(err), apierrors.IsInvalid(err):
		return &outcome.Stall{
			Reason: v1alpha1.ReasonWriteRefused, After: refusedRetry,
			Message: "the API server refuses a change, what runs keeps running: " + err.Error(),
		}
	default:
		return err
	}
}
