// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package jobs

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
)

// TmpVolume is the name of the volume that Tmp makes.
const TmpVolume = "tmp"

// PodSpec is what all pods have in common: they are restricted, run as the user and its group, and nothing in them may ask the API server.
func PodSpec(user int64) *corev1ac.PodSpecApplyConfiguration {
	return corev1ac.PodSpec().WithServiceAccountName("default").WithAutomountServiceAccountToken(false).WithEnableServiceLinks(false).
		WithSecurityContext(corev1ac.PodSecurityContext().
			WithRunAsNonRoot(true).WithRunAsUser(user).WithRunAsGroup(user).
			WithFSGroup(user).WithFSGroupChangePolicy(corev1.FSGroupChangeOnRootMismatch).
			WithSeccompProfile(corev1ac.SeccompProfile().WithType(corev1.SeccompProfileTypeRuntimeDefault)))
}

// Container may write to its volumes only.
func Container(name, image string, command ...string) *corev1ac.ContainerApplyConfiguration {
	return corev1ac.Container().WithName(name).WithImage(image).WithImagePullPolicy(corev1.PullIfNotPresent).WithCommand(command...).
		WithTerminationMessagePolicy(corev1.TerminationMessageFallbackToLogsOnError).
		WithSecurityContext(corev1ac.SecurityContext().
			WithAllowPrivilegeEscalation(false).WithReadOnlyRootFilesystem(true).WithCapabilities(corev1ac.Capabilities().WithDrop("ALL")))
}

// Mount mounts a volume.
func Mount(volume, path string) *corev1ac.VolumeMountApplyConfiguration {
	return corev1ac.VolumeMount().WithName(volume).WithMountPath(path)
}

// SecretVolume has some keys of a Secret; the pod waits until they are there.
func SecretVolume(name, secret string, keys ...string) *corev1ac.VolumeApplyConfiguration {
	source := corev1ac.SecretVolumeSource().WithSecretName(secret).WithDefaultMode(0o440)
	for _, k := range keys {
		source.WithItems(corev1ac.KeyToPath().WithKey(k).WithPath(k))
	}
	return corev1ac.Volume().WithName(name).WithSecret(source)
}

// Tmp is a small volume to write to.
func Tmp() *corev1ac.VolumeApplyConfiguration {
	return corev1ac.Volume().WithName(TmpVolume).WithEmptyDir(corev1ac.EmptyDirVolumeSource().WithSizeLimit(resource.MustParse("256Mi")))
}

// Amounts of a container that works for a while: at most one core.
func Amounts(cpu, memory, memoryLimit string) *corev1ac.ResourceRequirementsApplyConfiguration {
	return corev1ac.ResourceRequirements().
		WithRequests(corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}).
		WithLimits(corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1"), corev1.ResourceMemory: resource.MustParse(memoryLimit)})
}
