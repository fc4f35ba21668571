// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package pod builds the pod template that all tiers share. Pure; called by the tier builders. What Pod Security
// "restricted" demands is set last, so that nothing a user says can undo it.
package pod

import (
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

// stopSeconds is how long a process has to end after SIGTERM.
const stopSeconds = 30

// Template is the pod template of one slot.
func Template(s settings.Settings, slot string) *corev1ac.PodTemplateSpecApplyConfiguration {
	t := template(s, slot)
	if s.Worker != nil {
		attend(t, s)
	}
	restrict(t.Spec, s)
	return t
}

// template is the application alone: without the queue daemon, and without what restrict sets.
func template(s settings.Settings, slot string) *corev1ac.PodTemplateSpecApplyConfiguration {
	spec := corev1ac.PodSpec().
		WithServiceAccountName(ServiceAccount(s)).
		WithEnableServiceLinks(false).
		WithTerminationGracePeriodSeconds(grace(s))
	if s.Pod.ServiceAccountName == "" {
		spec.WithAutomountServiceAccountToken(false)
	}
	if s.Version.PullSecret != "" {
		spec.WithImagePullSecrets(corev1ac.LocalObjectReference().WithName(s.Version.PullSecret))
	}
	for _, p := range s.Processes {
		spec.WithContainers(container(s, p))
	}
	for _, v := range s.Pod.Volumes {
		spec.WithVolumes(volume(v))
	}
	databases(spec, s)
	bundle(spec, s)
	place(spec, s, slot)
	return corev1ac.PodTemplateSpec().WithLabels(labels(s, slot)).WithAnnotations(annotations(s)).WithSpec(spec)
}

func labels(s settings.Settings, slot string) map[string]string {
	out := map[string]string{}
	for k, v := range s.Pod.Labels {
		out[k] = string(v)
	}
	for k, v := range naming.Labels(s.Name, s.UID, s.Application) {
		out[k] = v
	}
	out[v1alpha1.LabelSlot] = slot
	out[v1alpha1.LabelGroup] = s.Isolation.Group
	return out
}

func annotations(s settings.Settings) map[string]string {
	out := map[string]string{}
	for k, v := range s.Pod.Annotations {
		out[k] = string(v)
	}
	out[v1alpha1.AnnotationRevision] = s.Revision
	out[v1alpha1.AnnotationVersion] = s.Version.Name
	if s.RestartToken != "" {
		out[v1alpha1.AnnotationRestart] = s.RestartToken
	}
	if a := s.Version.Artifact; a != nil && !inImage(s) {
		out[v1alpha1.AnnotationArtifact] = "sha256:" + a.SHA256
	}
	return out
}

// ServiceAccount is the name of the account that the pods of an environment have.
func ServiceAccount(s settings.Settings) string {
	if s.Pod.ServiceAccountName != "" {
		return s.Pod.ServiceAccountName
	}
	return s.Name
}

// grace is the longest drain of any process, and the time to stop.
func grace(s settings.Settings) int64 {
	var drain int32
	for _, p := range s.Processes {
		drain = max(drain, p.DrainSeconds)
	}
	if s.Worker != nil {
		drain = int32(s.Worker.Config.Drain) + handBackSeconds
	}
	return int64(drain) + stopSeconds
}

func container(s settings.Settings, p settings.Process) *corev1ac.ContainerApplyConfiguration {
	c := corev1ac.Container().WithName(p.Name).WithImage(s.Version.Image).WithImagePullPolicy(corev1.PullIfNotPresent)
	if s.Version.PullNever {
		c.WithImagePullPolicy(corev1.PullNever)
	}
	for _, word := range p.Command {
		c.WithCommand(Literal(word))
	}
	c.WithEnv(environment(s, p)...)
	c.WithResources(resources(s.Resources))
	for _, m := range s.Pod.VolumeMounts {
		mount := corev1ac.VolumeMount().WithName(m.Name).WithMountPath(m.MountPath)
		if m.SubPath != "" {
			mount.WithSubPath(m.SubPath)
		}
		if m.ReadOnly {
			mount.WithReadOnly(true)
		}
		c.WithVolumeMounts(mount)
	}
	if p.Port != 0 {
		c.WithPorts(port(p.Name, p.Port))
		c.WithReadinessProbe(probe(p))
	}
	for _, e := range p.ExtraPorts {
		c.WithPorts(port(e.Name, e.Port))
	}
	if p.DrainSeconds > 0 {
		// The kubelet itself sleeps, so that images without a shell drain too. Routers forget the instance meanwhile.
		c.WithLifecycle(corev1ac.Lifecycle().WithPreStop(
			corev1ac.LifecycleHandler().WithSleep(corev1ac.SleepAction().WithSeconds(int64(p.DrainSeconds)))))
	}
	return c
}

func port(name string, number int32) *corev1ac.ContainerPortApplyConfiguration {
	return corev1ac.ContainerPort().WithName(name).WithContainerPort(number).WithProtocol(corev1.ProtocolTCP)
}

func environment(s settings.Settings, p settings.Process) []*corev1ac.EnvVarApplyConfiguration {
	told := databaseVariables(s)
	for _, l := range s.Links {
		told = append(told, linkVariable(l))
	}
	out := make([]*corev1ac.EnvVarApplyConfiguration, 0, len(s.Properties)+len(told)+1)
	for _, prop := range s.Properties {
		if !slices.ContainsFunc(told, func(v *corev1ac.EnvVarApplyConfiguration) bool { return *v.Name == prop.Name }) {
			out = append(out, variable(prop))
		}
	}
	out = append(out, told...)
	if p.Port != 0 {
		out = append(out, corev1ac.EnvVar().WithName("PORT").WithValue(strconv.Itoa(int(p.Port))))
	}
	return out
}

// linkVariable tells of another Environment or a database. A key that a Secret does not have leaves the variable unset.
func linkVariable(l settings.LinkVariable) *corev1ac.EnvVarApplyConfiguration {
	v := corev1ac.EnvVar().WithName(l.Name)
	if l.Secret == "" {
		return v.WithValue(Literal(l.Value))
	}
	return v.WithValueFrom(corev1ac.EnvVarSource().WithSecretKeyRef(
		corev1ac.SecretKeySelector().WithName(l.Secret).WithKey(l.Key).WithOptional(true)))
}

func variable(p v1alpha1.EnvironmentProperty) *corev1ac.EnvVarApplyConfiguration {
	v := corev1ac.EnvVar().WithName(p.Name)
	switch {
	case p.ValueFrom != nil && p.ValueFrom.SecretKeyRef != nil:
		r := p.ValueFrom.SecretKeyRef
		v.WithValueFrom(corev1ac.EnvVarSource().WithSecretKeyRef(corev1ac.SecretKeySelector().WithName(r.Name).WithKey(r.Key)))
	case p.ValueFrom != nil && p.ValueFrom.ConfigMapKeyRef != nil:
		r := p.ValueFrom.ConfigMapKeyRef
		v.WithValueFrom(corev1ac.EnvVarSource().WithConfigMapKeyRef(corev1ac.ConfigMapKeySelector().WithName(r.Name).WithKey(r.Key)))
	case p.Value != nil:
		v.WithValue(Literal(*p.Value))
	default:
		v.WithValue("")
	}
	return v
}

// Literal keeps the kubelet from expanding $(NAME) and $$: values and commands are taken as they are written.
func Literal(value string) string {
	out := make([]byte, 0, len(value))
	for i := range len(value) {
		out = append(out, value[i])
		if value[i] == '$' {
			out = append(out, '$')
		}
	}
	return string(out)
}

func probe(p settings.Process) *corev1ac.ProbeApplyConfiguration {
	out := corev1ac.Probe().
		WithPeriodSeconds(p.Health.IntervalSeconds).WithTimeoutSeconds(p.Health.TimeoutSeconds).
		WithSuccessThreshold(p.Health.HealthyThreshold).WithFailureThreshold(p.Health.UnhealthyThreshold)
	target := intstr.FromInt32(p.Port)
	if p.Health.Path == "" {
		return out.WithTCPSocket(corev1ac.TCPSocketAction().WithPort(target))
	}
	return out.WithHTTPGet(corev1ac.HTTPGetAction().WithPath(p.Health.Path).WithPort(target).WithScheme(corev1.URISchemeHTTP))
}

func resources(r v1alpha1.Resources) *corev1ac.ResourceRequirementsApplyConfiguration {
	out := corev1ac.ResourceRequirements()
	if list := amounts(r.Requests); len(list) > 0 {
		out.WithRequests(list)
	}
	if list := amounts(r.Limits); len(list) > 0 {
		out.WithLimits(list)
	}
	return out
}

// amounts translates what the schema has checked; a quantity that it would not accept is left out.
func amounts(a *v1alpha1.ResourceAmounts) corev1.ResourceList {
	list := corev1.ResourceList{}
	if a == nil {
		return list
	}
	for name, text := range map[corev1.ResourceName]string{
		corev1.ResourceCPU: a.CPU, corev1.ResourceMemory: a.Memory, corev1.ResourceEphemeralStorage: a.EphemeralStorage,
	} {
		if q, err := resource.ParseQuantity(text); err == nil {
			list[name] = q
		}
	}
	return list
}

func volume(v v1alpha1.Volume) *corev1ac.VolumeApplyConfiguration {
	out := corev1ac.Volume().WithName(v.Name)
	switch {
	case v.EmptyDir != nil:
		dir := corev1ac.EmptyDirVolumeSource()
		if q, err := resource.ParseQuantity(v.EmptyDir.SizeLimit); err == nil {
			dir.WithSizeLimit(q)
		}
		if v.EmptyDir.Medium == "Memory" {
			dir.WithMedium(corev1.StorageMediumMemory)
		}
		out.WithEmptyDir(dir)
	case v.ConfigMap != nil:
		out.WithConfigMap(corev1ac.ConfigMapVolumeSource().WithName(v.ConfigMap.Name))
	case v.Secret != nil:
		out.WithSecret(corev1ac.SecretVolumeSource().WithSecretName(v.Secret.Name))
	case v.PersistentVolumeClaim != nil:
		out.WithPersistentVolumeClaim(corev1ac.PersistentVolumeClaimVolumeSource().WithClaimName(v.PersistentVolumeClaim.Name))
	}
	return out
}

func place(spec *corev1ac.PodSpecApplyConfiguration, s settings.Settings, slot string) {
	selector := map[string]string{}
	for k, v := range s.Placement.NodeSelector {
		selector[k] = v
	}
	if s.Placement.Architecture != "" {
		selector[corev1.LabelArchStable] = s.Placement.Architecture
	}
	if len(selector) > 0 {
		spec.WithNodeSelector(selector)
	}
	for _, t := range s.Placement.Tolerations {
		spec.WithTolerations(toleration(t))
	}
	if !s.Placement.Spread {
		return
	}
	for _, key := range []string{corev1.LabelTopologyZone, corev1.LabelHostname} {
		// Each revision is spread by itself, so that a rollout does not leave the new instances crowded where the old ones were not.
		spec.WithTopologySpreadConstraints(corev1ac.TopologySpreadConstraint().
			WithTopologyKey(key).WithMaxSkew(1).WithWhenUnsatisfiable(corev1.ScheduleAnyway).
			WithMatchLabelKeys("pod-template-hash").
			WithLabelSelector(metav1ac.LabelSelector().WithMatchLabels(naming.SlotSelector(s.UID, slot))))
	}
}

func toleration(t v1alpha1.Toleration) *corev1ac.TolerationApplyConfiguration {
	out := corev1ac.Toleration().WithOperator(corev1.TolerationOpEqual)
	if t.Operator != "" {
		out.WithOperator(corev1.TolerationOperator(t.Operator))
	}
	if t.Key != "" {
		out.WithKey(t.Key)
	}
	if t.Value != "" {
		out.WithValue(t.Value)
	}
	if t.Effect != "" {
		out.WithEffect(corev1.TaintEffect(t.Effect))
	}
	if t.TolerationSeconds != nil {
		out.WithTolerationSeconds(*t.TolerationSeconds)
	}
	return out
}

// restrict sets what Pod Security "restricted" demands of a pod.
func restrict(spec *corev1ac.PodSpecApplyConfiguration, s settings.Settings) {
	security := corev1ac.PodSecurityContext().
		WithRunAsNonRoot(true).
		WithSeccompProfile(corev1ac.SeccompProfile().WithType(corev1.SeccompProfileTypeRuntimeDefault))
	if s.Version.Artifact != nil {
		security.WithRunAsUser(artifactUser).WithRunAsGroup(artifactUser).WithFSGroup(artifactUser)
	}
	if s.Pod.RunAsUser != nil {
		security.WithRunAsUser(*s.Pod.RunAsUser)
	}
	if s.Pod.FSGroup != nil {
		security.WithFSGroup(*s.Pod.FSGroup)
	}
	spec.WithSecurityContext(security)
	for i := range spec.InitContainers {
		spec.InitContainers[i].WithSecurityContext(confined(s, spec.InitContainers[i].RestartPolicy == nil))
	}
	for i := range spec.Containers {
		spec.Containers[i].WithSecurityContext(confined(s, *spec.Containers[i].Name == Daemon))
	}
}

// confined is what one container may do. Our own programs write nothing to their root file system.
func confined(s settings.Settings, own bool) *corev1ac.SecurityContextApplyConfiguration {
	out := unprivileged()
	// A written-out false is left out like an unset one: the two have one revision, so they must give the same pods.
	if r := s.Pod.ReadOnlyRootFilesystem; own || r != nil && *r {
		out.WithReadOnlyRootFilesystem(true)
	}
	return out
}

func unprivileged() *corev1ac.SecurityContextApplyConfiguration {
	return corev1ac.SecurityContext().
		WithAllowPrivilegeEscalation(false).
		WithCapabilities(corev1ac.Capabilities().WithDrop("ALL"))
}
