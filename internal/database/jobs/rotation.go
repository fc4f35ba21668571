// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package jobs

import (
	"strings"

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
	// digits end the name of a login.
	digits = 8
)

// IsLogin says whether a role is named as Rotations names logins of the database's owner.
func IsLogin(w database.Wanted, role string) bool {
	rest, ok := strings.CutPrefix(role, prefix(w))
	return ok && len(rest) == digits && strings.Trim(rest, "0123456789abcdef") == ""
}

func prefix(w database.Wanted) string { return w.Username[:min(len(w.Username), ownerPart)] + "_" }

// Steps names the Jobs of a rotation: the one that adds the login, and the one that ends the others.
func Steps(w database.Wanted, r database.Rotation) (add, drop string) {
	hash := Short(w.ID+"/"+r.Token, digits)
	return w.Resource + "-add-" + hash, w.Resource + "-end-" + hash
}

// Step is a Job of a rotation with a name.
func Step(w database.Wanted, name string, spec *corev1ac.PodSpecApplyConfiguration) database.Object {
	return New(w, Order{Name: name, Retries: rotationRetries, Seconds: rotationSeconds, KeptSeconds: rotationKept, Spec: spec})
}

// Rotations is the part of database.Rotator that is the same for providers that do both steps in Jobs.
type Rotations struct{}

// Rotation implements database.Rotator. The name of the login begins with the owner's.
func (Rotations) Rotation(w database.Wanted, token string) database.Rotation {
	hash := Short(w.ID+"/"+token, digits)
	return database.Rotation{Token: token, Role: prefix(w) + hash, PasswordSecret: w.Resource + "-r-" + hash}
}

// RotationRefs implements database.Rotator.
func (Rotations) RotationRefs(w database.Wanted, r database.Rotation) []database.Ref {
	add, drop := Steps(w, r)
	return []database.Ref{Ref(add), database.PodOf(add), Ref(drop), database.PodOf(drop)}
}

// ReadAdd implements database.Rotator.
func (Rotations) ReadAdd(w database.Wanted, r database.Rotation, have database.Objects) database.Progress {
	add, _ := Steps(w, r)
	return Progress(have, add, "adds the login "+r.Role)
}

// ReadDrop implements database.Rotator.
func (Rotations) ReadDrop(w database.Wanted, r database.Rotation, have database.Objects) database.Progress {
	_, drop := Steps(w, r)
	return Progress(have, drop, "ends all logins but "+r.Role)
}
