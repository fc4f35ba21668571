// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package pod

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

// Where an artifact is installed, and what runs it. Names begin with beanpod so that none of a user's own is the same.
const (
	artifactVolume = "beanpod-app"
	artifactRoot   = settings.ArtifactRoot
	artifactDir    = artifactRoot + "/current"
	artifactLimit  = "4Gi"
	// artifactUser is who runs a bundle when the Environment does not say: platform images name no user, or root.
	artifactUser = 1000
)

// The token with which a pod asks the store, for nobody else to accept.
const (
	TokenVolume  = "beanpod-store-token"
	TokenDir     = "/var/run/secrets/beanpod.dev/store"
	TokenFile    = TokenDir + "/token"
	tokenSeconds = 600
)

// inImage says whether instances run the image that has the application in it. It must be all that they would have with an installed
// one: a folder that they may write to, and that all processes share, the queue daemon of a worker included.
func inImage(s settings.Settings) bool {
	a, user, locked := s.Version.Artifact, s.Pod.RunAsUser, s.Pod.ReadOnlyRootFilesystem
	return a != nil && a.Image != "" && len(s.Processes) == 1 && s.Worker == nil && (user == nil || *user == artifactUser) && (locked == nil || !*locked)
}

// bundle adds what a source bundle needs, besides its image.
func bundle(spec *corev1ac.PodSpecApplyConfiguration, s settings.Settings) {
	a := s.Version.Artifact
	if a == nil {
		return
	}
	home := !slices.ContainsFunc(s.Properties, func(p v1alpha1.EnvironmentProperty) bool { return p.Name == "HOME" })
	for i := range spec.Containers {
		c := &spec.Containers[i]
		c.WithWorkingDir(artifactDir)
		if home {
			c.WithEnv(corev1ac.EnvVar().WithName("HOME").WithValue(artifactRoot))
		}
	}
	postdeploy(&spec.Containers[0], s)
	if !inImage(s) {
		install(spec, s)
		return
	}
	for i := range spec.Containers {
		spec.Containers[i].WithImage(a.Image)
	}
	if a.PullSecret != "" {
		spec.WithImagePullSecrets(corev1ac.LocalObjectReference().WithName(a.PullSecret))
	}
}

// install adds the container that fetches the artifact before the application starts, and the folder that both share.
func install(spec *corev1ac.PodSpecApplyConfiguration, s settings.Settings) {
	a := s.Version.Artifact
	spec.WithVolumes(
		corev1ac.Volume().WithName(artifactVolume).WithEmptyDir(corev1ac.EmptyDirVolumeSource().WithSizeLimit(resource.MustParse(artifactLimit))),
		Token())
	// It may use what the application may, so that a pod asks for no more than without it.
	spec.WithInitContainers(corev1ac.Container().WithName("artifact").WithImage(a.InstallerImage).WithImagePullPolicy(corev1.PullIfNotPresent).
		WithCommand("/bundle", "install", "--store", a.StoreURL, "--namespace", s.Namespace, "--sha256", a.SHA256,
			"--token-file", TokenFile, "--into", artifactDir).
		WithTerminationMessagePolicy(corev1.TerminationMessageFallbackToLogsOnError).
		WithResources(resources(s.Resources)).
		WithVolumeMounts(
			corev1ac.VolumeMount().WithName(artifactVolume).WithMountPath(artifactRoot),
			corev1ac.VolumeMount().WithName(TokenVolume).WithMountPath(TokenDir).WithReadOnly(true)))
	for i := range spec.Containers {
		spec.Containers[i].WithVolumeMounts(corev1ac.VolumeMount().WithName(artifactVolume).WithMountPath(artifactRoot))
	}
}

// Token is the volume with the store's token. The kubelet renews it.
func Token() *corev1ac.VolumeApplyConfiguration {
	return corev1ac.Volume().WithName(TokenVolume).WithProjected(corev1ac.ProjectedVolumeSource().WithSources(
		corev1ac.VolumeProjection().WithServiceAccountToken(
			corev1ac.ServiceAccountTokenProjection().WithAudience(v1alpha1.StoreAudience).WithExpirationSeconds(tokenSeconds).WithPath("token"))))
}
