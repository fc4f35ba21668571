// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package builtin

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/database"
	podparts "github.com/beanpod-dev/beanpod/internal/desired/pod"
)

// The containers: of the server's pod, of a snapshot's in the order in which they run, and of a rotation's.
const (
	Server = "postgres"
	Fetch  = "fetch"
	Dump   = "dump"
	Check  = "check"
	Push   = "push"
	Rotate = "rotate"
	Retire = "retire"
)

// Where things are in the pods. The scripts have the same as defaults.
const (
	dataVolume, dataDir         = "data", "/data"
	scriptsVolumeName           = "scripts"
	scriptsDir                  = "/scripts"
	appVolume, appDir           = "app", "/secrets/app"
	adminVolume, adminDir       = "admin", "/secrets/admin"
	rotationVolume, rotationDir = "rotation", "/secrets/rotation"
	workVolume, workDir         = "work", "/work"
	shmVolume                   = "shm"
	tmpVolume                   = "tmp"
	snapshotFile                = workDir + "/snapshot.tar"
)

// postgresUser is the user of PostgreSQL in the official images, which have an account of that number.
const postgresUser = 999

// podSpec is what all pods have in common: they are restricted, and nothing in them may ask the API server.
func podSpec() *corev1ac.PodSpecApplyConfiguration {
	return corev1ac.PodSpec().WithServiceAccountName("default").WithAutomountServiceAccountToken(false).WithEnableServiceLinks(false).
		WithSecurityContext(corev1ac.PodSecurityContext().
			WithRunAsNonRoot(true).WithRunAsUser(postgresUser).WithRunAsGroup(postgresUser).
			WithFSGroup(postgresUser).WithFSGroupChangePolicy(corev1.FSGroupChangeOnRootMismatch).
			WithSeccompProfile(corev1ac.SeccompProfile().WithType(corev1.SeccompProfileTypeRuntimeDefault)))
}

// container may write to its volumes only.
func container(name, image string, command ...string) *corev1ac.ContainerApplyConfiguration {
	return corev1ac.Container().WithName(name).WithImage(image).WithImagePullPolicy(corev1.PullIfNotPresent).WithCommand(command...).
		WithTerminationMessagePolicy(corev1.TerminationMessageFallbackToLogsOnError).
		WithSecurityContext(corev1ac.SecurityContext().
			WithAllowPrivilegeEscalation(false).WithReadOnlyRootFilesystem(true).WithCapabilities(corev1ac.Capabilities().WithDrop("ALL")))
}

// postgres runs a script in the image of PostgreSQL.
func postgres(w database.Wanted, have database.Objects, name, script string) *corev1ac.ContainerApplyConfiguration {
	return container(name, image(w, have), "sh", scriptsDir+"/"+script).
		WithEnv(
			corev1ac.EnvVar().WithName("BEANPOD_DATABASE").WithValue(w.Database),
			corev1ac.EnvVar().WithName("BEANPOD_USERNAME").WithValue(w.Username)).
		WithVolumeMounts(mount(scriptsVolumeName, scriptsDir).WithReadOnly(true), mount(tmpVolume, "/tmp"))
}

// bundle runs Beanpod's own program, which may ask the store.
func bundle(w database.Wanted, name, command string, args ...string) *corev1ac.ContainerApplyConfiguration {
	return container(name, w.Operator.BundleImage, append([]string{
		"/bundle", "snapshot", command, "--store", w.Operator.StoreURL, "--namespace", w.Namespace, "--token-file", podparts.TokenFile,
	}, args...)...).
		WithVolumeMounts(mount(workVolume, workDir), mount(podparts.TokenVolume, podparts.TokenDir).WithReadOnly(true)).
		WithResources(amounts("50m", "64Mi", "256Mi"))
}

func mount(volume, path string) *corev1ac.VolumeMountApplyConfiguration {
	return corev1ac.VolumeMount().WithName(volume).WithMountPath(path)
}

func scriptsVolume(w database.Wanted) *corev1ac.VolumeApplyConfiguration {
	return corev1ac.Volume().WithName(scriptsVolumeName).WithConfigMap(
		corev1ac.ConfigMapVolumeSource().WithName(scriptsOf(w).Name).WithDefaultMode(0o444))
}

// secretVolume has some keys of a Secret; the pod waits until they are there.
func secretVolume(name, secret string, keys ...string) *corev1ac.VolumeApplyConfiguration {
	source := corev1ac.SecretVolumeSource().WithSecretName(secret).WithDefaultMode(0o440)
	for _, k := range keys {
		source.WithItems(corev1ac.KeyToPath().WithKey(k).WithPath(k))
	}
	return corev1ac.Volume().WithName(name).WithSecret(source)
}

func tmp() *corev1ac.VolumeApplyConfiguration {
	return corev1ac.Volume().WithName(tmpVolume).WithEmptyDir(corev1ac.EmptyDirVolumeSource().WithSizeLimit(resource.MustParse("256Mi")))
}

// shm is what parallel queries share; the runtime's own 64 MiB end them. It counts as the container's memory.
func shm() *corev1ac.VolumeApplyConfiguration {
	return corev1ac.Volume().WithName(shmVolume).WithEmptyDir(
		corev1ac.EmptyDirVolumeSource().WithMedium(corev1.StorageMediumMemory).WithSizeLimit(resource.MustParse("256Mi")))
}

// dumps is room for a dump as it is stored and unpacked.
func dumps() resource.Quantity { return resource.MustParse("2Gi") }

func work(size resource.Quantity) *corev1ac.VolumeApplyConfiguration {
	return corev1ac.Volume().WithName(workVolume).WithEmptyDir(corev1ac.EmptyDirVolumeSource().WithSizeLimit(size))
}

func exec(script string) *corev1ac.ExecActionApplyConfiguration {
	return corev1ac.ExecAction().WithCommand("sh", scriptsDir+"/"+script)
}

func probe(script string, period, failures int32) *corev1ac.ProbeApplyConfiguration {
	return corev1ac.Probe().WithExec(exec(script)).WithPeriodSeconds(period).WithTimeoutSeconds(10).WithFailureThreshold(failures)
}

// resources of the server; what a class leaves open is enough for PostgreSQL's own defaults.
func resources(r v1alpha1.Resources) *corev1ac.ResourceRequirementsApplyConfiguration {
	requests := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("256Mi")}
	limits := corev1.ResourceList{}
	fill(limits, r.Limits)
	for name, most := range limits {
		if least, ok := requests[name]; ok && most.Cmp(least) < 0 {
			requests[name] = most
		}
	}
	fill(requests, r.Requests)
	out := corev1ac.ResourceRequirements().WithRequests(requests)
	if len(limits) > 0 {
		out.WithLimits(limits)
	}
	return out
}

// fill takes over what the schema has checked.
func fill(list corev1.ResourceList, a *v1alpha1.ResourceAmounts) {
	if a == nil {
		return
	}
	for name, text := range map[corev1.ResourceName]string{
		corev1.ResourceCPU: a.CPU, corev1.ResourceMemory: a.Memory, corev1.ResourceEphemeralStorage: a.EphemeralStorage,
	} {
		if q, err := resource.ParseQuantity(text); err == nil {
			list[name] = q
		}
	}
}

// amounts of a container that works for a while: at most one core.
func amounts(cpu, memory, memoryLimit string) *corev1ac.ResourceRequirementsApplyConfiguration {
	return corev1ac.ResourceRequirements().
		WithRequests(corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}).
		WithLimits(corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1"), corev1.ResourceMemory: resource.MustParse(memoryLimit)})
}
