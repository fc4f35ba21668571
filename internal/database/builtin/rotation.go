// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package builtin

import (
	"fmt"

	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/beanpod-dev/beanpod/internal/database"
)

const (
	rotationSeconds = 900
	rotationRetries = 4
	// rotationKept is a week. A step that is made again afterwards does no harm.
	rotationKept = 7 * 24 * 3600
	// ownerPart is how much of the owner's name a login's begins with: PostgreSQL cuts names after 63 bytes.
	ownerPart = 54
)

// Rotation implements database.Rotator.
func (Provider) Rotation(w database.Wanted, token string) database.Rotation {
	hash := short(w.ID+"/"+token, 8)
	return database.Rotation{Token: token, Role: w.Username[:min(len(w.Username), ownerPart)] + "_" + hash, PasswordSecret: w.Resource + "-r-" + hash}
}

func (r steps) add() string  { return r.w.Resource + "-add-" + r.hash }
func (r steps) drop() string { return r.w.Resource + "-end-" + r.hash }

// steps names the Jobs of a rotation.
type steps struct {
	w    database.Wanted
	hash string
}

func stepsOf(w database.Wanted, r database.Rotation) steps {
	return steps{w, short(w.ID+"/"+r.Token, 8)}
}

// RotationRefs implements database.Rotator.
func (Provider) RotationRefs(w database.Wanted, r database.Rotation) []database.Ref {
	s := stepsOf(w, r)
	return []database.Ref{jobRef(s.add()), database.PodOf(s.add()), jobRef(s.drop()), database.PodOf(s.drop())}
}

// Add implements database.Rotator.
func (Provider) Add(w database.Wanted, r database.Rotation, have database.Objects) []database.Object {
	return []database.Object{rotationJob(w, r, have, stepsOf(w, r).add(), Rotate, "rotate.sh")}
}

// Drop implements database.Rotator.
func (Provider) Drop(w database.Wanted, r database.Rotation, have database.Objects) []database.Object {
	return []database.Object{rotationJob(w, r, have, stepsOf(w, r).drop(), Retire, "retire.sh")}
}

func rotationJob(w database.Wanted, r database.Rotation, have database.Objects, name, container, script string) database.Object {
	c := postgres(w, have, container, script).
		WithEnv(corev1ac.EnvVar().WithName("BEANPOD_HOST").WithValue(host(w)), corev1ac.EnvVar().WithName("BEANPOD_ROLE").WithValue(r.Role)).
		WithVolumeMounts(mount(adminVolume, adminDir).WithReadOnly(true), mount(rotationVolume, rotationDir).WithReadOnly(true)).
		WithResources(amounts("50m", "64Mi", "256Mi"))
	return job(w, order{
		name: name, retries: rotationRetries, seconds: rotationSeconds, keptSeconds: rotationKept,
		spec: podSpec().WithContainers(c).
			WithVolumes(scriptsVolume(w), tmp(), secretVolume(adminVolume, AdminSecret(w), "password"), secretVolume(rotationVolume, r.PasswordSecret, "password")),
	})
}

// ReadAdd implements database.Rotator.
func (Provider) ReadAdd(w database.Wanted, r database.Rotation, have database.Objects) database.Progress {
	return progress(have, stepsOf(w, r).add(), fmt.Sprintf("adds the login %s", r.Role))
}

// ReadDrop implements database.Rotator.
func (Provider) ReadDrop(w database.Wanted, r database.Rotation, have database.Objects) database.Progress {
	return progress(have, stepsOf(w, r).drop(), fmt.Sprintf("ends all logins but %s", r.Role))
}

func progress(have database.Objects, job, what string) database.Progress {
	if have[jobRef(job)] == nil {
		return database.Progress{}
	}
	done, failed, message := ended(job, have)
	out := database.Progress{Exists: true, Done: done, Failed: failed}
	switch {
	case failed:
		out.Message = fmt.Sprintf("Job %s, which %s, failed: %s Set the annotation to another value to try again.", job, what, message)
	case !done:
		out.Message = fmt.Sprintf("Job %s %s. %s", job, what, message)
	}
	return out
}
