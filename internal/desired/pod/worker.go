// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package pod

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
)

// Daemon is the name of the container that hands messages to the application. It is longer than the name of a process can be.
const Daemon = "beanpod-queue-daemon"

// defaultContainer is the annotation by which kubectl finds the application for logs and exec.
const defaultContainer = "kubectl.kubernetes.io/default-container"

const (
	credentialsVolume = "beanpod-queue"
	tokenVolume       = "beanpod-api"
	// handBackSeconds is what the daemon has, after the time for running messages is over, to give the rest back to the queue.
	handBackSeconds = 10
	// startPeriod and startFailures give an application ten minutes to start before it is started again, as long as a batch may take.
	startPeriod   = 5
	startFailures = 120
)

// What the daemon gets: it holds at most 100 messages. Its limit keeps it from taking the memory of the node.
const (
	daemonCPU         = "25m"
	daemonMemory      = "32Mi"
	daemonMemoryLimit = "256Mi"
	daemonHeap        = "230MiB"
)

// attend makes a worker of an application. The kubelet signals main containers first, and sidecars when the last main container
// ended. So the daemon is the main container and the application its sidecars: the application is there until the last message is done.
func attend(t *corev1ac.PodTemplateSpecApplyConfiguration, s settings.Settings) {
	spec := t.Spec
	main := spec.Containers[0]
	main.WithStartupProbe(probe(s.Processes[0]).WithPeriodSeconds(startPeriod).WithFailureThreshold(startFailures).WithSuccessThreshold(1))
	// Sidecars start one after another, and stop the other way round: the process that gets the messages comes last, so that the
	// others are there before and after it.
	for _, c := range append(spec.Containers[1:len(spec.Containers):len(spec.Containers)], main) {
		spec.WithInitContainers(c.WithRestartPolicy(corev1.ContainerRestartPolicyAlways))
	}
	spec.Containers = []corev1ac.ContainerApplyConfiguration{*daemon(s)}
	if secret := s.Worker.Credentials; secret != "" {
		spec.WithVolumes(corev1ac.Volume().WithName(credentialsVolume).WithSecret(corev1ac.SecretVolumeSource().WithSecretName(secret)))
	}
	if s.Worker.Config.Lease != "" {
		spec.WithVolumes(token())
	}
	if _, own := t.Annotations[defaultContainer]; !own {
		t.WithAnnotations(map[string]string{defaultContainer: s.Processes[0].Name})
	}
}

// daemon is the container that consumes the queue.
func daemon(s settings.Settings) *corev1ac.ContainerApplyConfiguration {
	config := s.Worker.Config
	c := corev1ac.Container().WithName(Daemon).WithImage(s.Worker.Image).WithImagePullPolicy(corev1.PullIfNotPresent).
		WithCommand("/workerd").
		WithPorts(port("queue-daemon", contract.Port)).
		WithReadinessProbe(ask("/readyz").WithPeriodSeconds(5).WithFailureThreshold(3)).
		WithLivenessProbe(ask("/healthz").WithPeriodSeconds(10).WithFailureThreshold(6)).
		WithTerminationMessagePolicy(corev1.TerminationMessageFallbackToLogsOnError).
		WithResources(daemonResources(s))
	if s.Version.Artifact != nil {
		config.CronFile = artifactDir + "/cron.yaml"
		c.WithVolumeMounts(corev1ac.VolumeMount().WithName(artifactVolume).WithMountPath(artifactRoot).WithReadOnly(true))
	}
	if s.Worker.Credentials != "" {
		c.WithVolumeMounts(corev1ac.VolumeMount().WithName(credentialsVolume).WithMountPath(contract.CredentialsDir).WithReadOnly(true))
	}
	if s.Worker.Config.Lease != "" {
		c.WithVolumeMounts(corev1ac.VolumeMount().WithName(tokenVolume).WithMountPath(contract.TokenDir).WithReadOnly(true))
	}
	text, err := config.Marshal()
	if err != nil {
		panic(err) // strings and numbers always have a JSON form
	}
	return c.WithEnv(
		corev1ac.EnvVar().WithName(contract.EnvConfig).WithValue(Literal(text)),
		corev1ac.EnvVar().WithName(contract.EnvInstance).WithValueFrom(
			corev1ac.EnvVarSource().WithFieldRef(corev1ac.ObjectFieldSelector().WithFieldPath("metadata.name"))),
		corev1ac.EnvVar().WithName("GOMEMLIMIT").WithValue(daemonHeap))
}

// token is what the daemon, and no other container, reaches the API server with: a token of the pod's service account for that server
// alone, and the certificate by which it knows it.
func token() *corev1ac.VolumeApplyConfiguration {
	return corev1ac.Volume().WithName(tokenVolume).WithProjected(corev1ac.ProjectedVolumeSource().WithSources(
		corev1ac.VolumeProjection().WithServiceAccountToken(corev1ac.ServiceAccountTokenProjection().WithPath("token").WithExpirationSeconds(tokenSeconds)),
		corev1ac.VolumeProjection().WithConfigMap(corev1ac.ConfigMapProjection().WithName("kube-root-ca.crt").
			WithItems(corev1ac.KeyToPath().WithKey("ca.crt").WithPath("ca.crt"))),
	))
}

func ask(path string) *corev1ac.ProbeApplyConfiguration {
	return corev1ac.Probe().WithTimeoutSeconds(3).WithHTTPGet(corev1ac.HTTPGetAction().WithPath(path).WithPort(intstr.FromInt32(contract.Port)))
}

// daemonResources has a CPU limit only where the application has one: then a quota of the namespace may demand it of every container.
func daemonResources(s settings.Settings) *corev1ac.ResourceRequirementsApplyConfiguration {
	limits := corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(daemonMemoryLimit)}
	requests := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(daemonCPU), corev1.ResourceMemory: resource.MustParse(daemonMemory)}
	if cpu, set := amounts(s.Resources.Limits)[corev1.ResourceCPU]; set {
		limits[corev1.ResourceCPU] = cpu
		if cpu.Cmp(requests[corev1.ResourceCPU]) < 0 {
			requests[corev1.ResourceCPU] = cpu
		}
	}
	return corev1ac.ResourceRequirements().WithRequests(requests).WithLimits(limits)
}
