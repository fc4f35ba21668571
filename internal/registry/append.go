// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	// appendTimeout bounds one image, whose layers may have to be copied between registries.
	appendTimeout = 30 * time.Minute
	// maxBlob bounds one layer of a run image.
	maxBlob = 16 << 30
)

// AppendOptions are the options of an Appender.
type AppendOptions struct {
	// CredentialsFile is a Docker configuration, read anew for each image; empty: none.
	CredentialsFile string
	// Insecure speaks plain HTTP with the registry that is pushed to.
	Insecure bool
	// AllowLoopback is Options.AllowLoopback.
	AllowLoopback bool
}

// Appender makes images of artifacts. It is safe for concurrent use and keeps connections, so a process needs one.
type Appender struct {
	options   AppendOptions
	transport http.RoundTripper
}

// NewAppender returns an Appender.
func NewAppender(o AppendOptions) *Appender {
	return &Appender{options: o, transport: roomy{newTransport(guard{allowLoopback: o.AllowLoopback})}}
}

// Order is one image to make.
type Order struct {
	// Base is the run image that the artifact is appended to.
	Base string
	// Repository and Tag say where the image goes.
	Repository, Tag string
	// Artifact is the application.
	Artifact Artifact
	// Labels of the image.
	Labels map[string]string
}

// Append appends the artifact as one layer to the run image, as that is now, and pushes the result. It returns the image by digest.
// What the registry has already is not sent again. Every error is a *Problem.
func (a *Appender) Append(ctx context.Context, o Order) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, appendTimeout)
	defer cancel()
	target, err := name.NewTag(o.Repository+":"+o.Tag, a.spelling(o.Repository)...)
	if err != nil {
		return "", definite("Correct --artifact-registry (store.registry.prefix in the chart).", "%q is not a repository (%s)", clean(o.Repository), clean(err.Error()))
	}
	base, err := name.ParseReference(o.Base, a.spelling(o.Base, target.RegistryStr())...)
	if err != nil {
		return "", definite("Correct runImage of the Platform.", "%q is not an image reference (%s)", clean(o.Base), clean(err.Error()))
	}
	var keys *Credentials
	if a.options.CredentialsFile != "" {
		if keys, err = ReadCredentials(a.options.CredentialsFile); err != nil {
			return "", definite("Correct the Secret that store.registry.secretName names in the chart, or --artifact-registry-credentials.", "%s", err)
		}
	}
	image, err := a.make(ctx, base, o, keys)
	if err != nil {
		return "", readingProblem(base, keys, err)
	}
	digest, err := image.push(target, a.remote(ctx, keys))
	if err != nil {
		return "", pushProblem(target, err)
	}
	return target.Repository.Name() + "@" + digest.String(), nil
}

// spelling are the options to parse a reference with: plain HTTP for the registry that is pushed to, also where run images come from it.
func (a *Appender) spelling(reference string, only ...string) []name.Option {
	if a.options.Insecure && (len(only) == 0 || strings.HasPrefix(reference, only[0]+"/")) {
		return []name.Option{name.Insecure}
	}
	return nil
}

func (a *Appender) remote(ctx context.Context, keys *Credentials) []remote.Option {
	return []remote.Option{
		remote.WithContext(ctx), remote.WithAuthFromKeychain(keys), remote.WithTransport(a.transport), remote.WithUserAgent(userAgent), remote.WithJobs(2),
		// As in ask: the caller decides when to ask again.
		remote.WithRetryBackoff(remote.Backoff{Steps: 1}), remote.WithRetryPredicate(func(error) bool { return false }), remote.WithRetryStatusCodes(),
	}
}

// made is an image, or the images for several architectures with the index over them.
type made struct {
	image v1.Image
	index v1.ImageIndex
}

func (m made) push(to name.Tag, options []remote.Option) (v1.Hash, error) {
	if m.index != nil {
		if err := remote.WriteIndex(to, m.index, options...); err != nil {
			return v1.Hash{}, err
		}
		return m.index.Digest()
	}
	if err := remote.Write(to, m.image, options...); err != nil {
		return v1.Hash{}, err
	}
	return m.image.Digest()
}

func (a *Appender) make(ctx context.Context, base name.Reference, o Order, keys *Credentials) (made, error) {
	found, err := remote.Get(base, a.remote(ctx, keys)...)
	if err != nil {
		return made{}, err
	}
	content, err := measure(ctx, o.Artifact)
	if err != nil {
		return made{}, err
	}
	if found.MediaType.IsIndex() {
		index, err := found.ImageIndex()
		if err != nil {
			return made{}, err
		}
		return onIndex(base, index, content, o.Labels)
	}
	image, err := found.Image()
	if err != nil {
		return made{}, err
	}
	image, err = on(base, image, content, o.Labels)
	return made{image: image}, err
}

// onIndex appends to the images of an index that Environments can ask for.
func onIndex(base name.Reference, index v1.ImageIndex, content *layer, labels map[string]string) (made, error) {
	manifest, err := index.IndexManifest()
	if err != nil {
		return made{}, err
	}
	out := mutate.IndexMediaType(empty.Index, manifest.MediaType)
	var some bool
	for _, d := range manifest.Manifests {
		if p := d.Platform; p == nil || p.OS != "linux" || (p.Architecture != "amd64" && p.Architecture != "arm64") || !d.MediaType.IsImage() {
			continue
		}
		image, err := index.Image(d.Digest)
		if err != nil {
			return made{}, err
		}
		if image, err = on(base, image, content, labels); err != nil {
			return made{}, err
		}
		out, some = mutate.AppendManifests(out, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: d.Platform}}), true
	}
	if !some {
		return made{}, definite("Name another runImage in the Platform.", "%s has no image for linux on amd64 or arm64", base)
	}
	return made{index: out}, nil
}

// on appends the layer to one image. Nothing of it depends on when that is done.
func on(base name.Reference, image v1.Image, content *layer, labels map[string]string) (v1.Image, error) {
	manifest, err := image.Manifest()
	if err != nil {
		return nil, err
	}
	if manifest.Config.Size > maxBody {
		return nil, definite("Name another runImage in the Platform.", "%s has a configuration of %d bytes", base, manifest.Config.Size)
	}
	kind := manifest.MediaType
	if kind == "" {
		kind = types.OCIManifestSchema1
	}
	image, err = mutate.Append(image, mutate.Addendum{
		Layer: content.of(kind), History: v1.History{CreatedBy: "beanpod", Comment: "the application", Created: v1.Time{Time: epoch}},
	})
	if err != nil {
		return nil, err
	}
	file, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config := *file.Config.DeepCopy()
	config.WorkingDir = "/" + strings.TrimSuffix(directory, "/")
	if config.Labels == nil {
		config.Labels = map[string]string{}
	}
	for key, value := range labels {
		config.Labels[key] = value
	}
	out, err := mutate.Config(image, config)
	if err != nil {
		return nil, fmt.Errorf("setting the configuration: %w", err)
	}
	return out, nil
}
