// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package builtin

import (
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/beanpod-dev/beanpod/internal/database"
	"github.com/beanpod-dev/beanpod/internal/database/jobs"
)

// Rotation implements database.Rotator.
func (Provider) Rotation(w database.Wanted, token string) database.Rotation {
	return jobs.Rotation(w, token)
}

// RotationRefs implements database.Rotator.
func (Provider) RotationRefs(w database.Wanted, r database.Rotation) []database.Ref {
	add, drop := jobs.Steps(w, r)
	return []database.Ref{jobs.Ref(add), database.PodOf(add), jobs.Ref(drop), database.PodOf(drop)}
}

// Add implements database.Rotator.
func (Provider) Add(w database.Wanted, r database.Rotation, have database.Objects) []database.Object {
	add, _ := jobs.Steps(w, r)
	return []database.Object{rotationJob(w, r, have, add, Rotate, "rotate.sh")}
}

// Drop implements database.Rotator.
func (Provider) Drop(w database.Wanted, r database.Rotation, have database.Objects) []database.Object {
	_, drop := jobs.Steps(w, r)
	return []database.Object{rotationJob(w, r, have, drop, Retire, "retire.sh")}
}

func rotationJob(w database.Wanted, r database.Rotation, have database.Objects, name, container, script string) database.Object {
	c := postgres(w, have, container, script).
		WithEnv(corev1ac.EnvVar().WithName("BEANPOD_HOST").WithValue(host(w)), corev1ac.EnvVar().WithName("BEANPOD_ROLE").WithValue(r.Role)).
		WithVolumeMounts(jobs.Mount(adminVolume, adminDir).WithReadOnly(true), jobs.Mount(rotationVolume, rotationDir).WithReadOnly(true)).
		WithResources(jobs.Amounts("50m", "64Mi", "256Mi"))
	return jobs.Step(w, name, jobs.PodSpec(postgresUser).WithContainers(c).
		WithVolumes(scriptsVolume(w), jobs.Tmp(), jobs.SecretVolume(adminVolume, AdminSecret(w), "password"), jobs.SecretVolume(rotationVolume, r.PasswordSecret, "password")))
}

// ReadAdd implements database.Rotator.
func (Provider) ReadAdd(w database.Wanted, r database.Rotation, have database.Objects) database.Progress {
	add, _ := jobs.Steps(w, r)
	return jobs.Progress(have, add, "adds the login "+r.Role)
}

// ReadDrop implements database.Rotator.
func (Provider) ReadDrop(w database.Wanted, r database.Rotation, have database.Objects) database.Progress {
	_, drop := jobs.Steps(w, r)
	return jobs.Progress(have, drop, "ends all logins but "+r.Role)
}
