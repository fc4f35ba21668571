// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"fmt"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/beanpod-dev/beanpod/internal/registry"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

// imageFlags say where artifacts become images.
type imageFlags struct {
	prefix, credentials, pullSecret string
	insecure                        bool
}

func (f *imageFlags) bind(set *flag.FlagSet) {
	set.StringVar(&f.prefix, "artifact-registry", "", "Where artifacts become images, as the beginning of repositories: registry.example.com/team; unset: instances install artifacts; needs --store.")
	set.BoolVar(&f.insecure, "artifact-registry-insecure", false, "Speak plain HTTP with that registry; for development.")
	set.StringVar(&f.credentials, "artifact-registry-credentials", "", "Docker configuration file with credentials for that registry, and for those of run images; unset: none are sent.")
	set.StringVar(&f.pullSecret, "artifact-registry-pull-secret", "", "Name of a Secret with which nodes pull from that registry, in each namespace with environments; unset: they need none.")
}

func (f *imageFlags) check(store string) error {
	if f.prefix == "" {
		return nil
	}
	if store == "" {
		return errors.New("--artifact-registry needs --store: what is pushed is kept there too")
	}
	if f.pullSecret != "" && len(validation.IsDNS1123Subdomain(f.pullSecret)) > 0 {
		return fmt.Errorf("--artifact-registry-pull-secret %q is not the name of a Secret", f.pullSecret)
	}
	if err := registry.CheckPrefix(f.prefix); err != nil {
		return fmt.Errorf("--artifact-registry: %w", err)
	}
	return nil
}

// settings are what environments have to know of it.
func (f *imageFlags) settings() settings.Registry {
	return settings.Registry{Prefix: f.prefix, PullSecret: f.pullSecret}
}

// appender makes the images; nil where there is no registry.
func (f *imageFlags) appender(allowLoopback bool) *registry.Appender {
	if f.prefix == "" {
		return nil
	}
	return registry.NewAppender(registry.AppendOptions{CredentialsFile: f.credentials, Insecure: f.insecure, AllowLoopback: allowLoopback})
}
