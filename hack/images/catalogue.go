// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"slices"

	"sigs.k8s.io/yaml"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	catalogue "github.com/beanpod-dev/beanpod/config/platforms"
)

// localCatalogue is the shipped catalogue with one branch for each platform: the one whose images are made here.
func localCatalogue(k *kitchen) ([]v1alpha1.Platform, error) {
	shipped, err := catalogue.Catalogue()
	if err != nil {
		return nil, err
	}
	var out []v1alpha1.Platform
	for _, r := range recipes {
		at := slices.IndexFunc(shipped, func(p v1alpha1.Platform) bool { return p.Name == r.platform })
		if at < 0 {
			return nil, fmt.Errorf("there is no Platform %s in config/platforms", r.platform)
		}
		version, err := k.version(r)
		if err != nil {
			return nil, err
		}
		p := shipped[at]
		branch := p.Spec.Branches[0]
		branch.Name, branch.State, branch.RetireOn = r.branch, v1alpha1.PlatformSupported, ""
		branch.Versions = []v1alpha1.PlatformVersion{{Version: version, RunImage: r.runImage()}}
		if len(r.build) > 0 {
			branch.Versions[0].BuildImage = r.buildImage()
		}
		p.Spec.Branches = []v1alpha1.PlatformBranch{branch}
		out = append(out, p)
	}
	return out, nil
}

// printCatalogue writes Platforms as one YAML stream for kubectl apply. The operator's own catalogue leaves them alone.
func printCatalogue(w io.Writer, platforms []v1alpha1.Platform) error {
	for _, p := range platforms {
		object := map[string]any{
			"apiVersion": v1alpha1.GroupVersion.String(), "kind": "Platform", "spec": p.Spec,
			"metadata": map[string]any{"name": p.Name, "annotations": map[string]string{v1alpha1.AnnotationManaged: "false"}},
		}
		content, err := yaml.Marshal(object)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "---\n%s", content); err != nil {
			return err
		}
	}
	return nil
}
