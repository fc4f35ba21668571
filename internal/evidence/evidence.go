// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package evidence keeps what people need to understand a failed deployment before its instances go away: a ConfigMap with a
// summary and the last lines of their logs. I/O; called by the environment controller when a deployment has failed.
package evidence

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// SummaryKey is the key of the summary in the ConfigMap. Each other key, <instance>.<container>.log, is a log.
const SummaryKey = "summary.txt"

// A rollback waits for Keep, so everything is bounded; together this is 15 seconds.
const (
	lookTimeout  = 2 * time.Second
	logsTimeout  = 10 * time.Second
	writeTimeout = 3 * time.Second
)

// What a ConfigMap may hold, names and field managers included, and how it is divided. The API server's own limit is 1 MiB of
// values.
const (
	maxTotal    = 1_000_000
	maxMetadata = 20_000
	maxSummary  = 200_000
	maxLogs     = maxTotal - maxMetadata - maxSummary
)

// ErrNotOwned is returned when the name belongs to somebody else's ConfigMap, which is left alone.
var ErrNotOwned = errors.New("already exists and does not belong to this Environment")

// Keeper keeps evidence. It is safe for concurrent use.
type Keeper struct {
	// Client writes; it is never asked to read, because its cache must not hold the content of ConfigMaps.
	Client client.Client
	// Live reads metadata from the API server, where a write of a moment ago is seen.
	Live client.Reader
	// Logs reads the containers' logs.
	Logs LogReader
	// Now is the clock.
	Now func() time.Time
}

// Failure is a deployment that failed.
type Failure struct {
	// ID is the number of the deployment.
	ID int64
	// Version, Type and Policy describe it; Reason is one word for what went wrong, Message says it to people.
	Version, Type, Policy, Reason, Message string
	// Pods are the instances that it made.
	Pods []snapshot.Instance
}

// Keep creates the ConfigMap of a failed deployment and returns its name; when it exists already, nothing is read or written.
// A log that cannot be read is not an error: the summary says why. It returns within about 15 seconds.
func (k *Keeper) Keep(ctx context.Context, env *v1alpha1.Environment, failure Failure) (string, error) {
	name := naming.Evidence(env.Name, failure.ID)
	kept, err := k.exists(ctx, env, name)
	if !kept && err == nil {
		err = k.create(ctx, env, k.build(ctx, env, name, failure))
	}
	if err != nil {
		return "", fmt.Errorf("keeping ConfigMap %s: %w", name, err)
	}
	return name, nil
}

// exists says whether the ConfigMap is there and ours.
func (k *Keeper) exists(ctx context.Context, env *v1alpha1.Environment, name string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	live := &metav1.PartialObjectMetadata{}
	live.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMap"))
	err := k.Live.Get(ctx, client.ObjectKey{Namespace: env.Namespace, Name: name}, live)
	switch {
	case apierrors.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, err
	case !metav1.IsControlledBy(live, env):
		return false, ErrNotOwned
	default:
		return true, nil
	}
}

// create does not ask the client for reads that see this write: that would fill a cache with the cluster's ConfigMaps.
func (k *Keeper) create(ctx context.Context, env *v1alpha1.Environment, cm *corev1.ConfigMap) error {
	writing, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	err := k.Client.Create(writing, cm, client.DisableReadYourWritesConsistency)
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	// Somebody was quicker while logs were read.
	if kept, problem := k.exists(ctx, env, cm.Name); kept || problem != nil {
		return problem
	}
	return err
}

func (k *Keeper) build(ctx context.Context, env *v1alpha1.Environment, name string, failure Failure) *corev1.ConfigMap {
	pods := worstFirst(failure.Pods)
	logs := choose(pods)
	k.read(ctx, env.Namespace, logs)
	share(logs, maxLogs)
	immutable := true
	out := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: env.Namespace, Name: name,
			Labels: naming.Labels(env.Name, env.UID, env.Spec.ApplicationRef.Name),
			OwnerReferences: []metav1.OwnerReference{
				*metav1.NewControllerRef(env, v1alpha1.GroupVersion.WithKind("Environment")),
			},
		},
		Immutable: &immutable,
		Data:      map[string]string{SummaryKey: summarize(env, failure, pods, logs, k.Now())},
	}
	out.Labels[v1alpha1.LabelDeployment] = strconv.FormatInt(failure.ID, 10)
	for _, l := range logs {
		if l.text != "" {
			out.Data[l.key()] = l.text
		}
	}
	return out
}

// Prune deletes the ConfigMaps of this Environment's failed deployments, except those named. It costs one list; call it when a
// new one was made.
func (k *Keeper) Prune(ctx context.Context, env *v1alpha1.Environment, keepNames []string) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout+writeTimeout)
	defer cancel()
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMapList"))
	err := k.Live.List(ctx, list, client.InNamespace(env.Namespace),
		client.MatchingLabels(naming.EnvironmentSelector(env.UID)), client.HasLabels{v1alpha1.LabelDeployment})
	if err != nil {
		return fmt.Errorf("listing the ConfigMaps of failed deployments: %w", err)
	}
	var errs []error
	for i := range list.Items {
		old := &list.Items[i]
		if !metav1.IsControlledBy(old, env) || slices.Contains(keepNames, old.Name) {
			continue
		}
		old.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMap"))
		err := k.Client.Delete(ctx, old, client.Preconditions{UID: &old.UID}, client.DisableReadYourWritesConsistency)
		// A conflict means that another one has the name now, which nobody looked at.
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			errs = append(errs, fmt.Errorf("deleting ConfigMap %s: %w", old.Name, err))
		}
	}
	return errors.Join(errs...)
}
