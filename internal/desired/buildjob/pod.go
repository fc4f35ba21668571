// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package buildjob

import (
	"cmp"
	"encoding/json"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/desired/pod"
)

// Where things are in the pod.
const (
	workVolume      = "work"
	workDir         = "/work"
	secretVolume    = "credentials"
	secretDir       = "/var/run/secrets/beanpod.dev/credentials"
	defaultPort     = 8080
	buildUser       = 1000
	workLimit       = "6Gi"
	buildVariable   = "BEANPOD_BUILD"
	bundleProgram   = "/bundle"
	programForBuild = workDir + "/bin/bundle"
)

// MemoryLimit is what a build may use.
const MemoryLimit = "2Gi"

func podSpec(o Order) corev1.PodSpec {
	no, yes, user := false, true, int64(buildUser)
	limit := resource.MustParse(workLimit)
	token := projected()
	spec := corev1.PodSpec{
		// It has no rights; the token in the volume, which only the store takes, is bound to it.
		ServiceAccountName: "default",
		RestartPolicy:      corev1.RestartPolicyNever, AutomountServiceAccountToken: &no, EnableServiceLinks: &no,
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: &yes, RunAsUser: &user, RunAsGroup: &user, FSGroup: &user,
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		Volumes: []corev1.Volume{
			{Name: workVolume, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: &limit}}},
			token,
		},
		InitContainers: []corev1.Container{fetch(o), build(o)},
		Containers:     []corev1.Container{push(o)},
	}
	if ref := o.Version.Spec.Source.Bundle.SecretRef; ref != nil {
		spec.Volumes = append(spec.Volumes, corev1.Volume{
			Name: secretVolume, VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: ref.Name}},
		})
	}
	return spec
}

// projected is the same volume as in instances, for a pod that is not applied but made.
func projected() corev1.Volume {
	var out corev1.Volume
	// Both types have the same JSON.
	raw, err := json.Marshal(pod.Token())
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	if err != nil {
		panic(err) // nothing in it depends on a user
	}
	return out
}

func fetch(o Order) corev1.Container {
	args := []string{"--url", address(o.Version), "--root", workDir}
	if sum := wanted(o.Version); sum != "" {
		args = append(args, "--sha256", sum)
	}
	if denied := o.Operator.DeniedToBuilds(); len(denied) > 0 {
		args = append(args, "--deny", strings.Join(denied, ","))
	}
	if len(o.Operator.FetchAllowedCIDRs) > 0 {
		args = append(args, "--allow", strings.Join(o.Operator.FetchAllowedCIDRs, ","))
	}
	c := ours(o, Fetch, args...)
	if o.Version.Spec.Source.Bundle.SecretRef != nil {
		c.Command = append(c.Command, "--credentials", secretDir)
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: secretVolume, MountPath: secretDir, ReadOnly: true})
	}
	return c
}

func push(o Order) corev1.Container { return ours(o, Push, "--root", workDir) }

// ours is a step of Beanpod's own program, which may ask the store.
func ours(o Order, name string, args ...string) corev1.Container {
	yes := true
	c := step(name, o.Operator.BundleImage, []string{bundleProgram, name, "--store", o.Operator.StoreURL, "--namespace", o.Version.Namespace, "--token-file", pod.TokenFile, "--timeout", timeout(stepSeconds)})
	for _, a := range args {
		c.Command = append(c.Command, pod.Literal(a))
	}
	c.SecurityContext.ReadOnlyRootFilesystem = &yes
	c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: pod.TokenVolume, MountPath: pod.TokenDir, ReadOnly: true})
	c.Env = []corev1.EnvVar{{Name: "TMPDIR", Value: workDir}}
	c.Resources = resources("100m", "64Mi", "1", "512Mi")
	return c
}

// build runs in the platform's image, with the platform's properties and nothing that opens a door.
func build(o Order) corev1.Container {
	c := step(Build, cmp.Or(o.On.BuildImage, o.On.RunImage), []string{programForBuild, Build, "--root", workDir, "--timeout", timeout(o.buildSeconds())})
	for _, p := range o.Branch.EnvironmentProperties {
		c.Env = append(c.Env, corev1.EnvVar{Name: p.Name, Value: pod.Literal(p.Value)})
	}
	text, port := instructions(o)
	c.Env = append(c.Env, corev1.EnvVar{Name: "PORT", Value: strconv.Itoa(int(port))}, corev1.EnvVar{Name: buildVariable, Value: pod.Literal(text)})
	c.Resources = resources("250m", "256Mi", "2", MemoryLimit)
	return c
}

// instructions is what the program in the build's image has to know, as JSON.
func instructions(o Order) (string, int32) {
	port := int32(defaultPort)
	if o.Branch.Port != nil {
		port = *o.Branch.Port
	}
	text, err := json.Marshal(struct {
		Build     *v1alpha1.PlatformBuild            `json:"build,omitempty"`
		Start     *v1alpha1.PlatformStart            `json:"start,omitempty"`
		Port      int32                              `json:"port"`
		Processes map[string]v1alpha1.ProcessCommand `json:"processes,omitempty"`
	}{o.Branch.Build, o.Branch.Start, port, o.Version.Spec.Processes})
	if err != nil {
		panic(err) // texts and numbers only
	}
	return string(text), port
}

func timeout(seconds int64) string { return strconv.FormatInt(seconds, 10) + "s" }

func step(name, image string, command []string) corev1.Container {
	no := false
	return corev1.Container{
		Name: name, Image: image, ImagePullPolicy: corev1.PullIfNotPresent, Command: command,
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
		VolumeMounts:             []corev1.VolumeMount{{Name: workVolume, MountPath: workDir}},
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: &no, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		},
	}
}

func resources(cpu, memory, cpuLimit, memoryLimit string) corev1.ResourceRequirements {
	return corev1.ResourceRequirements{
		Requests: corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory),
			corev1.ResourceEphemeralStorage: resource.MustParse("512Mi"),
		},
		Limits: corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse(cpuLimit), corev1.ResourceMemory: resource.MustParse(memoryLimit),
			corev1.ResourceEphemeralStorage: resource.MustParse(workLimit),
		},
	}
}
