// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// Limits of the API.
const (
	maxLabel   = 100
	maxName    = 63
	maxMessage = 1024
)

// choose names a version. One of that name may exist: with the same source it is taken, with another one it is in the way.
func (d *deployment) choose(ctx context.Context, label string, source func(*v1alpha1.ApplicationVersion) v1alpha1.VersionSource) (v *v1alpha1.ApplicationVersion, exists bool, err error) {
	if len(label) > maxLabel {
		return nil, false, fmt.Errorf("the label has %d characters, and at most %d are allowed", len(label), maxLabel)
	}
	application := d.target.Spec.ApplicationRef.Name
	v = &v1alpha1.ApplicationVersion{ObjectMeta: metav1.ObjectMeta{Namespace: d.namespace, Name: d.name}}
	if v.Name == "" {
		v.Name = versionName(application, label)
	}
	v.Spec.ApplicationRef.Name, v.Spec.Label = application, label
	v.Spec.Source = source(v)
	annotate(v, v1alpha1.AnnotationMessage, d.message)

	found := &v1alpha1.ApplicationVersion{}
	err = d.Get(ctx, client.ObjectKeyFromObject(v), found)
	switch {
	case apierrors.IsNotFound(err):
		return v, false, d.inherit(ctx, v)
	case err != nil:
		return nil, false, err
	case found.DeletionTimestamp != nil:
		return nil, false, fmt.Errorf("ApplicationVersion %s is being deleted; choose another --label or --name", v.Name)
	case found.Spec.ApplicationRef.Name != application:
		return nil, false, fmt.Errorf("ApplicationVersion %s belongs to application %s; choose another --name", v.Name, found.Spec.ApplicationRef.Name)
	case !sameSource(found.Spec.Source, v.Spec.Source):
		return nil, false, fmt.Errorf("ApplicationVersion %s exists with other contents, and versions never change; choose another --label or --name", v.Name)
	}
	d.out.step("ApplicationVersion/%s exists already, with the same contents", v.Name)
	return found, true, nil
}

func sameSource(a, b v1alpha1.VersionSource) bool {
	switch {
	case a.Image != nil && b.Image != nil:
		return a.Image.Reference == b.Image.Reference
	case a.Bundle != nil && b.Bundle != nil:
		return a.Bundle.SHA256 == b.Bundle.SHA256 && a.Bundle.URL == b.Bundle.URL
	}
	return false
}

func (d *deployment) create(ctx context.Context, v *v1alpha1.ApplicationVersion) error {
	options := []client.CreateOption{client.FieldOwner(fieldManager)}
	if d.dryRun {
		options = append(options, client.DryRunAll)
	}
	if err := d.Create(ctx, v, options...); err != nil {
		return fmt.Errorf("making ApplicationVersion %s: %w", v.Name, err)
	}
	done := "created"
	if d.dryRun {
		done = "would be created"
	}
	d.out.step("ApplicationVersion/%s %s, label %s", v.Name, done, v.Spec.Label)
	return nil
}

// inherit takes over what a version says besides its source from the one that the environment names: the command line has no words for it.
func (d *deployment) inherit(ctx context.Context, v *v1alpha1.ApplicationVersion) error {
	if d.target.Spec.VersionRef == nil {
		return nil
	}
	from := &v1alpha1.ApplicationVersion{}
	err := d.Get(ctx, client.ObjectKey{Namespace: d.namespace, Name: d.target.Spec.VersionRef.Name}, from)
	if err != nil {
		return client.IgnoreNotFound(err)
	}
	var what []string
	if from.Spec.Processes != nil {
		v.Spec.Processes, what = from.Spec.Processes, append(what, "processes")
	}
	if from.Spec.ReleaseCommand != nil {
		v.Spec.ReleaseCommand, what = from.Spec.ReleaseCommand, append(what, "releaseCommand")
	}
	if before, now := from.Spec.Source.Image, v.Spec.Source.Image; before != nil && now != nil {
		if before.PullSecretRef != nil {
			now.PullSecretRef, what = before.PullSecretRef, append(what, "pullSecretRef")
		}
		if before.PullPolicy != "" && before.PullPolicy != now.PullPolicy {
			now.PullPolicy, what = before.PullPolicy, append(what, "pullPolicy "+string(before.PullPolicy))
		}
	}
	if len(what) > 0 {
		d.out.step("as in %s: %s", from.Name, strings.Join(what, ", "))
	}
	return nil
}

// annotate sets an annotation that is not set yet.
func annotate(v *v1alpha1.ApplicationVersion, key, value string) {
	if value == "" || v.Annotations[key] != "" {
		return
	}
	if v.Annotations == nil {
		v.Annotations = map[string]string{}
	}
	if runes := []rune(value); len(runes) > maxMessage {
		value = string(runes[:maxMessage])
	}
	v.Annotations[key] = value
}

// imageLabel is the tag, or the beginning of the digest. A tag that moves gets the time, so that what it means now is a version of its own.
func (d *deployment) imageLabel() string {
	rest, digest, _ := strings.Cut(d.image, "@")
	_, tag, _ := strings.Cut(rest[strings.LastIndexByte(rest, '/')+1:], ":")
	switch {
	case tag == "" && digest != "":
		_, hex, _ := strings.Cut(digest, ":")
		return hex[:min(len(hex), 12)]
	case tag == "" || tag == "latest":
		return "latest-" + d.Now().UTC().Format("20060102-150405")
	}
	return tag
}

var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

// versionName makes a name of application and label that can also be a file name and a DNS label.
func versionName(application, label string) string {
	out := notInNames.ReplaceAllString(strings.ToLower(application+"-"+label), "-")
	return strings.Trim(out[:min(len(out), maxName)], "-")
}
