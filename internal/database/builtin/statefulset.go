// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package builtin

import (
	"maps"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/database"
	"github.com/beanpod-dev/beanpod/internal/database/jobs"
	"github.com/beanpod-dev/beanpod/internal/database/scripts"
	podparts "github.com/beanpod-dev/beanpod/internal/desired/pod"
)

const (
	// graceSeconds is how long PostgreSQL may write what it has before it is killed, which costs a recovery and no data.
	graceSeconds = 120
	// startupTries of startupPeriod seconds: two hours for a restore or a recovery.
	startupTries, startupPeriod = 720, 10
	revisions                   = 2
)

// statefulSetIntent leaves as it is what cannot be changed, and what would restart a server for nothing.
func statefulSetIntent(w database.Wanted, have database.Objects) map[string]any {
	s := have[statefulSet(w)]
	config := appsv1ac.StatefulSet("", "").WithSpec(appsv1ac.StatefulSetSpec().
		WithServiceName(w.Resource).WithReplicas(1).WithRevisionHistoryLimit(revisions).
		WithSelector(metav1ac.LabelSelector().WithMatchLabels(selector(w))).
		// A pod that cannot start must not keep the one that can from being made.
		WithPodManagementPolicy(appsv1.ParallelPodManagement).
		WithUpdateStrategy(appsv1ac.StatefulSetUpdateStrategy().WithType(appsv1.RollingUpdateStatefulSetStrategyType)).
		WithPersistentVolumeClaimRetentionPolicy(appsv1ac.StatefulSetPersistentVolumeClaimRetentionPolicy().
			WithWhenDeleted(appsv1.RetainPersistentVolumeClaimRetentionPolicyType).WithWhenScaled(appsv1.RetainPersistentVolumeClaimRetentionPolicyType)).
		WithTemplate(template(w, have)))
	out := jobs.Intent(w, w.Resource, config)
	spec := out["spec"].(map[string]any)
	if s != nil {
		if kept, ok, err := unstructured.NestedSlice(s.Object, "spec", "volumeClaimTemplates"); ok && err == nil {
			spec["volumeClaimTemplates"] = runtime.DeepCopyJSONValue(kept)
			return out
		}
	}
	spec["volumeClaimTemplates"] = []any{claim(w)}
	return out
}

// claim is the template of the volume. Nobody owns what is made of it.
func claim(w database.Wanted) map[string]any {
	spec := corev1ac.PersistentVolumeClaimSpec().WithAccessModes(corev1.ReadWriteOnce).WithResources(
		corev1ac.VolumeResourceRequirements().WithRequests(corev1.ResourceList{corev1.ResourceStorage: quantity(w.Storage)}))
	if p := w.Parameters.BuiltIn; p != nil && p.StorageClassName != "" {
		spec.WithStorageClassName(p.StorageClassName)
	}
	out := jobs.Intent(w, dataVolume, corev1ac.PersistentVolumeClaim("", "").WithSpec(spec))
	delete(out["metadata"].(map[string]any), "namespace")
	return out
}

func template(w database.Wanted, have database.Objects) *corev1ac.PodTemplateSpecApplyConfiguration {
	labels := w.Labels()
	maps.Copy(labels, selector(w))
	if s := have[statefulSet(w)]; s != nil {
		// A claim that takes over what was restored once has no restoreFrom, and restarts nothing.
		w.Restore, _, _ = unstructured.NestedString(s.Object, "spec", "template", "metadata", "annotations", v1alpha1.AnnotationRestore) //nolint:errcheck // then it was not
	}
	if s := have[statefulSet(w)]; s != nil { // a claim of another name that takes the database over restarts nothing
		if was, ok, err := unstructured.NestedString(s.Object, "spec", "template", "metadata", "labels", v1alpha1.LabelDatabase); ok && err == nil {
			labels[v1alpha1.LabelDatabase] = was
		}
	}
	spec := jobs.PodSpec(scripts.User).WithTerminationGracePeriodSeconds(graceSeconds).
		WithVolumes(scripts.Volume(w), jobs.SecretVolume(scripts.AppVolume, w.Secret, "username", "password"), jobs.SecretVolume(scripts.AdminVolume, AdminSecret(w), "password"), jobs.Tmp(), shm()).
		WithContainers(server(w, have))
	out := corev1ac.PodTemplateSpec().WithLabels(labels).WithSpec(spec)
	if w.Restore != "" {
		out.WithAnnotations(map[string]string{v1alpha1.AnnotationRestore: w.Restore})
		spec.WithVolumes(work(dumps()), podparts.Token()).WithInitContainers(fetch(w, have))
	}
	return out
}

func server(w database.Wanted, have database.Objects) *corev1ac.ContainerApplyConfiguration {
	c := scripts.Container(w, Server, image(w, have), "start.sh").
		WithPorts(corev1ac.ContainerPort().WithName("postgres").WithContainerPort(Port).WithProtocol(corev1.ProtocolTCP)).
		WithVolumeMounts(jobs.Mount(dataVolume, dataDir), jobs.Mount(scripts.AppVolume, scripts.AppDir).WithReadOnly(true), jobs.Mount(scripts.AdminVolume, scripts.AdminDir).WithReadOnly(true), jobs.Mount(shmVolume, "/dev/shm")).
		// The server's first signal must be its fast shutdown; the second, which follows, does nothing then.
		WithLifecycle(corev1ac.Lifecycle().WithPreStop(corev1ac.LifecycleHandler().WithExec(exec("stop.sh")))).
		WithStartupProbe(probe("started.sh", startupPeriod, startupTries)).
		WithReadinessProbe(probe("ready.sh", 10, 3)).
		WithLivenessProbe(probe("alive.sh", 20, 6)).
		WithResources(resources(w.Resources))
	if w.Restore != "" {
		c.WithEnv(corev1ac.EnvVar().WithName("BEANPOD_RESTORE").WithValue(w.Restore)).WithVolumeMounts(jobs.Mount(workVolume, workDir))
	}
	return c
}

// fetch brings the snapshot to a database that is not there yet.
func fetch(w database.Wanted, have database.Objects) *corev1ac.ContainerApplyConfiguration {
	c := bundle(w, Fetch, "fetch", "--name", w.Restore, "--file", snapshotFile, "--unless", dataDir+"/pgdata").
		WithVolumeMounts(jobs.Mount(dataVolume, dataDir).WithReadOnly(true))
	if s := have[statefulSet(w)]; s != nil && running(w, have) { // it has done its work; another image would restart the server
		if was := imageOf(s, Fetch); was != "" {
			c.WithImage(was)
		}
	}
	return c
}

// imageOf an init container of a StatefulSet; empty when there is none.
func imageOf(s *unstructured.Unstructured, name string) string {
	list, _, err := unstructured.NestedSlice(s.Object, "spec", "template", "spec", "initContainers")
	if err != nil {
		return ""
	}
	for _, item := range list {
		if c, ok := item.(map[string]any); ok && c["name"] == name {
			image, _ := c["image"].(string)
			return image
		}
	}
	return ""
}
