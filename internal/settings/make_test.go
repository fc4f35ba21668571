// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package settings

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

var digest = "sha256:" + strings.Repeat("41", 32)

// layers are those of a small web environment of version shop-41, changed by tweaks.
func layers(tweaks ...func(*Layers)) Layers {
	env := &v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "shop", UID: "uid"}}
	env.Spec.ApplicationRef.Name = "shop"
	env.Spec.Tier = v1alpha1.TierWebServer
	version := &v1alpha1.ApplicationVersion{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "shop-41"}}
	version.Spec.Source.Image = &v1alpha1.ImageSource{Reference: "registry.example/shop:41"}
	version.Status.Image = &v1alpha1.ResolvedImage{Reference: "registry.example/shop:41", Digest: digest}
	l := Layers{Operator: Operator{BaseDomain: "apps.example.com"}, Environment: env, Version: version}
	for _, tweak := range tweaks {
		tweak(&l)
	}
	return l
}

// environment tweaks the Environment of the layers.
func environment(tweak func(*v1alpha1.EnvironmentSpec)) func(*Layers) {
	return func(l *Layers) { tweak(&l.Environment.Spec) }
}

func resolve(tweaks ...func(*Layers)) Settings {
	s, _ := Resolve(layers(tweaks...))
	return s
}
