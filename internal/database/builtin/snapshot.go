// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package builtin

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/bundle/report"
	"github.com/beanpod-dev/beanpod/internal/database"
	"github.com/beanpod-dev/beanpod/internal/database/jobs"
	"github.com/beanpod-dev/beanpod/internal/database/scripts"
	podparts "github.com/beanpod-dev/beanpod/internal/desired/pod"
)

// snapshotSeconds is how long a dump, its check and its way to the store may take together, images included.
const snapshotSeconds = 2 * 3600

func snapshotJob(w database.Wanted, name string) string {
	return w.Resource + "-s-" + jobs.Short(name, 10)
}

// SnapshotRefs implements database.Provider.
func (Provider) SnapshotRefs(w database.Wanted, name string) []database.Ref {
	job := snapshotJob(w, name)
	return []database.Ref{jobs.Ref(job), database.PodOf(job)}
}

// Snapshot implements database.Provider: a logical dump in the artifact store, under the snapshot's name. One Job makes it, once: it
// dumps, restores what it dumped into a server that is thrown away and compares every table, and only then stores it. The Job has no
// time to live: that it is complete is the record that the snapshot is good.
func (Provider) Snapshot(w database.Wanted, name string, have database.Objects) []database.Object {
	if impossible(w, name) != "" {
		return nil
	}
	check := scripts.Container(w, Check, image(w, have), "check.sh").WithVolumeMounts(jobs.Mount(workVolume, workDir)).WithResources(jobs.Amounts("100m", "256Mi", "1Gi"))
	dump := scripts.Container(w, Dump, image(w, have), "dump.sh").
		WithEnv(corev1ac.EnvVar().WithName("BEANPOD_HOST").WithValue(host(w))).
		WithVolumeMounts(jobs.Mount(workVolume, workDir), jobs.Mount(scripts.AdminVolume, scripts.AdminDir).WithReadOnly(true)).
		WithResources(jobs.Amounts("100m", "128Mi", "512Mi"))
	// What a dump restores to needs at most as much as the database's own disk.
	room := dumps()
	room.Add(quantity(w.Storage))
	spec := jobs.PodSpec(scripts.User).
		WithVolumes(scripts.Volume(w), jobs.Tmp(), work(room), jobs.SecretVolume(scripts.AdminVolume, AdminSecret(w), "password"), podparts.Token()).
		WithInitContainers(dump, check).WithContainers(bundle(w, Push, "push", "--name", name, "--file", snapshotFile))
	return []database.Object{jobs.New(w, jobs.Order{
		Name: snapshotJob(w, name), Annotations: map[string]string{v1alpha1.AnnotationSnapshot: name}, Spec: spec, Seconds: snapshotSeconds,
	})}
}

// impossible says why there can be no such snapshot; empty: there can.
func impossible(w database.Wanted, name string) string {
	switch {
	case w.Operator.StoreURL == "" || w.Operator.BundleImage == "":
		return "Snapshots of provider BuiltIn are kept in the artifact store, and the operator has none; set store in the chart's values."
	case !dnsLabel.MatchString(name):
		return fmt.Sprintf("A snapshot cannot be called %q; use at most 63 lower-case letters, digits and hyphens.", name)
	}
	return ""
}

// ReadSnapshot implements database.Provider.
func (Provider) ReadSnapshot(w database.Wanted, name string, have database.Objects) database.SnapshotFacts {
	job := snapshotJob(w, name)
	o := have[jobs.Ref(job)]
	if o == nil {
		why := impossible(w, name)
		return database.SnapshotFacts{Failed: why != "", Message: why}
	}
	out := database.SnapshotFacts{Exists: true, Name: name}
	if a := o.GetAnnotations(); a[v1alpha1.AnnotationDatabaseID] != w.ID || a[v1alpha1.AnnotationSnapshot] != name {
		out.Failed = true
		out.Message = fmt.Sprintf("Job %s took a snapshot of another database; choose another name than %q.", job, name)
		return out
	}
	done, failed, message := jobs.Ended(job, have)
	out.Usable, out.Failed = done, failed
	switch {
	case done:
		out.Message = fmt.Sprintf("Snapshot %s is in the artifact store; it was restored and compared with the database.", name)
		if r := result(jobs.Pod(have[database.PodOf(job)]), Push); r != nil {
			out.Message = fmt.Sprintf("Snapshot %s is in the artifact store (%d bytes, sha256:%s); it was restored and compared with the database.", name, r.SizeBytes, r.SHA256)
		}
	case failed:
		out.Message = fmt.Sprintf("Snapshot %s failed: %s See Job %s, then ask for one of another name.", name, message, job)
	default:
		out.Message = fmt.Sprintf("Job %s takes snapshot %s. %s", job, name, message)
	}
	return out
}

// result is what the bundle program reported at the end; nil when its pod is gone.
func result(p *corev1.Pod, container string) *report.Object {
	if p == nil {
		return nil
	}
	for _, s := range p.Status.ContainerStatuses {
		if t := s.State.Terminated; t != nil && s.Name == container {
			if r, err := report.Decode([]byte(t.Message)); err == nil {
				return r.Snapshot
			}
		}
	}
	return nil
}
