// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package pod

import (
	"strconv"

	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/beanpod-dev/beanpod/internal/settings"
)

const (
	// databaseVolume begins the name of a volume with the Secret of a database; its number among them follows.
	databaseVolume = "beanpod-database-"
	// Files of root that only a group may read are readable where the kubelet gives them to a group of the application's.
	groupReadable, worldReadable = 0o440, 0o444
)

// databases mounts the Secrets of databases that ask for it, into every container there is so far. They are optional, as the variables
// are: instances start although somebody deleted the Secret.
func databases(spec *corev1ac.PodSpecApplyConfiguration, s settings.Settings) {
	mode := int32(worldReadable)
	if s.Pod.FSGroup != nil || s.Version.Artifact != nil {
		mode = groupReadable
	}
	for i, d := range s.Databases {
		if d.MountPath == "" {
			continue
		}
		name := databaseVolume + strconv.Itoa(i)
		spec.WithVolumes(corev1ac.Volume().WithName(name).WithSecret(
			corev1ac.SecretVolumeSource().WithSecretName(d.Secret).WithDefaultMode(mode).WithOptional(true)))
		for c := range spec.Containers {
			spec.Containers[c].WithVolumeMounts(corev1ac.VolumeMount().WithName(name).WithMountPath(d.MountPath).WithReadOnly(true))
		}
	}
}

// databaseVariables tell of databases.
func databaseVariables(s settings.Settings) []*corev1ac.EnvVarApplyConfiguration {
	var out []*corev1ac.EnvVarApplyConfiguration
	for _, d := range s.Databases {
		for _, v := range d.Variables() {
			out = append(out, linkVariable(v))
		}
	}
	if s.BindingRoot != "" {
		out = append(out, corev1ac.EnvVar().WithName(settings.BindingRoot).WithValue(s.BindingRoot))
	}
	return out
}
