// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package testkit

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// The application that makers use.
const applicationName = "shop"

// MakeApplication makes an Application that has just been created, named shop unless a tweak changes it.
func MakeApplication(namespace string, tweaks ...func(*v1alpha1.Application)) *v1alpha1.Application {
	out := &v1alpha1.Application{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: applicationName}}
	for _, tweak := range tweaks {
		tweak(out)
	}
	return out
}

// MakeVersion makes an ApplicationVersion of shop from an image.
func MakeVersion(namespace, name, reference string, tweaks ...func(*v1alpha1.ApplicationVersion)) *v1alpha1.ApplicationVersion {
	out := &v1alpha1.ApplicationVersion{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	out.Spec.ApplicationRef.Name = applicationName
	out.Spec.Source.Image = &v1alpha1.ImageSource{Reference: reference}
	for _, tweak := range tweaks {
		tweak(out)
	}
	return out
}

// MakeEnvironment makes a small Environment of shop.
func MakeEnvironment(namespace, name, version string, tweaks ...func(*v1alpha1.Environment)) *v1alpha1.Environment {
	out := &v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	out.Spec.ApplicationRef.Name = applicationName
	out.Spec.Tier = v1alpha1.TierBackground
	if version != "" {
		out.Spec.VersionRef = &v1alpha1.LocalReference{Name: version}
	}
	for _, tweak := range tweaks {
		tweak(out)
	}
	return out
}
