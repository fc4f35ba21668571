// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// kitchen makes platform images and remembers what it made.
type kitchen struct {
	debian *debian
	dir    string // of the cache
}

func newKitchen() (*kitchen, error) {
	if runtime.GOARCH != "amd64" {
		return nil, fmt.Errorf("platform images are made for amd64 only, and this is %s", runtime.GOARCH)
	}
	cache := os.Getenv("BEANPOD_CACHE")
	if cache == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, err
		}
		cache = filepath.Join(home, ".cache", "beanpod")
	}
	k := &kitchen{dir: filepath.Join(cache, "images")}
	for _, sub := range []string{"layers", "npm"} {
		if err := os.MkdirAll(filepath.Join(k.dir, sub), 0o755); err != nil {
			return nil, err
		}
	}
	var err error
	k.debian, err = newDebian(k.dir)
	return k, err
}

// platformSpecs makes the images of the named platforms, or of all.
func platformSpecs(k *kitchen, names []string) ([]spec, error) {
	chosen, err := choose(names)
	if err != nil {
		return nil, err
	}
	var specs []spec
	for _, r := range chosen {
		more, err := k.images(r)
		if err != nil {
			return nil, fmt.Errorf("platform %s: %w", r.platform, err)
		}
		specs = append(specs, more...)
	}
	return specs, nil
}

func choose(names []string) ([]recipe, error) {
	var out []recipe
	for _, name := range names {
		at := slices.IndexFunc(recipes, func(r recipe) bool { return r.platform == name })
		if at < 0 {
			known := make([]string, 0, len(recipes))
			for _, r := range recipes {
				known = append(known, r.platform)
			}
			return nil, fmt.Errorf("there is no recipe for platform %q, only for %s", name, strings.Join(known, ", "))
		}
		out = append(out, recipes[at])
	}
	if len(names) == 0 {
		return recipes, nil
	}
	return out, nil
}

// images makes the run image of a recipe and, if it has one, the build image.
func (k *kitchen) images(r recipe) ([]spec, error) {
	version, err := k.version(r)
	if err != nil {
		return nil, err
	}
	layers, err := k.layers(slices.Concat([]layerRecipe{base}, r.run, r.build))
	if err != nil {
		return nil, err
	}
	image := func(reference string, below []v1.Layer) spec {
		return spec{
			reference: reference, title: r.platform, version: version, below: below,
			command: []string{"/bin/sh"}, searchPath: r.searchPath, env: r.env, user: appUser,
		}
	}
	out := []spec{image(r.runImage(), layers[:1+len(r.run)])}
	if len(r.build) > 0 {
		out = append(out, image(r.buildImage(), layers))
	}
	return out, nil
}

func (r recipe) runImage() string { return "localhost/beanpod-" + r.platform + ":" + r.branch }

func (r recipe) buildImage() string {
	if len(r.build) == 0 {
		return r.runImage()
	}
	return "localhost/beanpod-" + r.platform + "-build:" + r.branch
}

// layers makes or finds the layers of an image, the lowest first. Each holds what its packages add to those below.
func (k *kitchen) layers(list []layerRecipe) ([]v1.Layer, error) {
	var (
		out      []v1.Layer
		packages []string
		lower    []deb
	)
	for _, l := range list {
		packages = slices.Concat(packages, l.packages)
		if err := k.debian.fetch(packages); err != nil {
			return nil, err
		}
		all, err := k.debian.closure(packages)
		if err != nil {
			return nil, err
		}
		layer, err := k.layer(l, without(all, lower))
		if err != nil {
			return nil, err
		}
		out, lower = append(out, layer), all
	}
	return out, nil
}

var threeNumbers = regexp.MustCompile(`^(?:\d+:)?(\d+\.\d+\.\d+)`)

// version says which release of the language the image holds.
func (k *kitchen) version(r recipe) (string, error) {
	switch {
	case threeNumbers.MatchString(r.version):
		return r.version, nil
	case r.version == "go":
		found := threeNumbers.FindStringSubmatch(strings.TrimPrefix(runtime.Version(), "go"))
		if found == nil {
			return "", fmt.Errorf("this Go calls itself %s, which is not a release", runtime.Version())
		}
		return found[1], nil
	}
	list, err := k.debian.closure(slices.Concat(base.packages, packagesOf(r.run)))
	if err != nil {
		return "", err
	}
	at := slices.IndexFunc(list, func(p deb) bool { return p.name == r.version })
	if at < 0 {
		return "", fmt.Errorf("package %s is not part of the image", r.version)
	}
	found := threeNumbers.FindStringSubmatch(list[at].version)
	if found == nil {
		return "", errors.New("the version of " + list[at].file + " does not begin with three numbers")
	}
	return found[1], nil
}

func packagesOf(layers []layerRecipe) []string {
	var out []string
	for _, l := range layers {
		out = append(out, l.packages...)
	}
	return out
}
