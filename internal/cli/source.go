// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/cli/pack"
	"github.com/beanpod-dev/beanpod/internal/cli/upload"
)

// provide returns the version to deploy: one that exists, or a new one, whose bundle is in the store then.
func (d *deployment) provide(ctx context.Context) (*v1alpha1.ApplicationVersion, error) {
	switch {
	case d.version != "":
		return d.known(ctx)
	case d.image != "":
		label := d.label
		if label == "" {
			label = d.imageLabel()
		}
		v, exists, err := d.choose(ctx, label, func(*v1alpha1.ApplicationVersion) v1alpha1.VersionSource {
			return v1alpha1.VersionSource{Image: &v1alpha1.ImageSource{Reference: d.image, PullPolicy: v1alpha1.PullIfNotPresent}}
		})
		if err != nil || exists {
			return v, err
		}
		return v, d.create(ctx, v)
	}
	bundle, err := d.pack(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err := bundle.Remove(); err != nil {
			d.out.warn("removing the temporary archive: %v", err)
		}
	}()
	return d.provideBundle(ctx, bundle)
}

// known finds a version that exists, by name or by label.
func (d *deployment) known(ctx context.Context) (*v1alpha1.ApplicationVersion, error) {
	var list v1alpha1.ApplicationVersionList
	if err := d.List(ctx, &list, client.InNamespace(d.namespace)); err != nil {
		return nil, err
	}
	var labelled *v1alpha1.ApplicationVersion
	var names []string
	for i := range list.Items {
		v := &list.Items[i]
		if v.Spec.ApplicationRef.Name != d.target.Spec.ApplicationRef.Name {
			continue
		}
		names = append(names, v.Name)
		switch d.version {
		case v.Name:
			return v, nil
		case v.Spec.Label:
			labelled = v
		}
	}
	if labelled != nil {
		return labelled, nil
	}
	text := fmt.Sprintf("application %s has no version %s", d.target.Spec.ApplicationRef.Name, d.version)
	if near := nearest(d.version, names); near != "" {
		text += fmt.Sprintf("; did you mean %s?", near)
	}
	return nil, fmt.Errorf("%s (%s lists them)", text, d.hint("versions"))
}

func (d *deployment) pack(ctx context.Context) (*pack.Bundle, error) {
	var bundle *pack.Bundle
	var err error
	if d.archive != "" {
		bundle, err = pack.File(d.archive)
	} else {
		bundle, err = pack.Folder(ctx, d.Dir, d.staged)
	}
	if err != nil {
		return nil, err
	}
	for _, warning := range bundle.Warnings {
		d.out.warn("%s", warning)
	}
	files := ""
	if bundle.Files > 0 {
		files = pack.Count(bundle.Files) + ", "
	}
	d.out.step("bundle of %s: %s%s, sha256 %s", bundle.Origin, files, megabytes(bundle.Size), bundle.SHA256)
	return bundle, nil
}

func (d *deployment) provideBundle(ctx context.Context, bundle *pack.Bundle) (*v1alpha1.ApplicationVersion, error) {
	source := func(v *v1alpha1.ApplicationVersion) v1alpha1.VersionSource {
		return v1alpha1.VersionSource{Bundle: &v1alpha1.BundleSource{URL: "store://" + v.Name, SHA256: bundle.SHA256}}
	}
	label := d.label
	switch {
	case label != "":
	case bundle.Commit != "" && !d.staged:
		label = bundle.Commit[:min(len(bundle.Commit), 10)]
	default:
		label = bundle.SHA256[:12]
	}
	v, exists, err := d.choose(ctx, label, source)
	if err != nil && d.label == "" && d.name == "" {
		// The same commit may give other bytes: from another folder, or packed by another release of this program.
		v, exists, err = d.choose(ctx, label+"-"+bundle.SHA256[:8], source)
	}
	if err != nil || exists {
		return v, err
	}
	annotate(v, v1alpha1.AnnotationMessage, bundle.Subject)
	annotate(v, v1alpha1.AnnotationCommit, bundle.Commit)
	if !d.dryRun {
		if err := d.upload(ctx, v.Name, bundle); err != nil {
			return nil, err
		}
	}
	return v, d.create(ctx, v)
}

// upload brings the bundle into the store.
func (d *deployment) upload(ctx context.Context, name string, bundle *pack.Bundle) error {
	token, err := upload.Token(ctx, d.config, d.cluster, d.namespace, d.uploadServiceAcc)
	if err != nil {
		return err
	}
	store := upload.Store{URL: d.storeURL, Token: token, Pause: d.Look}
	if store.URL == "" {
		tunnel, err := upload.Open(ctx, d.config, d.cluster, d.operatorNamespace)
		if err != nil {
			return err
		}
		defer tunnel.Close()
		store.URL = tunnel.URL
	}
	started := d.Now()
	file := upload.File{Path: bundle.Path, Size: bundle.Size, SHA256: bundle.SHA256}
	if err := store.Put(ctx, d.namespace, name, file, func(sent int64) { d.out.bar(sent, bundle.Size, started) }); err != nil {
		return err
	}
	d.out.step("uploaded %s as store://%s", megabytes(bundle.Size), name)
	return nil
}
