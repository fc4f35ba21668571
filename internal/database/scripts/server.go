// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package scripts

import (
	"strconv"

	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/beanpod-dev/beanpod/internal/database"
	"github.com/beanpod-dev/beanpod/internal/database/jobs"
)

// The containers of Jobs.
const (
	Login  = "login"
	Rotate = "rotate"
	Retire = "retire"
)

const (
	// loginTries restart the container, five minutes apart at last: about a week, in which somebody may correct the network.
	loginTries = 2000
	week       = 7 * 24 * 3600
)

// Server is a PostgreSQL that Jobs log in to over the network.
type Server struct {
	// Image of PostgreSQL, with its tag: any version that can speak to the server.
	Image string
	// Host and Port are where it answers.
	Host string
	Port int32
	// Admin may make roles, and is no other role's member but of those that it made; or it is a superuser. AdminSecret has its password
	// under the key password.
	Admin, AdminSecret string
	// SSLMode is libpq's word for what TLS must be: require. Empty: as the server likes it.
	SSLMode string
}

// LoginJob names the Job that Login makes.
func LoginJob(w database.Wanted) string { return w.Resource + "-login-" + jobs.Short(w.ID, 8) }

// Login makes the application's user and database, with the password of the Secret with the credentials; nothing when it can log in already.
func (s Server) Login(w database.Wanted) database.Object {
	var restore []*corev1ac.EnvVarApplyConfiguration
	if w.Restore != "" { // logins of the database that the snapshot is of end
		restore = append(restore, env("BEANPOD_RESTORE", w.Restore))
	}
	return jobs.New(w, jobs.Order{
		Name: LoginJob(w), Retries: loginTries, KeptSeconds: week, InPlace: true,
		Spec: s.pod(w, Login, "login.sh", jobs.SecretVolume(AppVolume, w.Secret, "username", "password"), AppDir, restore...),
	})
}

// Add implements database.Rotator.
func (s Server) Add(w database.Wanted, r database.Rotation) []database.Object {
	add, _ := jobs.Steps(w, r)
	return []database.Object{jobs.Step(w, add, s.rotation(w, r, Rotate, "rotate.sh"))}
}

// Drop implements database.Rotator.
func (s Server) Drop(w database.Wanted, r database.Rotation) []database.Object {
	_, drop := jobs.Steps(w, r)
	return []database.Object{jobs.Step(w, drop, s.rotation(w, r, Retire, "retire.sh"))}
}

func (s Server) rotation(w database.Wanted, r database.Rotation, container, script string) *corev1ac.PodSpecApplyConfiguration {
	return s.pod(w, container, script, jobs.SecretVolume(rotationVolume, r.PasswordSecret, "password"), rotationDir, env("BEANPOD_ROLE", r.Role))
}

// pod runs a script that has the administrator's password, and one more Secret.
func (s Server) pod(w database.Wanted, name, script string, secret *corev1ac.VolumeApplyConfiguration, mountPath string, more ...*corev1ac.EnvVarApplyConfiguration) *corev1ac.PodSpecApplyConfiguration {
	c := Container(w, name, s.Image, script).
		WithEnv(env("BEANPOD_HOST", s.Host), env("BEANPOD_PORT", strconv.Itoa(int(s.Port))), env("BEANPOD_ADMIN_USERNAME", s.Admin)).
		WithEnv(more...).
		WithVolumeMounts(jobs.Mount(AdminVolume, AdminDir).WithReadOnly(true), jobs.Mount(*secret.Name, mountPath).WithReadOnly(true)).
		WithResources(jobs.Amounts("50m", "64Mi", "256Mi"))
	if s.SSLMode != "" {
		c.WithEnv(env("PGSSLMODE", s.SSLMode))
	}
	return jobs.PodSpec(User).WithContainers(c).
		WithVolumes(Volume(w), jobs.Tmp(), jobs.SecretVolume(AdminVolume, s.AdminSecret, "password"), secret)
}
