// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package platforms holds the catalogue of language platforms that the operator ships. Pure; internal/platforms installs it, and
// hack/images prints it with images of its own.
package platforms

import (
	"embed"
	"fmt"
	"io/fs"

	"sigs.k8s.io/yaml"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

//go:embed *.yaml
var files embed.FS

// Catalogue reads the shipped Platforms, in order of their names.
func Catalogue() ([]v1alpha1.Platform, error) {
	names, err := fs.Glob(files, "*.yaml")
	if err != nil {
		return nil, err
	}
	out := make([]v1alpha1.Platform, len(names))
	for i, name := range names {
		content, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		if err := yaml.UnmarshalStrict(content, &out[i]); err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
	}
	return out, nil
}
