// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package builtin

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/database"
	"github.com/beanpod-dev/beanpod/internal/database/jobs"
	"github.com/beanpod-dev/beanpod/internal/database/scripts"
	podparts "github.com/beanpod-dev/beanpod/internal/desired/pod"
)

// The containers: of the server's pod, and of a snapshot's in the order in which they run.
const (
	Server = "postgres"
	Fetch  = "fetch"
	Dump   = "dump"
	Check  = "check"
	Push   = "push"
)

// Where things are in the pods. The scripts have the same as defaults.
const (
	dataVolume, dataDir = "data", "/data"
	workVolume, workDir = "work", "/work"
	shmVolume           = "shm"
	snapshotFile        = workDir + "/snapshot.tar"
)

// bundle runs Beanpod's own program, which may ask the store.
func bundle(w database.Wanted, name, command string, args ...string) *corev1ac.ContainerApplyConfiguration {
	return jobs.Container(name, w.Operator.BundleImage, append([]string{
		"/bundle", "snapshot", command, "--store", w.Operator.StoreURL, "--namespace", w.Namespace, "--token-file", podparts.TokenFile,
	}, args...)...).
		WithVolumeMounts(jobs.Mount(workVolume, workDir), jobs.Mount(podparts.TokenVolume, podparts.TokenDir).WithReadOnly(true)).
		WithResources(jobs.Amounts("50m", "64Mi", "256Mi"))
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
	return corev1ac.ExecAction().WithCommand(scripts.Command(script)...)
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
