// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/database"
)

// Binding is the Secret that applications connect with, by the convention of servicebinding.io.
type Binding struct {
	Namespace, Name     string
	Labels, Annotations map[string]string
	// Type and Provider say what kind of database it is: postgresql, mysql; builtin, rds, external.
	Type, Provider string
	// Host and Port may be empty and 0: they are added once they are known.
	Host string
	Port int32
	// Database, Username and Password open it. An empty password is made once, and kept.
	Database, Username, Password string
}

var (
	// ErrStranger means that the Secret belongs to other data.
	ErrStranger = errors.New("the Secret belongs to something else")
	// ErrLost means that the Secret of an existing database is not there.
	ErrLost = errors.New("the Secret is gone")
)

// Publish makes the Secret, or completes it. Whatever is in it stays, the password above all, unless b says otherwise. Where the data
// exist already, a missing Secret is ErrLost: another password would open nothing. It says whether the Secret is complete, and its resource
// version.
func (p *Provisioner) Publish(ctx context.Context, b Binding, exists bool) (complete bool, version string, err error) {
	var live corev1.Secret
	err = p.Live.Get(ctx, client.ObjectKey{Namespace: b.Namespace, Name: b.Name}, &live)
	if apierrors.IsNotFound(err) {
		if exists && b.Password == "" {
			return false, "", ErrLost
		}
		version, err := p.create(ctx, b)
		return err == nil && b.Host != "", version, err
	}
	if err != nil {
		return false, "", fmt.Errorf("reading Secret %s: %w", b.Name, err)
	}
	if live.Annotations[v1alpha1.AnnotationDatabaseID] != b.Annotations[v1alpha1.AnnotationDatabaseID] {
		return false, "", ErrStranger
	}
	if live.DeletionTimestamp != nil {
		return false, "", ErrLost
	}
	return p.complete(ctx, b, &live)
}

func (p *Provisioner) create(ctx context.Context, b Binding) (version string, err error) {
	if b.Password == "" {
		b.Password = rand.Text()
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace, Name: b.Name, Labels: b.Labels, Annotations: b.Annotations},
		Type:       corev1.SecretType("servicebinding.io/" + b.Type),
		Data:       b.data(nil),
	}
	if err := p.Client.Create(ctx, secret, client.FieldOwner(fieldManager), client.DisableReadYourWritesConsistency); err != nil {
		return "", classify(fmt.Errorf("making Secret %s: %w", b.Name, err))
	}
	return secret.ResourceVersion, nil
}

func (p *Provisioner) complete(ctx context.Context, b Binding, live *corev1.Secret) (bool, string, error) {
	before := live.DeepCopy()
	if b.Password == "" {
		// Rotation gives the user another name too, so both are kept.
		b.Password, b.Username = string(live.Data["password"]), string(live.Data["username"])
	}
	if b.Host == "" {
		b.Host = string(live.Data["host"])
		if n, err := strconv.ParseInt(string(live.Data["port"]), 10, 32); err == nil {
			b.Port = int32(n)
		}
	}
	live.Data = b.data(live.Data)
	live.Labels, live.Annotations = merged(live.Labels, b.Labels), merged(live.Annotations, b.Annotations)
	delete(live.Annotations, v1alpha1.AnnotationRetained)
	if equality.Semantic.DeepEqual(before, live) {
		return b.Host != "", live.ResourceVersion, nil
	}
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := p.Client.Patch(ctx, live, patch, client.FieldOwner(fieldManager), client.DisableReadYourWritesConsistency); err != nil {
		return false, "", classify(fmt.Errorf("completing Secret %s: %w", b.Name, err))
	}
	return b.Host != "", live.ResourceVersion, nil
}

// data is the Secret's content; what others added stays.
func (b Binding) data(others map[string][]byte) map[string][]byte {
	out := maps.Clone(others)
	if out == nil {
		out = map[string][]byte{}
	}
	for key, value := range map[string]string{
		"type": b.Type, "provider": b.Provider, "database": b.Database, "username": b.Username, "password": b.Password,
	} {
		out[key] = []byte(value)
	}
	if b.Host != "" {
		port := strconv.Itoa(int(b.Port))
		out["host"], out["port"] = []byte(b.Host), []byte(port)
		address := url.URL{Scheme: b.Type, User: url.UserPassword(b.Username, b.Password), Host: net.JoinHostPort(b.Host, port), Path: "/" + b.Database}
		out["uri"] = []byte(address.String())
	}
	return out
}

// Password makes a Secret with a password in it, once, and with the name of the user if there is one.
func (p *Provisioner) Password(ctx context.Context, namespace, name, username string, labels, annotations map[string]string) error {
	live := &metav1.PartialObjectMetadata{}
	live.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	err := p.Live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, live)
	switch {
	case err == nil && live.Annotations[v1alpha1.AnnotationDatabaseID] != annotations[v1alpha1.AnnotationDatabaseID]:
		return ErrStranger
	case err == nil:
		return nil
	case !apierrors.IsNotFound(err):
		return fmt.Errorf("looking for Secret %s: %w", name, err)
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels, Annotations: annotations},
		Data:       map[string][]byte{"password": []byte(rand.Text())},
	}
	if username != "" {
		secret.Data["username"] = []byte(username)
	}
	if err := p.Client.Create(ctx, secret, client.FieldOwner(fieldManager), client.DisableReadYourWritesConsistency); err != nil {
		return classify(fmt.Errorf("making Secret %s: %w", name, err))
	}
	return nil
}

