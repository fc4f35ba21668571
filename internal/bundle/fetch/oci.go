// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package fetch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/beanpod-dev/beanpod/internal/bundle/client"
	"github.com/beanpod-dev/beanpod/internal/bundle/report"
)

// oci fetches an artifact: a manifest with one layer, which is the archive.
func (o Options) oci(ctx context.Context, address *url.URL, sink Sink) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	reference, err := name.ParseReference(strings.TrimPrefix(address.String(), "oci://"), name.StrictValidation)
	if err != nil {
		return report.Fail(report.FetchFailed, "The bundle's address is not valid. Write it as oci://registry/name:tag or oci://registry/name@sha256:digest.")
	}
	login, err := o.login(reference.Context().RegistryStr())
	if err != nil {
		return err
	}
	image, err := remote.Image(reference, remote.WithContext(ctx), remote.WithAuth(login), remote.WithTransport(onlyTLS{o.transport(), o.Guard}))
	if err != nil {
		return registryError(reference, err)
	}
	layer, err := onlyLayer(image)
	if err != nil {
		return registryError(reference, err)
	}
	size, err := layer.Size()
	if err != nil {
		return registryError(reference, err)
	}
	body, err := layer.Compressed()
	if err != nil {
		return registryError(reference, err)
	}
	body = client.Watch(body, o.stall(), cancel)
	defer body.Close()
	return sink(body, size)
}

func onlyLayer(image v1.Image) (v1.Layer, error) {
	layers, err := image.Layers()
	if err != nil {
		return nil, err
	}
	if len(layers) != 1 {
		return nil, report.Fail(report.FetchFailed, "The artifact in the registry has %d layers; a bundle has one. If it is an image, use source.image.", len(layers))
	}
	return layers[0], nil
}

// login finds the credentials for one registry; those for another are never sent.
func (o Options) login(registry string) (authn.Authenticator, error) {
	var config authn.AuthConfig
	for key, into := range map[string]*string{"username": &config.Username, "password": &config.Password, "token": &config.RegistryToken} {
		var err error
		if *into, err = o.secret(key); err != nil {
			return nil, err
		}
	}
	text, err := o.secret(".dockerconfigjson")
	if err != nil {
		return nil, err
	}
	if text != "" {
		var file struct {
			Auths map[string]authn.AuthConfig `json:"auths"`
		}
		if json.Unmarshal([]byte(text), &file) != nil {
			return nil, report.Fail(report.FetchFailed, "The key .dockerconfigjson of the Secret is not valid JSON.")
		}
		for key, found := range file.Auths {
			if registryOf(key) == registry || registry == name.DefaultRegistry && key == authn.DefaultAuthKey {
				config = found
			}
		}
	}
	if config == (authn.AuthConfig{}) {
		return authn.Anonymous, nil
	}
	return authn.FromConfig(config), nil
}

func registryOf(key string) string {
	key = strings.TrimPrefix(strings.TrimPrefix(key, "https://"), "http://")
	key, _, _ = strings.Cut(key, "/")
	return key
}

func registryError(reference name.Reference, err error) error {
	var f *report.Failure
	var answered *transport.Error
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &answered) && answered.StatusCode != 0:
		return status(answered.StatusCode, reference.Context().RegistryStr())
	}
	return unreachable(reference.Context().RegistryStr(), err)
}

// onlyTLS refuses plain HTTP, which the registry library tries for private addresses, except where the administrator allowed the address.
type onlyTLS struct {
	inner http.RoundTripper
	guard Guard
}

// RoundTrip sends the request if its scheme is good enough.
func (t onlyTLS) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.URL.Scheme != "https" {
		address, err := netip.ParseAddr(request.URL.Hostname())
		if err != nil || !within(t.guard.Allow, address) {
			return nil, fmt.Errorf("%s does not speak TLS", request.URL.Host)
		}
	}
	return t.inner.RoundTrip(request)
}
