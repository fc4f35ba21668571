// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package builtin

import (
	"fmt"

	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/database"
	podparts "github.com/beanpod-dev/beanpod/internal/desired/pod"
)

// snapshotSeconds is how long a dump, its check and its way to the store may take together, images included.
const snapshotSeconds = 2 * 3600

func snapshotJob(w database.Wanted, name string) string { return w.Resource + "-s-" + short(name, 10) }

// SnapshotRefs implements database.Provider.
func (Provider) SnapshotRefs(w database.Wanted, name string) []database.Ref {
	job := snapshotJob(w, name)
	return []database.Ref{jobRef(job), database.PodOf(job)}
}

// Snapshot implements database.Provider: a logical dump in the artifact store, under the snapshot's name. One Job makes it, once: it
// dumps, restores what it dumped into a server that is thrown away and compares every table, and only then stores it. The Job has no
// time to live: that it is complete is the record that the snapshot is good.
func (Provider) Snapshot(w database.Wanted, name string, have database.Objects) []database.Object {
	if impossible(w, name) != "" {
		return nil
	}
	check := postgres(w, have, Check, "check.sh").WithVolumeMounts(mount(workVolume, workDir)).WithResources(amounts("100m", "256Mi", "1Gi"))
	dump := postgres(w, have, Dump, "dump.sh").
		WithEnv(corev1ac.EnvVar().WithName("BEANPOD_HOST").WithValue(host(w))).
		WithVolumeMounts(mount(workVolume, workDir), mount(adminVolume, adminDir).WithReadOnly(true)).
		WithResources(amounts("100m", "128Mi", "512Mi"))
	// What a dump restores to needs at most as much as the database's own disk.
	room := dumps()
	room.Add(quantity(w.Storage))
	spec := podSpec().
		WithVolumes(scriptsVolume(w), tmp(), work(room), secretVolume(adminVolume, AdminSecret(w), "password"), podparts.Token()).
		WithInitContainers(dump, check).WithContainers(bundle(w, Push, "push", "--name", name, "--file", snapshotFile))
	return []database.Object{job(w, order{
		name: snapshotJob(w, name), annotations: map[string]string{v1alpha1.AnnotationSnapshot: name}, spec: spec, seconds: snapshotSeconds,
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
	o := have[jobRef(job)]
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
	done, failed, message := ended(job, have)
	out.Usable, out.Failed = done, failed
	switch {
	case done:
		out.Message = fmt.Sprintf("Snapshot %s is in the artifact store; it was restored and compared with the database.", name)
		if r := result(podOf(have[database.PodOf(job)]), Push); r != nil {
			out.Message = fmt.Sprintf("Snapshot %s is in the artifact store (%d bytes, sha256:%s); it was restored and compared with the database.", name, r.SizeBytes, r.SHA256)
		}
	case failed:
		out.Message = fmt.Sprintf("Snapshot %s failed: %s See Job %s, then ask for one of another name.", name, message, job)
	default:
		out.Message = fmt.Sprintf("Job %s takes snapshot %s. %s", job, name, message)
	}
	return out
}