// Login puts another login into a binding's Secret, with the password of another Secret, unless it is there. It returns the Secret's
// resource version and since when the login is there; a zero time: since now.
func (p *Provisioner) Login(ctx context.Context, namespace, binding, username, passwordSecret string) (version string, since time.Time, err error) {
	var live, other corev1.Secret
	if err := p.Live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: binding}, &live); err != nil {
		return "", since, fmt.Errorf("reading Secret %s: %w", binding, err)
	}
	if string(live.Data["username"]) == username {
		since, err := time.Parse(time.RFC3339, live.Annotations[v1alpha1.AnnotationLoginSince])
		if err != nil {
			return "", since, fmt.Errorf("annotation %s of Secret %s: %w", v1alpha1.AnnotationLoginSince, binding, err)
		}
		return live.ResourceVersion, since, nil
	}
	if err := p.Live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: passwordSecret}, &other); err != nil {
		return "", since, fmt.Errorf("reading Secret %s: %w", passwordSecret, err)
	}
	port, err := strconv.ParseInt(string(live.Data["port"]), 10, 32)
	if err != nil {
		return "", since, fmt.Errorf("the port in Secret %s: %w", binding, err)
	}
	before := live.DeepCopy()
	live.Data = Binding{
		Type: string(live.Data["type"]), Provider: string(live.Data["provider"]), Host: string(live.Data["host"]), Port: int32(port),
		Database: string(live.Data["database"]), Username: username, Password: string(other.Data["password"]),
	}.data(live.Data)
	live.Annotations = merged(live.Annotations, map[string]string{v1alpha1.AnnotationLoginSince: p.Now().UTC().Format(time.RFC3339)})
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := p.Client.Patch(ctx, &live, patch, client.FieldOwner(fieldManager), client.DisableReadYourWritesConsistency); err != nil {
		return "", since, classify(fmt.Errorf("changing Secret %s: %w", binding, err))
	}
	return live.ResourceVersion, since, nil
}

// Rotated says whether a binding's Secret has the login already, and the Secret that its password came from is gone: that rotation is
// over. To begin it again would give the login a password that nobody is told.
func (p *Provisioner) Rotated(ctx context.Context, namespace, binding, username, passwordSecret string) (bool, error) {
	var live corev1.Secret
	err := p.Live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: passwordSecret}, &live)
	if err == nil {
		return false, nil
	}
	if !apierrors.IsNotFound(err) {
		return false, fmt.Errorf("looking for Secret %s: %w", passwordSecret, err)
	}
	if err := p.Live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: binding}, &live); err != nil {
		return false, fmt.Errorf("reading Secret %s: %w", binding, err)
	}
	return string(live.Data["username"]) == username, nil
}

// Keep writes on the Secret what a claim leaves behind. A Secret that belongs to other data was never the claim's.
func (p *Provisioner) Keep(ctx context.Context, namespace, name string, record database.Retained) error {
	live := &metav1.PartialObjectMetadata{}
	live.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	err := p.Live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, live)
	if apierrors.IsNotFound(err) {
		return nil // there is nothing to write on; the provider's objects still have the identity
	}
	if err != nil {
		return fmt.Errorf("reading Secret %s: %w", name, err)
	}
	if live.Annotations[v1alpha1.AnnotationDatabaseID] != record.ID {
		return nil
	}
	before := live.DeepCopy()
	live.Annotations[v1alpha1.AnnotationRetained] = record.String()
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := p.Client.Patch(ctx, live, patch, client.FieldOwner(fieldManager), client.DisableReadYourWritesConsistency); err != nil {
		return fmt.Errorf("writing on Secret %s: %w", name, err)
	}
	return nil
}

// Left is the Secret of a database that an earlier claim left behind, or that this one took over.
type Left struct {
	// Secret is its name; empty: there is none.
	Secret string
	// ID is the identity of the data.
	ID string
	// Record says what was left behind. It is nil once a claim has taken the database over.
	Record *database.Retained
}

// Left finds the Secret of the database whose main object has a name.
func (p *Provisioner) Left(ctx context.Context, namespace, resource string) (Left, error) {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
	if err := p.Live.List(ctx, list, client.InNamespace(namespace), client.HasLabels{v1alpha1.LabelDatabase}); err != nil {
		return Left{}, fmt.Errorf("looking for retained databases: %w", err)
	}
	for _, item := range list.Items {
		if item.Annotations[v1alpha1.AnnotationBindingOf] != resource {
			continue
		}
		out := Left{Secret: item.Name, ID: item.Annotations[v1alpha1.AnnotationDatabaseID]}
		if r, ok := database.ParseRetained(item.Annotations[v1alpha1.AnnotationRetained]); ok {
			out.Record = &r
		}
		return out, nil
	}
	return Left{}, nil
}

// Forget deletes a Secret of data that are gone.
func (p *Provisioner) Forget(ctx context.Context, namespace, name, id string) error {
	live := &metav1.PartialObjectMetadata{}
	live.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	err := p.Live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, live)
	if apierrors.IsNotFound(err) || err == nil && live.Annotations[v1alpha1.AnnotationDatabaseID] != id {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading Secret %s: %w", name, err)
	}
	uid, version := live.GetUID(), live.GetResourceVersion()
	err = p.Client.Delete(ctx, live, client.Preconditions{UID: &uid, ResourceVersion: &version}, client.DisableReadYourWritesConsistency)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting Secret %s: %w", name, err)
	}
	return nil
}

func merged(have, want map[string]string) map[string]string {
	out := maps.Clone(have)
	if out == nil {
		out = map[string]string{}
	}
	maps.Copy(out, want)
	return out
}
