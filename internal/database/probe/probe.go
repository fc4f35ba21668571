// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package probe says how a claim's database is probed: by a CronJob that lives as long as the claim, whose pods log in with the Secret
// that applications have and report in their termination message. It judges what they say, too. Pure; called by
// internal/controller/databaseclaim. What runs in the pods is internal/bundle/probe.
package probe

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"maps"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	batchv1ac "k8s.io/client-go/applyconfigurations/batch/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/database"
	"github.com/beanpod-dev/beanpod/internal/database/jobs"
	"github.com/beanpod-dev/beanpod/internal/naming"
)

const (
	// defaultMinutes is the time between two probes where nobody says another one.
	defaultMinutes = 5
	// deadlineSeconds is how long one probe may take from the Job to the result, its image included.
	deadlineSeconds = 120
	// lateSeconds is how late a probe may start; one that is missed is not made up for.
	lateSeconds = 60
	// keptFailures remain, beside the last success: two in a row are what an unreachable database is told by.
	keptFailures = 2
	// user of the pods; the program needs no account.
	user = 65532
	// Container is the one that probes.
	Container  = "probe"
	volume     = "binding"
	bindingDir = "/binding"
)

// Plan is whether a database is probed, and how often.
type Plan struct {
	On bool
	// Minutes between two probes.
	Minutes int32
}

// PlanOf is the claim's word, else that of its class, else the default: on where nobody in the cluster knows how the database is. An
// external database has no class.
func PlanOf(claim *v1alpha1.DatabaseClaim, class *v1alpha1.DatabaseClass) Plan {
	on := claim.Spec.External != nil || class != nil && class.Spec.Provider == v1alpha1.DatabaseRDS
	out := Plan{On: on, Minutes: defaultMinutes}
	layers := []*v1alpha1.DatabaseProbe{claim.Spec.Probe}
	if class != nil {
		layers = []*v1alpha1.DatabaseProbe{class.Spec.Probe, claim.Spec.Probe}
	}
	for _, l := range layers {
		if l != nil && l.Enabled != nil {
			out.On = *l.Enabled
		}
		if l != nil && l.IntervalMinutes != nil {
			out.Minutes = *l.IntervalMinutes
		}
	}
	return out
}

// Order is a probe of one claim's database.
type Order struct {
	Plan
	// Namespace, Claim and UID are the claim's; it owns what is made. ID is the identity of its data.
	Namespace, Claim string
	UID              types.UID
	ID               string
	// Secret has the credentials, Version is its resource version: another one is another address, or other credentials, and is probed
	// anew.
	Secret, Version string
	// Image holds the program.
	Image string
}

// Ref is the CronJob of a claim.
func Ref(claim string) database.Ref {
	return database.Ref{GroupVersionKind: schema.GroupVersionKind{Group: "batch", Version: "v1", Kind: "CronJob"}, Name: naming.DatabaseProbe(claim)}
}

// CronJob probes for as long as the claim lives. It is the same as long as nobody changes what is probed.
func CronJob(o Order) database.Object {
	config := batchv1ac.CronJob("", "").WithSpec(batchv1ac.CronJobSpec().
		WithSchedule(schedule(o)).WithConcurrencyPolicy(batchv1.ForbidConcurrent).WithStartingDeadlineSeconds(lateSeconds).
		WithSuccessfulJobsHistoryLimit(1).WithFailedJobsHistoryLimit(keptFailures).
		WithJobTemplate(batchv1ac.JobTemplateSpec().WithLabels(labels(o)).WithSpec(jobSpec(o))))
	return database.Object{Ref: Ref(o.Claim), Intent: intent(o, naming.DatabaseProbe(o.Claim), config)}
}

// First probes at once what the CronJob will come to later: a new address, or new credentials. It stays until the CronJob has come to it.
func First(o Order) database.Object {
	sum := sha256.Sum256([]byte(o.ID + "/" + o.Version))
	name := naming.DatabaseProbe(o.Claim) + "-" + hex.EncodeToString(sum[:4])
	config := batchv1ac.Job("", "").WithSpec(jobSpec(o).WithTTLSecondsAfterFinished(o.Minutes*60 + deadlineSeconds + lateSeconds))
	ref := database.Ref{GroupVersionKind: schema.GroupVersionKind{Group: "batch", Version: "v1", Kind: "Job"}, Name: name}
	return database.Object{Ref: ref, Intent: intent(o, name, config), Once: true}
}

// schedule spreads the claims of a cluster over the interval.
func schedule(o Order) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(o.UID))
	every := uint32(max(1, o.Minutes)) //nolint:gosec // at most 60
	switch first := h.Sum32() % every; every {
	case 1:
		return "* * * * *"
	case 60:
		return fmt.Sprintf("%d * * * *", first)
	default:
		return fmt.Sprintf("%d-59/%d * * * *", first, every)
	}
}

func wanted(o Order) database.Wanted {
	return database.Wanted{Namespace: o.Namespace, Claim: o.Claim, ID: o.ID}
}

func labels(o Order) map[string]string {
	out := wanted(o).Labels()
	out[v1alpha1.LabelDatabaseProbe] = o.Claim
	return out
}

// jobSpec is tried once: whether a failure counts is decided where the others are known.
func jobSpec(o Order) *batchv1ac.JobSpecApplyConfiguration {
	return batchv1ac.JobSpec().WithBackoffLimit(0).WithCompletions(1).WithParallelism(1).WithActiveDeadlineSeconds(deadlineSeconds).
		WithTemplate(corev1ac.PodTemplateSpec().WithLabels(labels(o)).WithAnnotations(map[string]string{v1alpha1.AnnotationProbeOf: o.Version}).WithSpec(podSpec(o)))
}

// podSpec is a restricted pod that has the credentials of the database and no others.
func podSpec(o Order) *corev1ac.PodSpecApplyConfiguration {
	amounts := func(cpu, memory, disk string) corev1.ResourceList {
		return corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory), corev1.ResourceEphemeralStorage: resource.MustParse(disk),
		}
	}
	return jobs.PodSpec(user).WithRestartPolicy(corev1.RestartPolicyNever).WithTerminationGracePeriodSeconds(1).
		WithVolumes(jobs.SecretVolume(volume, o.Secret, "type", "host", "port", "database", "username", "password")).
		WithContainers(jobs.Container(Container, o.Image, "/bundle", "probe", "--binding", bindingDir, "--timeout", "1m").
			WithTerminationMessagePolicy(corev1.TerminationMessageReadFile). // only what the program wrote there on purpose
			WithVolumeMounts(jobs.Mount(volume, bindingDir).WithReadOnly(true)).
			WithResources(corev1ac.ResourceRequirements().WithRequests(amounts("10m", "32Mi", "1Mi")).WithLimits(amounts("500m", "64Mi", "16Mi"))))
}

// intent adds what everything of a probe has. Its owner is the claim: it holds no data.
func intent(o Order, name string, config any) map[string]any {
	out := jobs.Intent(wanted(o), name, config)
	meta := out["metadata"].(map[string]any)
	maps.Copy(meta["labels"].(map[string]any), map[string]any{v1alpha1.LabelDatabaseProbe: o.Claim})
	maps.Copy(meta["annotations"].(map[string]any), map[string]any{v1alpha1.AnnotationProbeOf: o.Version})
	meta["ownerReferences"] = []any{map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(), "kind": "DatabaseClaim", "name": o.Claim, "uid": string(o.UID), "controller": true,
	}}
	return out
}
