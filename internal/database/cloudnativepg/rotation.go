// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudnativepg

import (
	"cmp"
	_ "embed" // the scripts

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/beanpod-dev/beanpod/internal/database"
	"github.com/beanpod-dev/beanpod/internal/database/jobs"
)

// What the Jobs of a rotation run, as the new login: CloudNativePG manages roles, but neither their settings nor what belongs to them.
var (
	//go:embed scripts/lib.sh
	library string
	//go:embed scripts/add.sh
	addScript string
	//go:embed scripts/end.sh
	endScript string
)

const (
	// passwordVolume has the new login's password.
	passwordVolume, passwordDir = "rotation", "/secrets/rotation"
	// defaultUser is whom CloudNativePG runs PostgreSQL as.
	defaultUser = 26
)

var _ database.Rotator = Provider{}

// Add implements database.Rotator: a role that CloudNativePG makes, and a Job that logs in with it as soon as it can and makes it act as the owner.
func (Provider) Add(w database.Wanted, r database.Rotation, have database.Objects) []database.Object {
	add, _ := jobs.Steps(w, r)
	cluster := have[clusterRef(w)]
	return []database.Object{clusterOf(w, cluster, adding(w, roles(w, cluster), r)), step(w, r, have, add, "add", addScript)}
}

// Drop implements database.Rotator. That the new login works the Job of Add has proved; the one of this step waits until CloudNativePG has
// taken the others' away, and then ends their connections.
func (Provider) Drop(w database.Wanted, r database.Rotation, have database.Objects) []database.Object {
	_, drop := jobs.Steps(w, r)
	cluster := have[clusterRef(w)]
	return []database.Object{clusterOf(w, cluster, dropping(w, adding(w, roles(w, cluster), r), r)), step(w, r, have, drop, "end", endScript)}
}

func step(w database.Wanted, r database.Rotation, have database.Objects, name, container, script string) database.Object {
	cluster := have[clusterRef(w)]
	user := cmp.Or(number(cluster, "spec", "postgresUID"), defaultUser)
	c := jobs.Container(container, cmp.Or(text(cluster, "status", "image"), image(w, cluster)), "sh", "-c", library+script).
		WithEnv(
			variable("PGHOST", Provider{}.Read(w, have).Host), variable("PGDATABASE", w.Database), variable("PGUSER", r.Role),
			variable("BEANPOD_OWNER", w.Username), variable("BEANPOD_PASSWORD_FILE", passwordDir+"/password")).
		WithVolumeMounts(jobs.Mount(passwordVolume, passwordDir).WithReadOnly(true), jobs.Mount(jobs.TmpVolume, "/tmp")).
		WithResources(jobs.Amounts("50m", "64Mi", "256Mi"))
	return jobs.Step(w, name, jobs.PodSpec(user).WithContainers(c).
		WithVolumes(jobs.Tmp(), jobs.SecretVolume(passwordVolume, r.PasswordSecret, "password")))
}

func variable(name, value string) *corev1ac.EnvVarApplyConfiguration {
	return corev1ac.EnvVar().WithName(name).WithValue(value)
}

// ReadAdd implements database.Rotator.
func (Provider) ReadAdd(w database.Wanted, r database.Rotation, have database.Objects) database.Progress {
	if role(roles(w, have[clusterRef(w)]), r.Role) == nil {
		return database.Progress{}
	}
	return explained(have[clusterRef(w)], jobs.Rotations{}.ReadAdd(w, r, have))
}

// ReadDrop implements database.Rotator.
func (Provider) ReadDrop(w database.Wanted, r database.Rotation, have database.Objects) database.Progress {
	if owner := role(roles(w, have[clusterRef(w)]), w.Username); owner == nil || owner["login"] == true {
		return database.Progress{}
	}
	return explained(have[clusterRef(w)], jobs.Rotations{}.ReadDrop(w, r, have))
}

// explained adds what CloudNativePG says to a step that is not done.
func explained(cluster *unstructured.Unstructured, p database.Progress) database.Progress {
	if trouble := roleTrouble(cluster); trouble != "" && p.Exists && !p.Done {
		p.Message += " " + trouble + "."
	}
	return p
}
